"""Text for the terminal, in which nothing is markup and nothing is a control character."""

from __future__ import annotations

from rich.text import Text

from preftemplates.errors import make_visible


def escape_text(text: str, style: str = "") -> Text:
    """Return the text to the letter: nothing in it is markup, and a terminal acts on nothing in it but line ends."""
    return Text("\n".join(map(make_visible, text.split("\n"))), style)
