"""The messages of one part of all rows, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.messages import ROLES, Message
from preftemplates.data.columnar.arrays import fill, to_arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

Numbers = np.ndarray[Any, Any]
"""One number per row, or per message."""

ROLE_CODES = {role: code for code, role in enumerate(ROLES)}


@dataclass(frozen=True, eq=False)
class PartTurns:
    """The messages of the prompt, or of one response, of all rows.

    Taking rows and cutting turns only changes starts and counts; the texts are never copied for that.

    Attributes:
        starts: the place of the first message of each row.
        counts: the number of messages of each row.
        roles: the index in `ROLES` of the role of each message.
        contents: the text of each message.
    """

    starts: Numbers
    counts: Numbers
    roles: Numbers
    contents: pa.Array

    @classmethod
    def of_column(cls, role: str, contents: pa.Array) -> PartTurns:
        """Return one message for each row."""
        count = len(contents)
        return cls(np.arange(count), np.ones(count, np.int64), np.full(count, ROLE_CODES[role], np.uint8), contents)

    @classmethod
    def of_lists(cls, counts: Numbers, roles: Numbers, contents: pa.Array) -> PartTurns:
        """Return messages that follow one another, with this many for each row."""
        return cls(np.cumsum(counts) - counts, counts, roles, contents)

    @classmethod
    def of_nothing(cls, count: int) -> PartTurns:
        """Return no messages for each row."""
        return cls.of_lists(np.zeros(count, np.int64), np.zeros(0, np.uint8), pa.nulls(0, pa.string()))

    @cached_property
    def is_dense(self) -> bool:
        """Return whether the messages of all rows follow one another without others between them."""
        starts = np.cumsum(self.counts) - self.counts
        return int(self.counts.sum()) == len(self.roles) and bool((self.starts == starts).all())

    @cached_property
    def is_single(self) -> bool:
        """Return whether each row has exactly one message, and these are all messages in order."""
        return self.is_dense and bool((self.counts == 1).all())

    @property
    def ends(self) -> Numbers:
        """Return the place after the last message of each row."""
        return self.starts + self.counts

    @property
    def places(self) -> Numbers:
        """Return the places of the messages of all rows."""
        return list_ranges(self.starts, self.counts)

    def take(self, rows: Numbers) -> PartTurns:
        """Return the messages of some rows."""
        return PartTurns(self.starts[rows], self.counts[rows], self.roles, self.contents)

    def list_roles(self, row: int) -> tuple[str, ...]:
        """Return the roles of the messages of one row."""
        start = int(self.starts[row])
        return tuple(ROLES[code] for code in self.roles[start : start + int(self.counts[row])].tolist())

    def list_all_roles(self) -> list[str]:
        """Return the role of every message."""
        return [ROLES[code] for code in self.roles.tolist()]

    def list_messages(self, row: int) -> list[Message]:
        """Return the messages of one row."""
        texts = self.contents.slice(int(self.starts[row]), int(self.counts[row])).to_pylist()
        return [Message(role=role, content=text) for role, text in zip(self.list_roles(row), texts, strict=True)]

    def drop_last(self) -> PartTurns:
        """Return the messages of each row without the last."""
        return PartTurns(self.starts, np.maximum(self.counts - 1, 0), self.roles, self.contents)

    def keep_last(self) -> PartTurns:
        """Return the last message of each row, if there is one."""
        return PartTurns(np.maximum(self.ends - 1, self.starts), np.minimum(self.counts, 1), self.roles, self.contents)

    def compact(self) -> PartTurns:
        """Return the same messages one after another, without others between them."""
        if self.is_dense:
            return self
        places = self.places
        return PartTurns.of_lists(self.counts, self.roles[places], self.contents.take(to_arrow(places)))

    def count_bytes_before(self) -> Numbers:
        """Return how many bytes of contents are before each message of all rows, with the total at the end."""
        counts = np.zeros(len(self.contents) + 1, np.int64)
        np.cumsum(fill(pc.binary_length(self.contents), 0), out=counts[1:])
        return counts

    def measure(self) -> Numbers:
        """Return the number of bytes of each row's contents together."""
        before = self.count_bytes_before()
        return np.asarray(before[self.ends] - before[self.starts])


def list_ranges(starts: Numbers, counts: Numbers) -> Numbers:
    """Return the numbers of several ranges, one after another.

    >>> list_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())


def concat_turns(parts: Sequence[PartTurns]) -> PartTurns:
    """Join the messages of several parts, row by row."""
    if len(parts) == 1:
        return parts[0]
    counts = np.sum([part.counts for part in parts], axis=0)
    at, before, places = np.cumsum(counts) - counts, 0, np.empty(counts.sum(), np.int64)
    for part in parts:
        places[list_ranges(at, part.counts)] = before + part.places
        at = at + part.counts
        before += len(part.roles)
    contents = pa.concat_arrays([part.contents for part in parts]).take(to_arrow(places))
    return PartTurns.of_lists(counts, np.concatenate([part.roles for part in parts])[places], contents)


def hold_for_all(values: np.ndarray[Any, np.dtype[np.bool_]], starts: Numbers, ends: Numbers) -> Numbers:
    """Return for which rows the values of all of their messages are true."""
    faults = np.concatenate([[0], np.cumsum(~values)])
    return np.asarray(faults[ends] == faults[starts])


Shape = tuple[tuple[str, ...], ...]
"""The roles of the messages in each part."""


def group_shapes(parts: Sequence[PartTurns]) -> tuple[Numbers, list[Shape]]:
    """Return the number of each row's shape, and the shapes."""
    numbers, shapes = np.zeros(len(parts[0].counts), np.int64), list[Shape]([()])
    for part in parts:
        codes, sequences = _group_roles(part)
        numbers, used = _renumber(numbers * len(sequences) + codes)
        shapes = [(*shapes[number // len(sequences)], sequences[number % len(sequences)]) for number in used]
    return numbers, shapes


def _group_roles(part: PartTurns) -> tuple[Numbers, list[tuple[str, ...]]]:
    """Return the number of each row's sequence of roles, and the sequences."""
    roles = part.roles if part.is_dense else part.roles[part.places]
    if len(roles) and (roles == roles[0]).all() and (part.counts == 1).all():
        return np.zeros(len(part.counts), np.int64), [(ROLES[roles[0]],)]
    offsets = np.concatenate([[0], np.cumsum(part.counts)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(roles.tobytes())]
    encoded = pa.Array.from_buffers(pa.binary(), len(part.counts), buffers).dictionary_encode()
    sequences = [tuple(ROLES[code] for code in key) for key in encoded.dictionary.to_pylist()]
    return fill(encoded.indices, 0).astype(np.int64), sequences


def _renumber(numbers: Numbers) -> tuple[Numbers, list[int]]:
    """Return numbers from 0 on, and the original number of each."""
    if len(numbers) and (numbers == numbers[0]).all():
        return np.zeros_like(numbers), [int(numbers[0])]
    used, renumbered = np.unique(numbers, return_inverse=True)
    return renumbered, used.tolist()
