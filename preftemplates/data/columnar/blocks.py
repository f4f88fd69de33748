"""Blocks: the results of some rows of a slice, what they lose, and the counts of all rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from preftemplates.data.columnar.arrays import to_arrow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preftemplates.data.columnar.groups import SampleGroup
    from preftemplates.data.columnar.text_plans import PlannedRows
    from preftemplates.data.columnar.turns import Numbers, PartTurns


class BlockLoss(NamedTuple):
    """The losses of each row in a block, by the name of a response or label.

    Attributes:
        derived: lost when the samples were made from another format; set on a row's first block only.
        without_key: lost in each sample because the dialect has no key.
    """

    derived: Mapping[str, int] = MappingProxyType({})
    without_key: tuple[str, ...] = ()


LISTED = (None, True, False, ...)
"""Whether a row lists the chosen answer first, by number; the last one means that only the row path knows."""


class BlockTexts(NamedTuple):
    """The plans that write the texts of a block.

    Attributes:
        planned: the plan of each sample.
        group: the samples.
        places: for the prompt and each response, by name, the part of the group that holds it.
    """

    planned: PlannedRows
    group: SampleGroup
    places: Mapping[str, int]

    def take(self, places: Numbers) -> BlockTexts:
        """Return the plans of some samples."""
        return self._replace(planned=self.planned.take(places), group=self.group.take(places))


class Block(NamedTuple):
    """The results of some rows of a slice.

    Attributes:
        rows: the row number of each result.
        columns: the columns of the results.
        skips: for each result, the number in `REASONS` of why it should not be trained on; None if that is not needed.
        labels: each label by name: a column, or one value for all results.
        parts: the messages of the prompt and of each response, by name.
        lost: the losses of each row: from another format, and for want of a key in the dialect.
        first_listed: for each result, the number in `LISTED` of whether the row lists the chosen answer first; None if
            that is not needed.
        texts: the plans of the texts; None if no texts are written.
    """

    rows: Numbers
    columns: list[pa.Array]
    skips: Numbers | None = None
    labels: Mapping[str, Any] = MappingProxyType({})
    parts: Mapping[str, PartTurns] = MappingProxyType({})
    lost: BlockLoss = BlockLoss()
    first_listed: Numbers | None = None
    texts: BlockTexts | None = None

    def take(self, places: Numbers) -> Block:
        """Return some of the results."""
        indices = to_arrow(places)
        labels = {name: label.take(indices) if isinstance(label, pa.Array) else label
                  for name, label in self.labels.items()}  # fmt: skip
        return self._replace(
            rows=self.rows[places],
            columns=[column.take(indices) for column in self.columns],
            skips=None if self.skips is None else self.skips[places],
            labels=labels,
            parts={name: part.take(places) for name, part in self.parts.items()},
            first_listed=None if self.first_listed is None else self.first_listed[places],
            texts=None if self.texts is None else self.texts.take(places),
        )


@dataclass
class PlanCounts:
    """Counts of rows by path.

    Attributes:
        columnar: how many rows were formatted as columns.
        reasons: how many rows took the row path, by reason.
    """

    columnar: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Derived(NamedTuple):
    """How a sample is made of a declared one: the source of each response, and the labels."""

    responses: Mapping[str, str]
    labels: Mapping[str, Any]


DERIVED = {
    ("preference", "supervised"): [Derived({"completion": "chosen"}, {})],
    ("preference", "unpaired"): [
        Derived({"completion": "chosen"}, {"label": True}),
        Derived({"completion": "rejected"}, {"label": False}),
    ],
    ("scored", "supervised"): [Derived({"completion": "completion"}, {})],
}
"""How samples of one format become samples of another, where that does not depend on the row."""
