"""Batches: how groups of token ids become tensors, each text once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from preftemplates_train.data.branches import Shares, lay_out
from preftemplates_train.data.encoding import Group, TokenPair

LABELS = {"margin": 0.0, "probability": 1.0}
"""What a pair may say beside which of its answers is the better one, and what that is where it does not."""

Feature = Mapping[str, Any]
"""A group: `index`, its place in the data, and `pairs`, each with `chosen_ids`, `rejected_ids` and its labels."""


class GroupDataset(Dataset[dict[str, Any]]):
    """Groups of pairs as the collators take them: those of one ranking, say, whose texts are computed once."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = groups

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One group, its pairs with the labels that they have."""
        return {"index": index, "pairs": [_sides(pair) for pair in self.groups[index]]}

    @property
    def lengths(self) -> list[int]:
        """The tokens of each group's longest text."""
        return [max(len(ids) for pair in group for ids in pair[1:]) for group in self.groups]


class PairDataset(GroupDataset):
    """Pairs, each a group of its own."""

    def __init__(self, pairs: Sequence[TokenPair]) -> None:
        super().__init__([(pair,) for pair in pairs])


def _sides(pair: TokenPair) -> dict[str, Any]:
    labels = {name: getattr(pair.pair, name) for name in LABELS if getattr(pair.pair, name, None) is not None}
    return {"chosen_ids": pair.chosen_ids, "rejected_ids": pair.rejected_ids, **labels}


class PairCollator:
    """Makes a batch of groups: a row for each of their S texts, padded right.

    Args:
        pad_id: the id that pads; it stands in no text.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, features: Sequence[Feature]) -> dict[str, Any]:
        """Ids and mask of shape (S, T), and what `of_pairs` says."""
        groups = [texts_of(feature) for feature in features]
        sequences = [text for texts in groups for text in texts]
        ids = torch.full((len(sequences), max(map(len, sequences))), self.pad_id)
        mask = torch.zeros_like(ids)
        for number, sequence in enumerate(sequences):
            ids[number, : len(sequence)] = torch.tensor(sequence)
            mask[number, : len(sequence)] = 1
        return {"input_ids": ids, "attention_mask": mask, **of_pairs(features, groups)}


class BranchCollator:
    """Makes one row of a batch of groups, in which what the texts of a group share stands once.

    Args:
        shares: decides for each group whether it is laid out so.
    """

    def __init__(self, shares: Shares) -> None:
        self.shares = shares

    def __call__(self, features: Sequence[Feature]) -> dict[str, Any]:
        """What `lay_out` makes, and what `of_pairs` says."""
        groups = [texts_of(feature) for feature in features]
        laid = lay_out(groups, self.shares)
        return {
            "input_ids": laid.input_ids,
            "position_ids": laid.position_ids,
            "ends": laid.ends,
            "branches": laid.groups,
            **of_pairs(features, groups),
        }


def texts_of(feature: Feature) -> list[tuple[int, ...]]:
    """The texts of a group, each once, in the order in which its pairs name them."""
    sides = ("chosen_ids", "rejected_ids")
    return list(dict.fromkeys(tuple(pair[side]) for pair in feature["pairs"] for side in sides))


def of_pairs(features: Sequence[Feature], groups: Sequence[Sequence[tuple[int, ...]]]) -> dict[str, Any]:
    """What a batch of G groups with P pairs of S texts says of its pairs.

    Returns:
        `index`: the groups' places in the data, shape (G,). `chosen`, `rejected`: the places of the pairs' sides among
        the texts, shape (P,). `ranks`: by how many answers of its group a text is beaten, shape (S,). `sizes`: the
        number of texts of each group. `share`: how much a pair counts, shape (P,), so that each group counts alike;
        only where one has several pairs. Labels, shape (P,), those that any pair has.
    """
    pairs = [pair for feature in features for pair in feature["pairs"]]
    chosen, rejected, first = list[int](), list[int](), 0
    ranks = [0] * sum(map(len, groups))
    for feature, texts in zip(features, groups, strict=True):
        place = {text: first + number for number, text in enumerate(texts)}
        for pair in feature["pairs"]:
            chosen.append(place[tuple(pair["chosen_ids"])])
            rejected.append(place[tuple(pair["rejected_ids"])])
            ranks[rejected[-1]] += pair.get("probability", 1.0) > 0.5
        first += len(texts)
    found = {"chosen": torch.tensor(chosen), "rejected": torch.tensor(rejected), "ranks": torch.tensor(ranks)}
    had = {name: other for name, other in LABELS.items() if any(name in pair for pair in pairs)}
    found |= {name: torch.tensor([pair.get(name, other) for pair in pairs]) for name, other in had.items()}
    if len(pairs) > len(features):
        each = [len(pairs) / len(features) / len(one["pairs"]) for one in features for _ in one["pairs"]]
        found["share"] = torch.tensor(each)
    index = torch.tensor([feature["index"] for feature in features])
    return {"index": index, "sizes": tuple(map(len, groups)), **found}
