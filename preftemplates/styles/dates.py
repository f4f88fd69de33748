"""A chat template that prints the date, changed so that it always prints the same one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preftemplates.styles.export import format_jinja_literal

if TYPE_CHECKING:
    from datetime import datetime

_CLOCK = "strftime_now"
"""The function by which chat templates read the clock."""

_KNOWN_USE = re.compile(rf"""{_CLOCK}\s*\(\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\)|{_CLOCK}\s+is\s+(?:not\s+)?defined""")
"""A call with a literal format, or a question whether there is such a function."""

_DIRECTIVES = ("-d", "-m", "-H", "-I", "-M", "-S", "-j", "-y", "e", *"aAbBcdDfFGHIjmMpSTuUVwWxXyYzZ", "%")
"""The characters that a format may hold after a percent sign; the last one is the sign itself."""


def pin_date(source: str, moment: datetime) -> str:
    """Return a chat template that finds one moment wherever it asks for the date or time.

    A macro of the same name replaces the clock, so the template prints the date in every program that renders it.

    Args:
        source: the template's text; it is returned as it is if it does not read the clock.
        moment: the moment.

    Example:
        >>> from datetime import datetime
        >>> print(pin_date("{{ strftime_now('%d %b %Y') }}", datetime(2025, 8, 5)))
        {%- macro strftime_now(format) -%}{{- {'%d %b %Y': '05 Aug 2025'}[format] -}}{%- endmacro %}
        {{ strftime_now('%d %b %Y') }}
    """
    if _CLOCK not in source:
        return source
    formats = [single or double for single, double in _KNOWN_USE.findall(source) if single or double]
    known = format_jinja_literal({format: moment.strftime(format) for format in formats})
    if len(_KNOWN_USE.findall(source)) == source.count(_CLOCK):
        value = f"{known}[format]"
    else:
        value = f"{known}.get(format, {_write_any_format(moment)})"
    # the line end is removed by trim_blocks, and nothing of the source is
    return f"{{%- macro {_CLOCK}(format) -%}}{{{{- {value} -}}}}{{%- endmacro %}}\n{source}"


def _write_any_format(moment: datetime) -> str:
    """Return an expression for the text of the moment in a format that is known only when the template renders."""
    texts = {f"%{directive}": moment.strftime(f"%{directive}") for directive in _DIRECTIVES}
    return "format" + "".join(
        f".replace({format_jinja_literal(directive)}, {format_jinja_literal(text)})"
        for directive, text in texts.items()
    )
