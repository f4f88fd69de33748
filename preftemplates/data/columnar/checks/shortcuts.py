"""Shortcuts of many pairs at once: how often rules that ignore meaning find the chosen answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from preftemplates.data.columnar.arrays import fill, to_arrow, to_mask
from preftemplates.data.columnar.blocks import LISTED
from preftemplates.data.columnar.turns import hold_for_all
from preftemplates.data.shortcuts import REFUSAL, REFUSAL_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers, PartTurns

_PATTERN = "(?i)" + REFUSAL.pattern.replace(r"\u2019", r"\x{2019}")
_OTHER_SPELLINGS = "[\u0130\u0131]"
"""Characters that case-insensitive matching treats as an i in Python but not in Arrow."""


def choose_longer(chosen: PartTurns, rejected: PartTurns) -> Numbers:
    """Return 1 for pairs whose chosen answer has more characters, -1 where the rejected one has more, else 0."""
    return np.asarray(np.sign(_count_characters(chosen) - _count_characters(rejected)))


def choose_refusal(chosen: PartTurns, rejected: PartTurns) -> Numbers:
    """Return 1 where only the chosen answer declines to help, -1 where only the rejected one does, else 0."""
    return _are_refusals(chosen).astype(np.int8) - _are_refusals(rejected).astype(np.int8)


def list_first(first_listed: Numbers, parts: Mapping[str, PartTurns]) -> Numbers:
    """Return the number in `LISTED` for each pair; only the row path knows it if a message has no text."""
    has_text = np.ones(len(first_listed), bool)
    for part in parts.values():
        lengths = fill(pc.binary_length(part.contents), 0)
        has_text &= hold_for_all(lengths > 0, part.starts, part.ends)
    return np.where(has_text, first_listed, LISTED.index(...))


def _count_characters(answers: PartTurns) -> Numbers:
    lengths = fill(pc.utf8_length(answers.contents), 0)
    before = np.append(0, np.cumsum(lengths, dtype=np.int64))
    return np.asarray(before[answers.ends] - before[answers.starts])


def _are_refusals(answers: PartTurns) -> Mask:
    """Return which answers begin like those that decline to help."""
    opening = pc.utf8_slice_codeunits(answers.contents.take(to_arrow(answers.starts)), 0, REFUSAL_CHARACTERS)
    likely = pc.or_(pc.match_substring_regex(opening, _PATTERN), pc.match_substring_regex(opening, _OTHER_SPELLINGS))
    refusals = to_mask(likely)
    for index in np.flatnonzero(refusals).tolist():
        refusals[index] = REFUSAL.search(opening[index].as_py()) is not None
    return refusals
