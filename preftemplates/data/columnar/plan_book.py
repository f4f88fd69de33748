"""The plans that were made for rows, and the rows that each of them fits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from preftemplates.data.columnar.column_texts import Guard, UntraceableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers


class Guarded(Protocol):
    """A plan that holds for rows with certain answers."""

    @property
    def guards(self) -> tuple[Guard, ...]:
        """Return the conditions of the plan."""

    @property
    def is_current(self) -> bool:
        """Return whether the plan is still valid today."""


P = TypeVar("P", bound=Guarded)


class Fit(NamedTuple, Generic[P]):
    """Rows that a plan fits, or the reason why no plan does."""

    rows: Numbers
    plan: P | None
    reason: str = ""


MAX_PLANS = 16
"""The most plans that are kept for rows of one shape."""

MAX_FAILURES = 3
"""The most rows of one shape for which making a plan may fail within a slice."""

MAX_FAILURES_AT_ALL = 30
"""The most such rows in all slices."""


class PlanBook(Generic[P]):
    """The plans for rows of one shape, made on demand."""

    def __init__(self) -> None:
        self.plans: list[P] = []
        self._failures = Counter[str]()

    def fit(self, alive: Mask, hold: Callable[[Guard], Mask], make: Callable[[int], P]) -> Iterator[Fit[P]]:
        """Yield each plan with the rows that it fits, and finally the rows that no plan fits.

        Args:
            alive: the rows to consider.
            hold: returns for which rows a guard holds.
            make: makes the plan of one row, given by number; raises `UntraceableError`.
        """
        rest = alive.copy()
        self.plans = [plan for plan in self.plans if plan.is_current]
        for plan in self.plans:
            yield from self._take(plan, rest, hold)
        failures = 0
        while rest.any() and self._may_try(failures):
            row = int(np.argmax(rest))
            try:
                plan = make(row)
            except UntraceableError as error:
                self._failures[str(error)] += 1
                failures += 1
                rest[row] = False
                yield Fit(np.array([row]), None, str(error))
                continue
            self.plans.append(plan)
            yield from self._take(plan, rest, hold, row)
        if rest.any():
            reason = next(iter(self._failures), f"rows like it need more than {MAX_PLANS} plans")
            yield Fit(np.flatnonzero(rest), None, reason)

    def _may_try(self, failures: int) -> bool:
        few_failures = failures < MAX_FAILURES and self._failures.total() < MAX_FAILURES_AT_ALL
        return few_failures and len(self.plans) < MAX_PLANS

    def _take(self, plan: P, rest: Mask, hold: Callable[[Guard], Mask], row: int | None = None) -> Iterator[Fit[P]]:
        """Return the remaining rows that a plan fits; the row for which it was made is always one of them."""
        holds = rest.copy()
        for guard in plan.guards:
            if not holds.any():
                break
            holds &= hold(guard)
        if row is not None and not holds[row]:  # columns answer a question differently than texts
            rest[row] = False
            self.plans.remove(plan)
            yield Fit(np.array([row]), None, "the row does not meet the guards of its own plan")
            return
        rows = np.flatnonzero(holds)
        if len(rows):
            rest &= ~holds
            yield Fit(rows, plan)
