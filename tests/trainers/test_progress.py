"""Progress bars: on a terminal one at a time, elsewhere none, and every item comes through."""

from io import StringIO

import pytest
from preftemplates_train.progress import show_bar, show_progress_on, track
from rich.console import Console


def make_console(*, is_terminal):
    return Console(file=StringIO(), width=100, color_system=None, force_terminal=is_terminal)


def test_a_terminal_shows_what_is_done_and_another_stream_nothing():
    for is_terminal in (True, False):
        console = make_console(is_terminal=is_terminal)
        with show_progress_on(console):
            assert list(track(range(3), "reading [bold]a\x1b[31m")) == [0, 1, 2]
        printed = console.file.getvalue()
        assert ("reading [bold]a\\x1b[31m" in printed) == is_terminal
        assert ("3/3" in printed) == is_terminal
        assert is_terminal or not printed


def test_a_bar_within_a_bar_is_not_shown_and_the_next_one_is():
    console = make_console(is_terminal=True)
    with show_progress_on(console):
        for _ in track(range(2), "outer"):
            assert list(track(range(2), "inner")) == [0, 1]
        with show_bar("later", 1) as bar:
            bar.set(1)
    printed = console.file.getvalue()
    assert "outer" in printed
    assert "inner" not in printed
    assert "later" in printed


def test_an_error_removes_the_bar_and_a_generator_that_is_dropped_does_too():
    console = make_console(is_terminal=True)
    with show_progress_on(console):
        with pytest.raises(ZeroDivisionError):
            list(map((1).__truediv__, track(range(2), "failing")))
        dropped = track(range(2), "dropped")
        next(dropped)
        dropped.close()
        assert list(track(range(1), "after")) == [0]
    assert "after" in console.file.getvalue()
    assert list(track(iter([1]), "no console")) == [1]
