"""Find plans of texts for the rows of a group, shape by shape, and write the texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from preftemplates.core.messages import Message
from preftemplates.data.columnar.arrays import to_arrow
from preftemplates.data.columnar.column_texts import Column, UntraceableError
from preftemplates.data.columnar.kernels import join_pieces
from preftemplates.data.columnar.plan_book import PlanBook
from preftemplates.data.columnar.style_plans import Place, TextPlan, make_text_plan
from preftemplates.data.columnar.turns import Numbers
from preftemplates.errors import PrefTemplatesError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from preftemplates.data.columnar.groups import SampleGroup
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.style_plans import Conversation
    from preftemplates.data.columnar.turns import Shape
    from preftemplates.styles.style import Style
    from preftemplates.templates.text_edges import TextEdges


FREE_SHAPES = 64
"""How many shapes get a plan even if few rows have them; a plan costs as much as fifty rows one by one."""

MIN_ROWS = 50
"""How many rows of a slice must have any further shape for it to get a plan."""

MAX_SHAPES = 1000
"""The most shapes that get plans."""


@dataclass(frozen=True)
class PlannedRows:
    """Rows of a group, each with the plan of its texts.

    Attributes:
        rows: the places of the rows in the group, in order.
        plans: the plans.
        which: the number of each row's plan.
    """

    rows: Numbers
    plans: tuple[TextPlan, ...]
    which: Numbers

    def take(self, places: Numbers) -> PlannedRows:
        """Return some of the rows."""
        return PlannedRows(self.rows[places], self.plans, self.which[places])

    def write(self, group: SampleGroup, part: int, with_prompt: bool) -> pa.Array:
        """Return the texts of a part in all rows: of the prompt, or of a response with or without its prompt.

        Args:
            group: the group of these rows only.
            part: 0 for the prompt, and 1, 2, ... for the responses.
            with_prompt: whether the text of a response includes that of its prompt.
        """
        pieces_of = [plan.get_pieces(part, with_prompt) for plan in self.plans]
        numbers = {pieces: number for number, pieces in enumerate(dict.fromkeys(pieces_of))}
        which = np.array([numbers[pieces] for pieces in pieces_of], np.int64)[self.which]
        texts, order = list[pa.Array](), list[Numbers]()
        for pieces, number in numbers.items():
            rows = np.flatnonzero(which == number)
            some = group if len(rows) == len(self.which) else group.take(rows)
            texts.append(join_pieces(pieces, len(rows), some.read))
            order.append(rows)
        if len(texts) == 1:
            return texts[0]
        places = np.empty(len(which), np.int64)
        places[np.concatenate(order)] = np.arange(len(which))
        return pa.concat_arrays(texts).take(to_arrow(places))


class TextPlanner:
    """Finds the plans for the texts of groups, which it makes on demand.

    Args:
        style: the style.
        edges: the BOS and EOS of the texts; None if they are as the style writes them.
        needs_own: whether each response must have its own text.
        keeps_contents: whether a text must contain all contents in full.
        count: counts rows that no plan fits, by reason.
    """

    def __init__(
        self,
        style: Style,
        edges: TextEdges | None,
        *,
        needs_own: bool,
        keeps_contents: bool,
        count: Callable[[str, Any], None],
    ) -> None:
        self._style, self._edges, self._count = style, edges, count
        self._needs_own, self._keeps_contents = needs_own, keeps_contents
        self._books: dict[Shape, PlanBook[TextPlan]] = {}

    @property
    def plans(self) -> list[TextPlan]:
        """Return the plans that were made so far."""
        return [plan for book in self._books.values() for plan in book.plans]

    def assign(self, group: SampleGroup, numbers: Numbers, shapes: Sequence[Shape], alive: Mask) -> PlannedRows:
        """Return the rows of a group that plans fit.

        Args:
            group: the rows.
            numbers: the number of each row's shape.
            shapes: the shapes.
            alive: the rows to consider.
        """
        plans, rows, which = list[TextPlan](), [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for number, shape in enumerate(shapes):
            places = np.flatnonzero(alive & (numbers == number))
            for plan, fitting in self._fit(group.take(places), shape) if len(places) else ():
                rows.append(places[fitting])
                which.append(np.full(len(fitting), len(plans)))
                plans.append(plan)
        order = np.argsort(np.concatenate(rows), kind="stable")
        return PlannedRows(np.concatenate(rows)[order], tuple(plans), np.concatenate(which)[order])

    def _fit(self, group: SampleGroup, shape: Shape) -> list[tuple[TextPlan, Numbers]]:
        """Return the plans for rows of one shape, each with the rows that it fits."""
        if shape not in self._books and not self._may_begin(len(group.rows)):
            self._count("few rows have the same turns", group.rows)
            return []
        book, fits = self._books.setdefault(shape, PlanBook()), []
        for fit in book.fit(np.ones(len(group.rows), bool), group.hold, partial(self._make, group, shape)):
            if fit.plan is None:
                self._count(fit.reason, fit.rows)
                continue
            rows = fit.rows
            if fit.plan.max_bytes is not None:
                short = group.take(rows).find_short(fit.plan.max_bytes)
                self._count("the contents are too long for the style's limits", ~short)
                rows = rows[short]
            fits.append((fit.plan, rows))
        return fits

    def _render_within_limits(self, parts: Sequence[Conversation]) -> None:
        """Render the texts by the style first, within limits, because plans are made without a budget.

        Raises:
            UntraceableError: the style rejects the sample, or exceeds its limits.
        """
        if self._style.layout.limits is None:
            return
        prompt, *responses = ([Message(role=role, content=text) for role, text in messages] for messages in parts)
        try:
            self._style.texts(prompt, responses)
        except PrefTemplatesError as error:
            raise UntraceableError(f"the style rejects the row: {one_line(str(error), 200)}") from error

    def _may_begin(self, rows: int) -> bool:
        """Return whether a plan should be made for another shape with this many rows."""
        count = len(self._books)
        return count < FREE_SHAPES or (count < MAX_SHAPES and rows >= MIN_ROWS)

    def _make(self, group: SampleGroup, shape: Shape, row: int) -> TextPlan:
        parts = [
            [(role, group.read(Column(Place(part, index)))[row].as_py()) for index, role in enumerate(roles)]
            for part, roles in enumerate(shape)
        ]
        self._render_within_limits(parts)
        plan = make_text_plan(self._style, self._edges, parts)
        if None in plan.own and self._needs_own:
            raise UntraceableError("the text of a response does not begin with the prompt's text")
        if self._keeps_contents and not plan.keeps_contents(parts):
            raise UntraceableError("the style changes a content")
        return plan
