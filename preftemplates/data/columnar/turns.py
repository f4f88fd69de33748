"""Turns: the messages of one part of all rows, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from preftemplates.core.messages import ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

Numbers = np.ndarray[Any, Any]
"""One number a row, or a message."""

ROLE_CODES = {role: code for code, role in enumerate(ROLES)}


@dataclass(frozen=True)
class Turns:
    """The messages of the prompt, or of one response, of all rows.

    Attributes:
        starts: the number of the first message of each row, and the number of all messages at the end.
        roles: the index of each message's role among `ROLES`.
        contents: the text of each message.
    """

    starts: Numbers
    roles: Numbers
    contents: pa.Array

    @classmethod
    def of_column(cls, role: str, contents: pa.Array) -> Turns:
        """Return one message for each row."""
        count = len(contents)
        return cls(np.arange(count + 1), np.full(count, ROLE_CODES[role], np.uint8), contents)

    @cached_property
    def counts(self) -> Numbers:
        """The number of messages of each row."""
        return np.diff(self.starts)

    @cached_property
    def is_single(self) -> bool:
        """Whether each row has exactly one message, and all have the same role."""
        is_one_each = len(self.roles) == len(self.counts) and bool((self.counts == 1).all())
        return is_one_each and bool((self.roles == self.roles[0]).all() if len(self.roles) else True)

    def take(self, rows: Numbers) -> Turns:
        """Return the messages of some rows."""
        counts = self.counts[rows]
        places = list_ranges(self.starts[:-1][rows], counts)
        return Turns(_to_starts(counts), self.roles[places], self.contents.take(pa.array(places)))

    def read_message(self, index: int, rows: Numbers | None = None) -> pa.Array:
        """Return the content of the message of this index in each row, or in some rows; all of them have one."""
        if rows is None and self.is_single:
            return self.contents
        starts = self.starts[:-1] if rows is None else self.starts[:-1][rows]
        return self.contents.take(pa.array(starts + index))


def list_ranges(starts: Numbers, counts: Numbers) -> Numbers:
    """Return the numbers of several ranges, one after the other.

    >>> list_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())


def _to_starts(counts: Numbers) -> Numbers:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def concat_turns(parts: Sequence[Turns]) -> Turns:
    """Return the messages of several parts, those of each row one after the other."""
    if len(parts) == 1:
        return parts[0]
    starts = _to_starts(np.sum([part.counts for part in parts], axis=0))
    at, before, places = starts[:-1].copy(), 0, np.empty(starts[-1], np.int64)
    for part in parts:
        places[list_ranges(at, part.counts)] = before + list_ranges(part.starts[:-1], part.counts)
        at += part.counts
        before += len(part.roles)
    contents = pa.concat_arrays([part.contents for part in parts]).take(pa.array(places))
    return Turns(starts, np.concatenate([part.roles for part in parts])[places], contents)


def group_shapes(parts: Sequence[Turns]) -> tuple[Numbers, list[tuple[tuple[str, ...], ...]]]:
    """Return the shape of each row, as a number, and the shapes: the roles of the messages of each part."""
    numbers, shapes = np.zeros(len(parts[0].counts), np.int64), [()]
    for part in parts:
        codes, sequences = _group_roles(part)
        numbers, used = _renumber(numbers * len(sequences) + codes)
        shapes = [(*shapes[number // len(sequences)], sequences[number % len(sequences)]) for number in used]
    return numbers, shapes  # type: ignore[return-value]


def _group_roles(part: Turns) -> tuple[Numbers, list[tuple[str, ...]]]:
    """The number of each row's sequence of roles, and the sequences."""
    count = len(part.counts)
    if part.is_single and count:
        return np.zeros(count, np.int64), [(ROLES[part.roles[0]],)]
    offsets = pa.py_buffer(part.starts.astype(np.int32).tobytes())
    keys = pa.Array.from_buffers(pa.binary(), count, [None, offsets, pa.py_buffer(part.roles.tobytes())])
    encoded = keys.dictionary_encode()
    sequences = [tuple(ROLES[code] for code in key) for key in encoded.dictionary.to_pylist()]
    return np.asarray(encoded.indices).astype(np.int64), sequences


def _renumber(numbers: Numbers) -> tuple[Numbers, list[int]]:
    """Numbers from 0 on, and what each of them was."""
    if len(numbers) and (numbers == numbers[0]).all():
        return np.zeros_like(numbers), [int(numbers[0])]
    used, renumbered = np.unique(numbers, return_inverse=True)
    return renumbered, used.tolist()
