"""Blocks: the results of some rows of a slice, what is lost of these, and what became of all rows."""

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
    """What is lost of each row of a block, by the name of a response or label.

    Attributes:
        derived: in making the samples from another format; the first block of a row has it.
        without_key: for want of a key in the dialect, of each sample.
    """

    derived: Mapping[str, int] = MappingProxyType({})
    without_key: tuple[str, ...] = ()


LISTED = (None, True, False, ...)
"""Whether a row lists the chosen answer first, by number; the last is that only the row path knows."""


class BlockTexts(NamedTuple):
    """The plans by which the texts of a block are written.

    Attributes:
        planned: the plan of each sample.
        group: the samples.
        places: which part of the group the prompt is, and each response, by name.
    """

    planned: PlannedRows
    group: SampleGroup
    places: Mapping[str, int]

    def take(self, places: Numbers) -> BlockTexts:
        """Return those of some samples."""
        return self._replace(planned=self.planned.take(places), group=self.group.take(places))


class Block(NamedTuple):
    """The results of some rows of a slice.

    Attributes:
        rows: the number of the row of each result.
        columns: the results.
        skips: for each result the number among `REASONS` of why it should not be trained on; None if nobody asked.
        labels: each label by name: a column, or a value that all results have.
        parts: the messages of the prompt and of each response, by name.
        lost: what is lost of each row: in making the sample from another format, and for want of a key.
        first_listed: for each result the number among `LISTED` of whether the row lists the chosen answer first; None
            if nobody asked.
        texts: the plans of the texts; None where no text is written.
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
    """What became of rows.

    Attributes:
        columnar: how many were formatted as columns.
        reasons: how many took the row path, by the reason.
    """

    columnar: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Derived(NamedTuple):
    """A sample that is made of a declared one: which response is which of that, and the labels."""

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
"""How samples of one format are made of those of another, where that needs no look at a row."""
