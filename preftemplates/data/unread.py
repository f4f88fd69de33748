"""Count unread values: how many rows have a value that the template does not read, by path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from preftemplates.templates.unread import UnreadValue, carries_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_OTHERS = 3
"""The number of paths without content that a line names."""

MAX_NAMED = 8
"""How many columns a line names."""

MAX_ROWS = 20
"""How many rows with unread content are remembered."""

MAX_PATHS = 10_000
"""How many paths are counted separately; the others are counted together."""

_OTHERS = "others"


@dataclass
class UnreadPath:
    """The rows with a value at one unread path.

    Attributes:
        rows: the number of rows.
        carries_content: whether the value is part of the question or answer, or rates an answer.
    """

    rows: int = 0
    carries_content: bool = False


@dataclass
class UnreadCounts:
    """The unread values of the formatted rows.

    Attributes:
        paths: the rows by path, such as `system` or `answers[].model`, in the order of discovery.
        content_rows: how many rows have an unread value that carries content.
        first_rows: the first of these rows, each with its number, line and paths.

    Example:
        >>> counts = UnreadCounts()
        >>> for row in range(2):
        ...     counts.add([UnreadValue("system", "Be brief."), UnreadValue("id", row)], row, None)
        >>> counts.describe()
        'not read: system (2 rows), and 1 more (id)'
    """

    paths: dict[str, UnreadPath] = field(default_factory=dict)
    content_rows: int = 0
    first_rows: list[tuple[int, int | None, tuple[str, ...]]] = field(default_factory=list)

    def add(self, values: Iterable[UnreadValue], row: int, line: int | None) -> None:
        """Count the unread values of one row."""
        by_path: dict[str, bool] = {}
        for unread in values:
            if not by_path.get(unread.path):
                by_path[unread.path] = self._is_content(unread)
        for path, is_content in by_path.items():
            name = path if path in self.paths or len(self.paths) < MAX_PATHS else _OTHERS
            counted = self.paths.setdefault(name, UnreadPath())
            counted.rows += 1
            counted.carries_content |= is_content
        contents = tuple(path for path, is_content in by_path.items() if is_content)
        if contents:
            self.content_rows += 1
            if len(self.first_rows) < MAX_ROWS:
                self.first_rows.append((row, line, contents))

    def begin_slice(self) -> UnreadCounts:
        """Return empty counts that know which paths carry content."""
        return UnreadCounts(
            {path: UnreadPath(0, True) for path, counted in self.paths.items() if counted.carries_content}
        )

    def merge(self, others: UnreadCounts) -> None:
        """Add the counts of other rows."""
        for path, counted in others.paths.items():
            name = path if path in self.paths or len(self.paths) < MAX_PATHS else _OTHERS
            known = self.paths.setdefault(name, UnreadPath())
            known.rows += counted.rows
            known.carries_content |= counted.carries_content
        self.content_rows += others.content_rows
        self.first_rows = sorted([*self.first_rows, *others.first_rows], key=lambda first: first[0])[:MAX_ROWS]

    def _is_content(self, unread: UnreadValue) -> bool:
        known = self.paths.get(unread.path)
        return (known is not None and known.carries_content) or carries_content(unread)

    @property
    def contents(self) -> Iterator[tuple[str, int]]:
        """Yield the paths whose values carry content, each with its number of rows."""
        return ((path, counted.rows) for path, counted in self.paths.items() if counted.carries_content)

    def describe(self) -> str | None:
        """Return one line on what is not read: the columns that carry content, and the number of others.

        Returns:
            None if everything is read.
        """
        contents = sorted(self.contents, key=lambda item: -item[1])
        named = [f"{path} ({rows:,} {'row' if rows == 1 else 'rows'})" for path, rows in contents[:MAX_NAMED]]
        others = len(self.paths) - len(named)
        if not self.paths:
            return None
        if not named:
            columns = ", ".join([*self.paths][:MAX_OTHERS]) + (", ..." if others > MAX_OTHERS else "")
            return f"not read: {others:,} {'column' if others == 1 else 'columns'} without content ({columns})"
        names = [path for path in self.paths if path not in dict(contents[:MAX_NAMED])]
        listed = f" ({', '.join(names)})" if others <= MAX_OTHERS else ""
        return f"not read: {', '.join(named)}" + (f", and {others:,} more{listed}" if others else "")

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON-like data: for each path, its rows and whether it carries content."""
        return {
            path: {"rows": counted.rows, "carries_content": counted.carries_content}
            for path, counted in self.paths.items()
        }
