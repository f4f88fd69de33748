"""Text for the terminal, in which nothing is markup."""

from __future__ import annotations

from rich.text import Text

from preftemplates.errors import visible


def plain(text: str, style: str = "") -> Text:
    """The text to the letter: nothing in it is markup, and a terminal acts on nothing in it but the ends of lines."""
    return Text("\n".join(map(visible, text.split("\n"))), style)
