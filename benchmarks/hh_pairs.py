"""The pairs of HH harmless that the fold benchmark reads, and their folds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from preftemplates_train.data.labelled_texts import read_labelled_texts

from preftemplates import get_template
from preftemplates.data.reading import open_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from preftemplates_train.data.labelled_texts import LabelledTexts

    from preftemplates.data.convert import ConversionReport

Floats = NDArray[np.float64]


TEMPLATE = "HH"


SIDES = {"chosen": 1, "rejected": -1}


@dataclass
class Rows:
    """The rows that became pairs.

    Attributes:
        cells: the original rows.
        pairs: the pair that the template made of each row.
        report: the counts of all rows.
    """

    cells: list[Any]
    pairs: list[LabelledTexts]
    report: ConversionReport

    @property
    def openings(self) -> list[str]:
        """Return the first human turn of each pair."""
        return [str(pair.messages.prompt[0]["content"]) for pair in self.pairs if pair.messages is not None]

    def answers(self, side: str) -> list[str]:
        """Return the chosen or the rejected answers."""
        return [str(pair.messages.responses[side][0]["content"]) for pair in self.pairs if pair.messages is not None]


def read_rows(path: Path, most: int | None, template: str = TEMPLATE) -> Rows:
    """Read the rows that the template accepts.

    Args:
        path: the file.
        most: the most rows to read; None for all.
        template: the name of the template.

    Raises:
        FileError: the file cannot be read.
    """
    records = list(open_rows(path))[:most]
    pairs, report = read_labelled_texts(records, get_template(template))
    cells = {record.row: record.cells for record in records}
    return Rows([cells[pair.row] for pair in pairs], pairs, report)


def folds_of(openings: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each pair. Equal openings share a fold; the folds differ by at most one opening."""
    distinct = sorted(set(openings))
    random.Random(seed).shuffle(distinct)
    fold = {opening: number % folds for number, opening in enumerate(distinct)}
    return np.array([fold[opening] for opening in openings])
