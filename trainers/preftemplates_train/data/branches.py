"""Branches: sequences that begin alike share their beginning in one row, so that it is computed once.

A group of sequences becomes its shared beginning, the prefix, followed by one branch for each sequence. Groups follow
each other in one row, without padding. The positions of every branch continue those of the prefix, and a token sees
its own branch and the prefix; so each sequence is read as if it were alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

BranchLengths = tuple[int, tuple[int, ...]]
"""The number of tokens of a group's prefix, and of each of its branches."""

IsShared = Callable[[int, Sequence[int]], bool]
"""Whether sequences of these lengths share a prefix of this many tokens."""


class PackedRow(NamedTuple):
    """Groups in one row of T tokens.

    Attributes:
        input_ids: shape (1, T).
        position_ids: shape (1, T); each token's position in its own sequence.
        ends: the indices in the row of the sequences' last tokens, shape (S,), in the order of the sequences.
        groups: the groups that the row is made of.
    """

    input_ids: Tensor
    position_ids: Tensor
    ends: Tensor
    groups: tuple[BranchLengths, ...]

    def to(self, device: torch.device) -> PackedRow:
        """Return the same on another device."""
        return PackedRow(self.input_ids.to(device), self.position_ids.to(device), self.ends.to(device), self.groups)


def count_shared_tokens(sequences: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all sequences begin with.

    >>> count_shared_tokens([[5, 6, 7], [5, 6], [5, 6, 8]])
    2
    """
    first, length = sequences[0], min(map(len, sequences))
    return next((at for at in range(length) if any(other[at] != first[at] for other in sequences)), length)


def batch_by_length(groups: Sequence[Sequence[Sequence[int]]], size: int) -> Iterator[list[int]]:
    """Yield the numbers of groups in batches of so many sequences, short groups first; a larger group comes alone.

    >>> list(batch_by_length([[[5, 6, 7]], [[5]], [[5, 6], [5, 8]]], size=2))
    [[1], [2], [0]]
    """
    batch: list[int] = []
    sequences = 0
    for number in sorted(range(len(groups)), key=lambda number: max(map(len, groups[number]), default=0)):
        if batch and sequences + len(groups[number]) > size:
            yield batch
            batch, sequences = [], 0
        batch.append(number)
        sequences += len(groups[number])
    if batch:
        yield batch


def pack_groups(groups: Sequence[Sequence[Sequence[int]]], is_shared: IsShared) -> PackedRow:
    """Pack groups of sequences into one row.

    Args:
        groups: token ids; each group holds sequences that may begin alike, none of them empty.
        is_shared: decides for each group; the sequences of other groups follow each other whole.

    Example:
        >>> row = pack_groups([[[5, 6, 7], [5, 6, 8, 9]]], lambda prefix, lengths: True)
        >>> row.input_ids.tolist(), row.position_ids.tolist(), row.ends.tolist(), row.groups
        ([[5, 6, 7, 8, 9]], [[0, 1, 2, 2, 3]], [2, 4], ((2, (1, 2)),))
    """
    ids, positions, ends, packed = list[int](), list[int](), list[int](), list[BranchLengths]()
    for group in groups:
        shared = is_shared(count_shared_tokens(group), [len(sequence) for sequence in group])
        for sequences in [group] if shared else [[sequence] for sequence in group]:
            prefix = count_shared_tokens(sequences) if shared else 0
            start = len(ids)
            ids += sequences[0][:prefix]
            positions += range(prefix)
            for sequence in sequences:
                ids += sequence[prefix:]
                positions += range(prefix, len(sequence))
                ends.append(len(ids) - 1 if len(sequence) > prefix else start + prefix - 1)
            packed.append((prefix, tuple(len(sequence) - prefix for sequence in sequences)))
    return PackedRow(torch.tensor([ids]), torch.tensor([positions]), torch.tensor(ends), tuple(packed))


class ComputeCost(NamedTuple):
    """What a model of some shape computes, in multiplications of one layer.

    Attributes:
        per_token: for a token alone: its share of the layer's weights.
        per_attention: for a token and one that it sees.
    """

    per_token: float
    per_attention: float

    @classmethod
    def from_model(cls, model: Any) -> ComputeCost:
        """Return the cost by a model's configuration and the number of its weights."""
        text_config = model.config.get_text_config()
        embeddings = sum(weights.numel() for weights in model.get_input_embeddings().parameters())
        weights = sum(parameter.numel() for parameter in model.parameters()) - embeddings
        return cls(max(weights, 1) / text_config.num_hidden_layers, 2.0 * text_config.hidden_size)

    def is_sharing_cheaper(self, prefix: int, lengths: Sequence[int]) -> bool:
        """Return whether sequences of these lengths are cheaper with their common prefix computed once.

        A sequence by itself sees half of all pairs of its tokens; all branches but the first are read with a mask,
        by kernels that compute every pair under it.
        """
        if prefix == 0 or len(lengths) == 1:
            return False
        saved = self.per_token * prefix * (len(lengths) - 1)
        masked = sum((length - prefix) * length - length**2 / 2 for length in lengths[1:])
        return self.per_attention * masked < saved
