"""An array that grows at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from preftemplates.data.columnar.turns import Numbers


class Growing:
    """Numbers to which more can be added at the end.

    Args:
        kind: the dtype of the numbers.

    Example:
        >>> numbers = Growing(np.uint64)
        >>> numbers.extend(np.arange(3))
        >>> numbers.values.tolist()
        [0, 1, 2]
    """

    def __init__(self, kind: Any) -> None:
        self._held = np.zeros(1024, kind)
        self._count = 0

    @property
    def values(self) -> Numbers:
        """Return all numbers."""
        return self._held[: self._count]

    def extend(self, values: Numbers) -> None:
        """Add numbers at the end."""
        count = self._count + len(values)
        if count > len(self._held):
            grown = np.zeros(max(count, 2 * len(self._held)), self._held.dtype)
            grown[: self._count] = self.values
            self._held = grown
        self._held[self._count : count] = values
        self._count = count
