"""Output for a terminal, which acts on nothing in it that comes from data, names or paths."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

from preftemplates.errors import preview

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType
    from rich.table import Table

_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Characters that a terminal acts on, that turn others round or do not show, and half characters; no line ends."""


def escape_unsafe(text: str) -> str:
    r"""Return a text in which what a terminal would act on is escaped.

    >>> print(escape_unsafe("one" + chr(27) + "[31m" + chr(10) + "two" + chr(0x202E)))
    one\x1b[31m
    two\u202e
    """
    return _UNSAFE.sub(lambda match: repr(match[0])[1:-1], text)


_UNLIMITED = 1_000_000
"""The width of output that is not for a terminal."""


class SafeConsole(Console):
    """A console that writes its own colours and no other control characters, whatever it is given to print.

    Output to a pipe or a file is for other programs: no line is wrapped, cut or padded, and tables have no borders.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.soft_wrap = not self.is_terminal

    @property
    def has_colours(self) -> bool:
        """Return whether colours are shown."""
        return self.color_system is not None and not self.no_color

    def print_table(self, table: Table, indent: int = 0) -> None:
        """Print a table: within the width of a terminal, and elsewhere as aligned columns."""
        if self.is_terminal:
            table.expand = any(column.ratio for column in table.columns)  # else rich narrows every column
            self.print(Padding(table, (0, 0, 0, indent), expand=False))
            return
        if table.title:
            self.print(Text(str(table.title)))
        if table.box is not None:
            table.box, table.padding = None, (0, 2, 0, 0)
        table.title, table.show_edge = None, False
        self._print_unpadded(table, indent)

    def print_panel(self, title: str, *parts: RenderableType, border: str = "none") -> None:
        """Print parts in a frame on a terminal, and elsewhere indented below the title."""
        if self.is_terminal:
            self.print(Panel(Group(*parts), title=title, title_align="left", border_style=border))
            return
        self.print(Text(title))
        self._print_unpadded(Group(*parts), 2)
        self.print()

    def print_indented(self, text: Text, indent: int) -> None:
        """Print a text indented: within the width of a terminal, and elsewhere without breaks."""
        if self.is_terminal:
            self.print(Padding(text, (0, 0, 0, indent), expand=False))
        else:
            self._print_unpadded(text, indent)

    def _print_unpadded(self, renderable: RenderableType, indent: int) -> None:
        options = self.options.update(width=_UNLIMITED, no_wrap=True, overflow="ignore")
        lines = self.render_lines(renderable, options, pad=False)
        texts = ["".join(segment.text for segment in segments).rstrip() for segments in lines]
        text = "\n".join(f"{' ' * indent}{line}" if line else "" for line in texts)
        self.print(Text(text.rstrip("\n")))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of something to print."""
        for segment in super().render(renderable, options):
            if segment.control is None and _UNSAFE.search(segment.text):
                yield Segment(escape_unsafe(segment.text), segment.style)
            else:
                yield segment


def print_json(value: Any, indent: int) -> None:
    """Print JSON in which every character is the one it was, and a terminal acts on none.

    NaN and infinity, which JSON does not have, are null. A value of a table that JSON does not have, such as a date or
    bytes, is its text.
    """
    finite = _replace_non_finite(value)
    print_json_text([json.dumps(finite, ensure_ascii=False, indent=indent, allow_nan=False, default=_spell_value)])


def _spell_value(value: object) -> str:
    return preview(value) if isinstance(value, bytes) else str(value)


def _replace_non_finite(value: Any) -> Any:
    """Return the same with None for each float that JSON does not have."""
    if isinstance(value, dict):
        return {_replace_non_finite(key): _replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_non_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json_text(pieces: Iterable[str]) -> None:
    """Print pieces of JSON text, of which a terminal acts on no character."""
    for piece in pieces:
        print(_UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], piece), end="")
    print()


def print_error(text: str) -> None:
    """Print a line to the standard error."""
    print(escape_unsafe(text), file=sys.stderr)
