"""A bar that shows how much of a source was read, and how fast."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from preftemplates.data.reading import RowSource

T = TypeVar("T")


def show_progress(
    items: Iterable[T], rows: RowSource, console: Console, count: Callable[[], int] | None = None
) -> Iterator[T]:
    """Yield the items, with a bar where the console is a terminal.

    Args:
        items: what is made of the rows, or the rows themselves.
        rows: the source.
        console: where the bar is shown.
        count: returns how many rows were read so far; None where each item is one.
    """
    if not console.is_interactive:  # a disabled bar of rich < 14.3 prints an empty line
        yield from items
        return
    speed, remaining = TextColumn("{task.fields[speed]}"), TimeRemainingColumn()
    with Progress(BarColumn(), speed, remaining, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, speed="")
        start = last = time.perf_counter()
        for number, item in enumerate(items, 1):
            yield item
            now = time.perf_counter()
            if now - last > 0.2:
                last, fraction = now, rows.fraction()
                rate = f"{(count() if count else number) / (now - start):,.0f} rows/s"
                progress.update(task, total=None if fraction is None else 1, completed=fraction or 0, speed=rate)
