"""Skips: find the samples that can be formatted but should not be trained on, for all rows at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.data.columnar.arrays import fill, to_mask, to_scalar
from preftemplates.data.columnar.turns import hold_for_all
from preftemplates.errors import Code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers, PartTurns

_BLANKS = "".join(filter(str.isspace, map(chr, range(sys.maxunicode + 1)))) + "\u200b\u200c\u200d\u2060\ufeff"
"""The characters of an empty text (`preftemplates.data.skips`)."""

REASONS = (None, Code.EMPTY, Code.EQUAL, Code.TIE)
"""The reasons for skipping a sample, by number; the first means that it is not skipped."""


def find_skip_numbers(
    prompt: PartTurns | None,
    responses: Sequence[PartTurns],
    compared: Sequence[PartTurns],
    labels: Mapping[str, Any],
    texts: Sequence[pa.Array],
    drops_ties: bool,
) -> Numbers:
    """Return the number in `REASONS` for each sample, as `find_skip_reason` would give it.

    Args:
        prompt: the messages of the prompts; None for a template that reads no prompt from the row.
        responses: the messages of each response.
        compared: the messages of the answers that must differ: the responses, or those of the sample's source.
        labels: the labels by name, as columns or as one value for all.
        texts: the texts of the answers in `compared`; empty if they are not written.
        drops_ties: whether ties are left out.
    """
    count = len(responses[0].counts) if responses else len(prompt.counts) if prompt is not None else 0
    reasons = np.zeros(count, np.int8)
    if drops_ties:
        reasons[are_ties(labels, count)] = REASONS.index(Code.TIE)
    if len(compared) > 1:
        equal = _have_equal_messages(compared)
        if texts:
            equal |= np.logical_and.reduce([to_mask(pc.equal(texts[0], text)) for text in texts[1:]])
        reasons[equal] = REASONS.index(Code.EQUAL)
    for part in (*responses, *(() if prompt is None else (prompt,))):
        reasons[_are_blank(part)] = REASONS.index(Code.EMPTY)
    return reasons


def _are_blank(part: PartTurns) -> Mask:
    """Return in which rows all messages are empty."""
    contents = part.contents
    short = pc.utf8_trim(contents, _BLANKS)
    blank = fill(pc.equal(pc.binary_length(short), to_scalar(0)), True)
    return np.asarray(hold_for_all(blank, part.starts, part.ends))


def _have_equal_messages(responses: Sequence[PartTurns]) -> Mask:
    """Return in which rows all responses have the same messages."""
    first, *others = responses
    equal = np.ones(len(first.counts), bool)
    for other in others:
        equal &= first.counts == other.counts
        rows = np.flatnonzero(equal)
        one, two = first.take(rows).compact(), other.take(rows).compact()
        same = to_mask(pc.equal(one.contents, two.contents)) & (one.roles == two.roles)
        equal[rows] &= hold_for_all(same, one.starts, one.ends)
    return equal


def are_ties(labels: Mapping[str, Any], count: int) -> Mask:
    """Return which labels of a pair say that neither answer is better (`Preference.is_tie`)."""
    ties = np.zeros(count, bool)
    for name, value in (("margin", 0), ("probability", 0.5)):
        label = labels.get(name)
        if isinstance(label, pa.Array):
            ties |= to_mask(pc.equal(label, to_scalar(value)))
        elif label is not None:
            ties |= label == value
    return ties
