"""Progress bars on a terminal, one at a time; elsewhere nothing is printed."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from preftemplates.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sized

    from rich.console import Console

T = TypeVar("T")

_consoles: list[Console | None] = [None]
"""A stack of consoles. The last one shows the bars; it is None without a terminal, and while it shows a bar."""


@contextmanager
def show_progress_on(console: Console) -> Iterator[None]:
    """Show the bars of `track` on this console while the context lasts."""
    _consoles.append(console if console.is_interactive else None)
    try:
        yield
    finally:
        _consoles.pop()


@contextmanager
def show_bar(description: str, total: int | None) -> Iterator[_Bar]:
    """Show a bar while the context lasts. A bar within another one is not shown.

    Args:
        description: what is done.
        total: how many steps there are, if that is known.
    """
    console = _consoles[-1]
    if console is None:
        yield _Bar()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        place = len(_consoles) - 1
        _consoles[place] = None  # rich draws one bar at a time
        try:
            yield _Bar(progress, progress.add_task(one_line(description, 60), total=total))
        finally:
            with suppress(IndexError):
                _consoles[place] = console


class _Bar:
    """A progress bar; without arguments, one that shows nothing."""

    def __init__(self, progress: Progress | None = None, task: TaskID | None = None) -> None:
        self._progress, self._task = progress, task or TaskID(0)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        self.set(None, steps)

    def set(self, completed: int | None, steps: int = 0, total: int | None = None) -> None:
        """Set how many steps are done, or add some, and set how many there are."""
        if self._progress is not None:
            self._progress.update(self._task, completed=completed, advance=steps or None, total=total)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, with a bar that counts them.

    Args:
        items: the items.
        description: what is done with them.
        total: how many there are. [default: their length, if they have one]

    >>> list(track([1, 2], "adding"))
    [1, 2]
    """
    if total is None:
        with suppress(TypeError):
            sized: Sized = items  # type: ignore[assignment]
            total = len(sized)
    with show_bar(description, total) as bar:
        for item in items:
            yield item
            bar.advance()
