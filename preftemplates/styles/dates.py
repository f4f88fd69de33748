"""Fixed dates: a chat template that prints the date, changed to always print the same one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preftemplates.styles.export import format_jinja_literal

if TYPE_CHECKING:
    from datetime import datetime

_CLOCK = "strftime_now"
"""The function with which chat templates read the clock."""

_KNOWN_USE = re.compile(rf"""{_CLOCK}\s*\(\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\)|{_CLOCK}\s+is\s+(?:not\s+)?defined""")
"""Matches a call with a literal format, and a test whether the function is defined."""

_DIRECTIVES = ("-d", "-m", "-H", "-I", "-M", "-S", "-j", "-y", "e", *"aAbBcdDfFGHIjmMpSTuUVwWxXyYzZ", "%")
"""The characters that may follow a percent sign in a format; the last one is the percent sign itself."""


def pin_date(source: str, moment: datetime) -> str:
    """Return a chat template that gets a fixed moment for each date or time that it asks for.

    A macro of the same name replaces the clock, so the template prints this date in every program that renders it.

    Args:
        source: the text of the template, returned unchanged if it does not read the clock.
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
    # trim_blocks removes the newline after the macro, and nothing of the source
    return f"{{%- macro {_CLOCK}(format) -%}}{{{{- {value} -}}}}{{%- endmacro %}}\n{source}"


def _write_any_format(moment: datetime) -> str:
    """Return a Jinja expression for the moment in a format that is known only at render time."""
    texts = {f"%{directive}": moment.strftime(f"%{directive}") for directive in _DIRECTIVES}
    return "format" + "".join(
        f".replace({format_jinja_literal(directive)}, {format_jinja_literal(text)})"
        for directive, text in texts.items()
    )
