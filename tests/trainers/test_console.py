"""Text for the terminal: nothing in it is markup, and nothing reaches the terminal."""

from io import StringIO

from hypothesis import given
from preftemplates_train.console import escape_text
from rich.console import Console
from trainer_support import MARKUP


def printed(*things, **options):
    """What a terminal of colours gets, less the colours of ours."""
    said = StringIO()
    console = Console(file=said, width=10_000, color_system=None, force_terminal=True)
    for thing in things:
        console.print(thing, **options)
    return said.getvalue()


@given(MARKUP)
def test_nothing_in_a_text_is_markup_and_nothing_reaches_the_terminal(text):
    found = printed(escape_text(text))
    assert all(char.isprintable() or char == "\n" for char in found)
    shown = "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
    assert [line.rstrip() for line in found[:-1].split("\n")] == [line.rstrip() for line in shown.split("\n")]
