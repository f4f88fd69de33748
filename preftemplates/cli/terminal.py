"""Output for a terminal, which acts on nothing in it that comes from data, names or paths."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType

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


class SafeConsole(Console):
    """A console that writes its own colours and no other control characters, whatever it is given to print."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of something to print."""
        for segment in super().render(renderable, options):
            if segment.control is None and _UNSAFE.search(segment.text):
                yield Segment(escape_unsafe(segment.text), segment.style)
            else:
                yield segment


def print_json(value: Any, indent: int) -> None:
    """Print JSON in which every character is the one it was, and a terminal acts on none."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    print(_UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text))


def print_error(text: str) -> None:
    """Print a line to the standard error."""
    print(escape_unsafe(text), file=sys.stderr)
