"""Touched rows: rows that remember which of their columns were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class TouchedRow(dict[str, Any]):
    """A row as a dict that remembers the columns that are looked up; iterating over it reads all of them.

    Example:
        >>> row = TouchedRow({"prompt": "Hi", "id": 3})
        >>> row["prompt"], row.get("system")
        ('Hi', None)
        >>> sorted(row.list_touched())
        ['prompt', 'system']
    """

    def __init__(self, *row: Any, **cells: Any) -> None:
        super().__init__(*row, **cells)
        self._touched: set[str] = set()
        self._is_walked = False

    def list_touched(self) -> frozenset[str] | None:
        """Return the columns that were read; None if none or all were."""
        return None if self._is_walked or not self._touched else frozenset(self._touched)

    def __getitem__(self, column: str) -> Any:
        self._touched.add(column)
        return super().__getitem__(column)

    def get(self, column: str, default: Any = None) -> Any:
        """Return a value or the default, and remember its column."""
        self._touched.add(column)
        return super().get(column, default)

    def pop(self, column: str, *default: Any) -> Any:
        """Remove a value, and remember its column."""
        self._touched.add(column)
        return super().pop(column, *default)

    def setdefault(self, column: str, default: Any = None) -> Any:
        """Return a value, set to the default if the column is absent, and remember its column."""
        self._touched.add(column)
        return super().setdefault(column, default)

    def __iter__(self) -> Iterator[str]:
        self._is_walked = True
        return super().__iter__()

    def keys(self) -> Any:
        """Return the columns, all of which count as read."""
        self._is_walked = True
        return super().keys()

    def values(self) -> Any:
        """Return the values, whose columns all count as read."""
        self._is_walked = True
        return super().values()

    def items(self) -> Any:
        """Return columns and values, all of which count as read."""
        self._is_walked = True
        return super().items()

    def copy(self) -> dict[str, Any]:
        """Return the row as a plain dict; all columns count as read."""
        self._is_walked = True
        return dict(super().items())

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)
