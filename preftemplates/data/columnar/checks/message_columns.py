"""Messages as columns: those of one part of some samples, with a hash per message and per sample."""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from preftemplates.core.digest import short_digest
from preftemplates.core.messages import list_message_texts
from preftemplates.core.provenance import plain
from preftemplates.data.columnar.arrays import to_arrow, to_arrow_bytes
from preftemplates.data.columnar.checks.hashes import Sequences, hash_values, mix, mix_all
from preftemplates.data.columnar.turns import ROLE_CODES, PartTurns, list_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.core.messages import Message
    from preftemplates.data.columnar.turns import Numbers


class MessageColumns:
    """The messages of one part of some samples.

    Args:
        turns: the messages, one after another; a text may have lone surrogates, and typed parts are joined.
        digests: for a message with more than a role and a text, a hash of everything in it; otherwise 0.

    Example:
        >>> hello = [{"role": "user", "content": "Hi"}]
        >>> one, other = MessageColumns.of_messages([hello, hello]).hashes
        >>> bool(one == other)
        True
    """

    def __init__(self, turns: PartTurns, digests: Numbers) -> None:
        self.turns, self._digests = turns, digests

    @classmethod
    def of_turns(cls, turns: PartTurns) -> MessageColumns:
        """Return messages that have a role and a text each."""
        compact = turns.compact()
        contents = compact.contents.cast(pa.binary())
        return cls(
            PartTurns.of_lists(compact.counts, compact.roles, contents), np.zeros(len(compact.roles), np.uint64)
        )

    @classmethod
    def of_messages(cls, samples: Sequence[Sequence[Message]]) -> MessageColumns:
        """Return the messages of each sample."""
        messages = [*chain.from_iterable(samples)]
        counts = np.array([*map(len, samples)], np.int64)
        roles = np.array([ROLE_CODES[message["role"]] for message in messages], np.uint8)
        contents = to_arrow_bytes([_join_texts(message).encode("utf-8", "surrogatepass") for message in messages])
        digests = np.array([_digest(message) for message in messages], np.uint64)
        return cls(PartTurns.of_lists(counts, roles, contents), digests)

    @classmethod
    def concat(cls, parts: Sequence[MessageColumns]) -> MessageColumns:
        """Concatenate the messages of several parts."""
        turns = [part.turns for part in parts]
        counts, roles = (
            np.concatenate(arrays) for arrays in zip(*((one.counts, one.roles) for one in turns), strict=True)
        )
        contents = pa.concat_arrays([one.contents for one in turns])
        return cls(PartTurns.of_lists(counts, roles, contents), np.concatenate([part._digests for part in parts]))

    def take(self, samples: Numbers) -> MessageColumns:
        """Return the messages of some samples."""
        turns = self.turns
        if len(samples) == len(turns.counts) and bool((samples == np.arange(len(samples))).all()):
            return self
        places = list_ranges(turns.starts[samples], turns.counts[samples])
        contents = turns.contents.take(to_arrow(places))
        return MessageColumns(
            PartTurns.of_lists(turns.counts[samples], turns.roles[places], contents), self._digests[places]
        )

    @cached_property
    def text_hashes(self) -> Numbers:
        """Return a hash of the role and the text of each message."""
        return mix_all(self.turns.roles, hash_values(self.turns.contents.to_pylist()))

    @cached_property
    def message_hashes(self) -> Numbers:
        """Return a hash of everything in each message."""
        return mix(np.where(self._digests > 0, self._digests, self.text_hashes)) | np.uint64(1)

    @cached_property
    def hashes(self) -> Numbers:
        """Return a hash of the messages of each sample."""
        sequences = Sequences(self.message_hashes, self.turns.starts, self.turns.counts)
        return mix_all(self.turns.counts, sequences.hash_whole())


def _join_texts(message: Message) -> str:
    return plain("\n".join(list_message_texts([message])))


def _digest(message: Message) -> int:
    """Return a hash of a message with more than a role and a text; 0 for other messages."""
    if len(message) == 2 and isinstance(message.get("content"), str):
        return 0
    return hash_digest(message)


def hash_digest(value: Any) -> int:
    """Return a hash of JSON-like data; it is never 0."""
    return int.from_bytes(short_digest(value)[:8], "little") or 1
