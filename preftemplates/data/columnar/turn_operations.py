"""Operations on turns: what bundled filters do with the messages of one row, for all rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from preftemplates.data.columnar.arrays import fill, to_arrow, to_mask
from preftemplates.data.columnar.cells import TurnColumns, register_operation
from preftemplates.data.columnar.turns import ROLE_CODES, PartTurns, concat_turns, hold_for_all, list_ranges

if TYPE_CHECKING:
    from preftemplates.data.columnar.cells import Cells, TurnSource
    from preftemplates.data.columnar.column_texts import Column
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers

_USER, _ASSISTANT = ROLE_CODES["user"], ROLE_CODES["assistant"]


@register_operation
def turns_before_last(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the messages of each row without the last."""
    turns, known = cells.read_turns(source)
    return TurnColumns(turns.drop_last(), known)


@register_operation
def last_turn(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the last message of each row."""
    turns, known = cells.read_turns(source)
    return TurnColumns(turns.keep_last(), known & (turns.counts > 0))


@register_operation
def joined(cells: Cells, *sources: TurnSource) -> TurnColumns:
    """Join the messages of several sources."""
    if not sources:
        return TurnColumns(PartTurns.of_nothing(cells.count), np.ones(cells.count, bool))
    parts = [cells.read_turns(source) for source in sources]
    known = np.logical_and.reduce([part.known for part in parts])
    return TurnColumns(concat_turns([part.turns for part in parts]), known)


@register_operation
def answered(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the messages of rows that end with an answer to something, like the filter of that name."""
    turns, known = cells.read_turns(source)
    return TurnColumns(turns, known & (turns.counts > 1) & _end_with_answer(turns))


@register_operation
def asking(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the messages that ask for an answer, like the filter of that name."""
    turns, known = cells.read_turns(source)
    counts = turns.counts - _end_with_answer(turns)
    return TurnColumns(PartTurns(turns.starts, counts, turns.roles, turns.contents), known & (counts > 0))


@register_operation
def before_open_answer(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the messages before an empty answer, like the filter of that name."""
    turns, known = cells.read_turns(source)
    ends = np.flatnonzero(known & (turns.counts > 1) & _end_with_answer(turns))
    lengths = fill(pc.binary_length(turns.contents), -1)
    is_open = np.zeros(cells.count, bool)
    is_open[ends] = lengths[turns.ends[ends] - 1] == 0
    return TurnColumns(turns.drop_last(), is_open)


def _end_with_answer(turns: PartTurns) -> Mask:
    """Return which rows end with a message of an assistant."""
    ends = np.zeros(len(turns.counts), bool)
    rows = np.flatnonzero(turns.counts)
    ends[rows] = turns.roles[turns.ends[rows] - 1] == _ASSISTANT
    return ends


@register_operation
def before_last_answer(cells: Cells, source: TurnSource, other: TurnSource) -> TurnColumns:
    """Return the turns before the last answer, which both sides share, like the filter of that name."""
    (turns, known), (others, others_known) = cells.read_turns(source), cells.read_turns(other)
    known = known & others_known & (turns.counts == others.counts) & (turns.counts > 1)
    rows = np.flatnonzero(known)
    one, two = turns.take(rows), others.take(rows)
    shared = one.drop_last()
    known[rows] &= _are_same(shared, two.drop_last()) & _have_user(shared)
    known[rows] &= _end_with_answer(one) & _end_with_answer(two)
    return TurnColumns(turns.drop_last(), known)


@register_operation
def agreed_with(cells: Cells, source: TurnSource, other: TurnSource) -> TurnColumns:
    """Return messages that both sides give, like the filter of that name."""
    (turns, known), (others, others_known) = cells.read_turns(source), cells.read_turns(other)
    known = known & others_known & (turns.counts == others.counts)
    rows = np.flatnonzero(known)
    known[rows] &= _are_same(turns.take(rows), others.take(rows))
    return TurnColumns(turns, known)


@register_operation
def common_history(cells: Cells, source: TurnSource, other: TurnSource) -> TurnColumns:
    """Return the leading messages that two conversations share, like the filter of that name."""
    turns, known, shared = _find_history(cells, source, other)
    return TurnColumns(PartTurns(turns.starts, shared, turns.roles, turns.contents), known)


@register_operation
def after_history(cells: Cells, source: TurnSource, other: TurnSource) -> TurnColumns:
    """Return what a conversation adds to the history that it shares with another, like the filter of that name."""
    turns, known, shared = _find_history(cells, source, other)
    return TurnColumns(PartTurns(turns.starts + shared, turns.counts - shared, turns.roles, turns.contents), known)


def _find_history(cells: Cells, source: TurnSource, other: TurnSource) -> tuple[PartTurns, Mask, Numbers]:
    """Return the first conversations, which rows have a common history, and how many messages it has."""
    (turns, known), (others, others_known) = cells.read_turns(source), cells.read_turns(other)
    known = known & others_known & (turns.counts > 0) & (others.counts > 0)
    shared = np.zeros(cells.count, np.int64)
    rows = np.flatnonzero(known)
    one, two = turns.take(rows), others.take(rows)
    limits = np.minimum(one.counts, two.counts) - 1
    heads = PartTurns(one.starts, limits, one.roles, one.contents)
    shared[rows] = counts = _count_same(heads, PartTurns(two.starts, limits, two.roles, two.contents))
    part = [side.roles[side.starts + counts] == _ASSISTANT for side in (one, two)]
    known[rows] &= part[0] & part[1] & _have_user(PartTurns(one.starts, counts, one.roles, one.contents))
    return turns, known, shared


@register_operation
def with_prompt(cells: Cells, source: TurnSource, prompt: Column) -> TurnColumns:
    """Return messages, one of which is the prompt of a column, like the filter of that name."""
    turns, known = cells.read_turns(source)
    prompts = cells.read(prompt).take(to_arrow(np.repeat(np.arange(cells.count), turns.counts)))
    same = to_mask(pc.equal(turns.contents.take(to_arrow(turns.places)), prompts))
    ends = np.cumsum(turns.counts)
    return TurnColumns(turns, known & ~hold_for_all(~same, ends - turns.counts, ends))


@register_operation
def with_prompt_turns(cells: Cells, source: TurnSource, prompt: TurnSource) -> TurnColumns:
    """Return messages that begin with those of another column; rows that have these elsewhere are unknown."""
    (turns, known), (asked, asked_known) = cells.read_turns(source), cells.read_turns(prompt)
    known = known & asked_known & (asked.counts > 0) & (asked.counts <= turns.counts)
    rows = np.flatnonzero(known)
    one, two = turns.take(rows), asked.take(rows)
    known[rows] &= _are_same(PartTurns(one.starts, two.counts, one.roles, one.contents), two)
    return TurnColumns(turns, known)


def _compare(one: PartTurns, two: PartTurns) -> Mask:
    """Return which messages are the same; both have the same number in each row."""
    places, others = one.places, two.places
    if len(one.roles) == len(two.roles) and (one.starts == two.starts).all():
        same = to_mask(pc.equal(one.contents, two.contents))[places]
    else:
        taken = one.contents.take(to_arrow(places)), two.contents.take(to_arrow(others))
        same = to_mask(pc.equal(*taken))
    return np.asarray(same & (one.roles[places] == two.roles[others]))


def _are_same(one: PartTurns, two: PartTurns) -> Mask:
    """Return in which rows all messages are the same; both have the same number."""
    ends = np.cumsum(one.counts)
    return hold_for_all(_compare(one, two), ends - one.counts, ends)


def _count_same(one: PartTurns, two: PartTurns) -> Numbers:
    """Return how many leading messages of each row are the same; both have the same number."""
    starts = np.cumsum(one.counts) - one.counts
    faults = np.flatnonzero(~_compare(one, two))
    following = np.append(faults, len(one.roles) + one.counts.sum())[np.searchsorted(faults, starts)]
    return np.asarray(np.minimum(following - starts, one.counts))


def _have_user(turns: PartTurns) -> Mask:
    """Return in which rows a message is a user's."""
    ends = np.cumsum(turns.counts)
    places = list_ranges(turns.starts, turns.counts)
    return ~hold_for_all(turns.roles[places] != _USER, ends - turns.counts, ends)
