"""Transcripts: split conversations that are written as one text, for all rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from preftemplates.core.messages import ROLES
from preftemplates.data.columnar.arrays import to_mask
from preftemplates.data.columnar.cells import TurnColumns, register_operation
from preftemplates.data.columnar.kernels import cut_texts, get_offsets
from preftemplates.data.columnar.turns import ROLE_CODES, Numbers, PartTurns, list_ranges

if TYPE_CHECKING:
    import pyarrow as pa

    from preftemplates.data.columnar.cells import Cells
    from preftemplates.data.columnar.column_texts import Column

_MARKS = {"user": b"\n\nHuman: ", "assistant": b"\n\nAssistant: "}
_TURN_MARKS = {"user": b"<extra_id_1>User\n", "assistant": b"<extra_id_1>Assistant\n"}
_SYSTEM_MARK = b"<extra_id_0>System\n"


def _measure(marks: dict[str, bytes]) -> Numbers:
    """Return the number of bytes of each role's mark."""
    lengths = np.zeros(len(ROLES) + 1, np.int64)
    lengths[[ROLE_CODES[role] for role in marks]] = [len(mark) for mark in marks.values()]
    return lengths


_WORD = 8
"""How many bytes are compared at once; every mark has at least as many."""

_LENGTHS, _TURN_LENGTHS = _measure(_MARKS), _measure(_TURN_MARKS)


@register_operation
def human_assistant_turns(cells: Cells, column: Column) -> TurnColumns:
    """Return the turns of transcripts, like the filter of that name."""
    texts = cells.read(column)
    offsets = get_offsets(texts).astype(np.int64)
    data = _read_bytes(texts)
    lines = int(offsets[0]) + np.flatnonzero(data[offsets[0] : offsets[-1]] == ord("\n"))
    marks, roles = _find_marks(data, offsets, lines[:-1][np.diff(lines) == 1], _MARKS)
    borders = np.searchsorted(marks, offsets)
    counts = np.diff(borders)
    marked = np.flatnonzero(counts)
    ends = np.append(marks[1:], offsets[-1])
    ends[borders[1:][marked] - 1] = offsets[1:][marked]
    known = to_mask(pc.is_valid(texts)) & (counts > 0)
    known[marked] &= marks[borders[:-1][marked]] == offsets[:-1][marked]
    contents = cut_texts(texts, marks + _LENGTHS[roles], ends)
    return TurnColumns(PartTurns.of_lists(counts, roles, contents), known)


def _read_bytes(texts: pa.Array) -> Numbers:
    return np.frombuffer(texts.buffers()[2] or b"", np.uint8)


def _find_marks(
    data: Numbers, offsets: Numbers, places: Numbers, marks: dict[str, bytes], checked: int = 2
) -> tuple[Numbers, Numbers]:
    """Find where marks begin in the bytes of all texts, and the role of each; leave out marks across two texts.

    Args:
        data: the bytes.
        offsets: where each text begins, and where the last one ends.
        places: where marks may begin.
        marks: the mark of each role.
        checked: how many bytes of a mark are already known to be at these places.
    """
    roles, last = np.full(len(places), len(ROLES), np.uint8), int(offsets[-1])
    # overlapping words of 8 bytes, so that a mark is compared in a few array operations
    words = np.ndarray(max(0, last - _WORD + 1), "<u8", data, strides=(1,))
    for role, mark in marks.items():
        found = np.flatnonzero(places + len(mark) <= last)
        for at in (*range(checked - 1, len(mark) - _WORD, _WORD), len(mark) - _WORD):
            found = found[words[places[found] + at] == int.from_bytes(mark[at : at + _WORD], "little")]
        roles[found] = ROLE_CODES[role]
    is_mark = roles < len(ROLES)
    starts, roles = places[is_mark], roles[is_mark]
    borders = np.searchsorted(starts, offsets)
    marked = np.flatnonzero(np.diff(borders))
    lasts = borders[1:][marked] - 1
    torn = lasts[starts[lasts] + _measure(marks)[roles[lasts]] > offsets[1:][marked]]
    return np.delete(starts, torn), np.delete(roles, torn)


@register_operation
def extra_id_turns(cells: Cells, column: Column) -> TurnColumns:
    """Return the turns of texts with the marks of NeMo-Aligner, like the filter of that name."""
    texts = cells.read(column)
    offsets, data = get_offsets(texts).astype(np.int64), _read_bytes(texts)
    places = int(offsets[0]) + np.flatnonzero(data[offsets[0] : offsets[-1]] == ord("<"))
    marks, roles = _find_marks(data, offsets, places, _TURN_MARKS, checked=1)
    starts = marks + _TURN_LENGTHS[roles]
    ends = _step_back_over_line_end(data, offsets, marks, starts)
    has_system = to_mask(pc.starts_with(texts, _SYSTEM_MARK.decode()))
    return _join_turns(texts, offsets, has_system, ends, starts, roles)


def _step_back_over_line_end(data: Numbers, offsets: Numbers, marks: Numbers, ends: Numbers) -> Numbers:
    """Move the starts of marks back over a line end before them, if it is in their text and in no other mark."""
    before = marks - 1
    firsts = offsets[np.searchsorted(offsets, marks, side="right") - 1]
    free = np.maximum(np.append(0, ends[:-1])[: len(marks)], firsts)
    is_line_end = (before >= free) & (data[np.maximum(before, 0)] == ord("\n") if len(marks) else True)
    return np.where(is_line_end, before, marks)


def _join_turns(
    texts: pa.Array, offsets: Numbers, has_system: Any, marks: Numbers, starts: Numbers, roles: Numbers
) -> TurnColumns:
    """Return the turns of texts with marks: the text before the first mark, and the text after each mark."""
    borders = np.searchsorted(marks, offsets)
    counts = np.diff(borders)
    ends = np.append(marks, offsets[-1])[1:] if len(marks) else marks
    marked = np.flatnonzero(counts)
    ends[borders[1:][marked] - 1] = offsets[1:][marked]
    first_starts = offsets[:-1] + np.where(has_system, len(_SYSTEM_MARK), 0)
    first_ends = offsets[1:].copy()
    first_ends[marked] = marks[borders[:-1][marked]]
    first = (first_ends > first_starts) | ((counts == 0) & ~has_system)
    places = np.cumsum(counts + first) - counts
    firsts, others = (places - 1)[first], list_ranges(places, counts)
    all_starts, all_ends, all_roles = (np.empty(len(firsts) + len(others), np.int64) for _ in range(3))
    first_roles = np.where(has_system, ROLE_CODES["system"], ROLE_CODES["user"])
    for made, of_firsts, of_others in (
        (all_starts, first_starts, starts), (all_ends, first_ends, ends), (all_roles, first_roles, roles)
    ):  # fmt: skip
        made[firsts], made[others] = of_firsts[first], of_others
    turns = PartTurns.of_lists(counts + first, all_roles.astype(np.uint8), cut_texts(texts, all_starts, all_ends))
    return TurnColumns(turns, to_mask(texts.is_valid()))
