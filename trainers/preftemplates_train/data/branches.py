"""Branches (shared-prefix packing): sequences with a common prefix share it in one row, so that it is computed once.

A group of sequences is packed as its common prefix, followed by one branch per sequence. Groups follow each other in
one row, without padding. The positions of every branch continue those of the prefix, and a token attends to its own
branch and the prefix only. So each sequence is computed as if it were alone.
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
"""Decides, from the length of the common prefix and the lengths of the sequences, whether the prefix is shared."""


class PackedRow(NamedTuple):
    """Groups of S sequences in one row of T tokens.

    Attributes:
        input_ids: shape (1, T).
        position_ids: shape (1, T); each token's position in its own sequence.
        ends: the index in the row of each sequence's last token, shape (S,), in the order of the sequences.
        groups: the lengths of each group's prefix and branches.
    """

    input_ids: Tensor
    position_ids: Tensor
    ends: Tensor
    groups: tuple[BranchLengths, ...]

    def to(self, device: torch.device) -> PackedRow:
        """Return the same on another device."""
        return PackedRow(self.input_ids.to(device), self.position_ids.to(device), self.ends.to(device), self.groups)


def count_shared_tokens(sequences: Sequence[Sequence[int]]) -> int:
    """Return the length of the longest prefix that all sequences have in common.

    >>> count_shared_tokens([[5, 6, 7], [5, 6], [5, 6, 8]])
    2
    """
    first, length = sequences[0], min(map(len, sequences))
    return next((at for at in range(length) if any(other[at] != first[at] for other in sequences)), length)


def batch_by_length(groups: Sequence[Sequence[Sequence[int]]], size: int) -> Iterator[list[int]]:
    """Yield batches of indices of groups, with at most `size` sequences each, short groups first.

    A group of more sequences is a batch of its own.

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
        groups: token ids; the sequences of a group may have a common prefix, and none of them is empty.
        is_shared: decides whether a group shares its prefix; if not, each of its sequences is packed whole.

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
                # A sequence that is all prefix has an empty branch, so its last token is the prefix's last token.
                ends.append(len(ids) - 1 if len(sequence) > prefix else start + prefix - 1)
            packed.append((prefix, tuple(len(sequence) - prefix for sequence in sequences)))
    return PackedRow(torch.tensor([ids]), torch.tensor([positions]), torch.tensor(ends), tuple(packed))


class ComputeCost(NamedTuple):
    """The cost of a model's forward pass, in multiplications of one layer.

    Attributes:
        per_token: for each token: the number of the layer's weights.
        per_attention: for each pair of a token and a token that it attends to.
    """

    per_token: float
    per_attention: float

    @classmethod
    def from_model(cls, model: Any) -> ComputeCost:
        """Estimate the cost from a model's configuration and the number of its weights."""
        text_config = model.config.get_text_config()
        # embeddings are looked up, not multiplied
        embeddings = sum(weights.numel() for weights in model.get_input_embeddings().parameters())
        weights = sum(parameter.numel() for parameter in model.parameters()) - embeddings
        # a pair of tokens costs one product of its query and key, and one of its weight and value
        return cls(max(weights, 1) / text_config.num_hidden_layers, 2.0 * text_config.hidden_size)

    def is_sharing_cheaper(self, prefix: int, lengths: Sequence[int]) -> bool:
        """Return whether sequences of these lengths are cheaper with their common prefix computed once.

        Sharing saves the prefix's tokens in all branches but the first, and costs attention: the kernel of a causal
        sequence skips the half of all pairs of tokens that the mask hides, while the kernel of a later branch, whose
        mask is a tensor, computes every pair.
        """
        if prefix == 0 or len(lengths) == 1:
            return False
        saved = self.per_token * prefix * (len(lengths) - 1)
        # lengths[1:], because the first branch and the prefix are one causal sequence without a mask
        masked = sum((length - prefix) * length - length**2 / 2 for length in lengths[1:])
        return self.per_attention * masked < saved
