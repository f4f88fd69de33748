"""Plans that were made for rows, and which rows each of them fits."""

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
    """A plan that holds for rows with some answers."""

    @property
    def guards(self) -> tuple[Guard, ...]:
        """What must hold."""

    @property
    def is_current(self) -> bool:
        """Whether the plan holds today."""


P = TypeVar("P", bound=Guarded)


class Fit(NamedTuple, Generic[P]):
    """Rows that a plan fits, or the reason for which no plan does."""

    rows: Numbers
    plan: P | None
    reason: str = ""


MAX_PLANS = 16
"""So many plans are kept for rows of one shape."""

MAX_FAILURES = 3
"""So many rows of one shape are tried in a slice that no plan can be made for."""

MAX_FAILURES_AT_ALL = 30
"""So many in all slices."""


class PlanBook(Generic[P]):
    """The plans for rows of one shape, made as rows need them."""

    def __init__(self) -> None:
        self.plans: list[P] = []
        self._failures = Counter[str]()

    def fit(self, alive: Mask, hold: Callable[[Guard], Mask], make: Callable[[int], P]) -> Iterator[Fit[P]]:
        """Yield each plan with the rows that it fits, and then the rows that none fits.

        Args:
            alive: the rows that are looked at.
            hold: returns for which rows a guard holds.
            make: makes the plan of one row, by its number; raises `UntraceableError`.
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
            reason = next(iter(self._failures), f"there are more than {MAX_PLANS} plans for rows like it")
            yield Fit(np.flatnonzero(rest), None, reason)

    def _may_try(self, failures: int) -> bool:
        few_failures = failures < MAX_FAILURES and self._failures.total() < MAX_FAILURES_AT_ALL
        return few_failures and len(self.plans) < MAX_PLANS

    def _take(self, plan: P, rest: Mask, hold: Callable[[Guard], Mask], row: int | None = None) -> Iterator[Fit[P]]:
        """The rows among the rest that a plan fits; the row that it was made of is one of them in any case."""
        holds = rest.copy()
        for guard in plan.guards:
            if not holds.any():
                break
            holds &= hold(guard)
        if row is not None and not holds[row]:  # a question that columns answer otherwise than texts
            rest[row] = False
            self.plans.remove(plan)
            yield Fit(np.array([row]), None, "the guards of its own plan do not hold")
            return
        rows = np.flatnonzero(holds)
        if len(rows):
            rest &= ~holds
            yield Fit(rows, plan)
