"""Branches: sequences that begin alike are laid out so that what they share stands, and is computed, once.

A group of sequences becomes its shared beginning, the trunk, with one branch behind it for each sequence. Groups
follow each other in one row, without padding. Positions go on from the trunk in every branch, and a token sees its own
branch and the trunk; so each sequence is read as if it stood alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

Group = tuple[int, tuple[int, ...]]
"""How many tokens the trunk has, and how many each branch."""

Shares = Callable[[int, Sequence[int]], bool]
"""Whether sequences of these lengths share a beginning of this many tokens."""


class Laid(NamedTuple):
    """Groups in one row of T tokens.

    Attributes:
        input_ids: shape (1, T).
        position_ids: likewise; each token's place in its own sequence.
        ends: the places of the sequences' last tokens in the row, shape (S,), in the order of the sequences.
        groups: what the row is made of.
    """

    input_ids: Tensor
    position_ids: Tensor
    ends: Tensor
    groups: tuple[Group, ...]

    def to(self, device: torch.device) -> Laid:
        """The same on another device."""
        return Laid(self.input_ids.to(device), self.position_ids.to(device), self.ends.to(device), self.groups)


def common(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all sequences begin with.

    >>> common([[5, 6, 7], [5, 6], [5, 6, 8]])
    2
    """
    first, length = sequences[0], min(map(len, sequences))
    return next((at for at in range(length) if any(other[at] != first[at] for other in sequences)), length)


def lay_out(groups: Sequence[Sequence[Sequence[int]]], shares: Shares) -> Laid:
    """Lay groups of sequences out in one row.

    Args:
        groups: token ids; each group holds sequences that may begin alike, none of them empty.
        shares: decides for each group; those that do not share are laid out one sequence after the other.

    Example:
        >>> laid = lay_out([[[5, 6, 7], [5, 6, 8, 9]]], lambda trunk, lengths: True)
        >>> laid.input_ids.tolist(), laid.position_ids.tolist(), laid.ends.tolist(), laid.groups
        ([[5, 6, 7, 8, 9]], [[0, 1, 2, 2, 3]], [2, 4], ((2, (1, 2)),))
    """
    ids, positions, ends, found = list[int](), list[int](), list[int](), list[Group]()
    for group in groups:
        trunk = common(group)
        together = shares(trunk, [len(sequence) for sequence in group])
        for sequences in [group] if together else [[sequence] for sequence in group]:
            trunk = common(sequences) if together else 0
            start = len(ids)
            ids += sequences[0][:trunk]
            positions += range(trunk)
            for sequence in sequences:
                ids += sequence[trunk:]
                positions += range(trunk, len(sequence))
                ends.append(len(ids) - 1 if len(sequence) > trunk else start + trunk - 1)
            found.append((trunk, tuple(len(sequence) - trunk for sequence in sequences)))
    return Laid(torch.tensor([ids]), torch.tensor([positions]), torch.tensor(ends), tuple(found))


class Cost(NamedTuple):
    """What a model of this shape computes for a token, in multiplications of one layer.

    Attributes:
        token: for a token alone: its share of the layer's weights.
        pair: for a token and one that it sees.
    """

    token: float
    pair: float

    @classmethod
    def of(cls, model: Any) -> Cost:
        """The cost by a model's configuration and the number of its weights."""
        text = model.config.get_text_config()
        embeddings = sum(weights.numel() for weights in model.get_input_embeddings().parameters())
        weights = sum(parameter.numel() for parameter in model.parameters()) - embeddings
        return cls(max(weights, 1) / text.num_hidden_layers, 2.0 * text.hidden_size)

    def shares(self, trunk: int, lengths: Sequence[int]) -> bool:
        """Whether a group is cheaper with its beginning once.

        A sequence by itself sees half of all pairs of its tokens; the branches behind the first are read with a mask,
        by kernels that compute every pair under it.
        """
        if trunk == 0 or len(lengths) == 1:
            return False
        once = self.token * trunk * (len(lengths) - 1)
        masked = sum((length - trunk) * length - length**2 / 2 for length in lengths[1:])
        return self.pair * masked < once
