"""Collators: how groups of token ids become tensors, each text once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from preftemplates_train.data.branches import pack_groups
from preftemplates_train.data.pairs import LABEL_DEFAULTS

if TYPE_CHECKING:
    from preftemplates_train.data.branches import IsShared

GroupFeatures = Mapping[str, Any]
"""A group: `index`, its place in the data, and `pairs`, each with `chosen_ids`, `rejected_ids` and its labels."""

GroupTexts = Sequence[tuple[int, ...]]
"""The ids of a group's texts, each text once."""


class PairCollator:
    """Makes a batch of groups: a row for each of their S texts, padded right.

    Args:
        pad_id: the id that pads; it is in no text.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, features: Sequence[GroupFeatures]) -> dict[str, Any]:
        """Return ids and mask of shape (S, T), and the tensors of `index_pairs`."""
        groups = [collect_texts(group) for group in features]
        texts = [text for group in groups for text in group]
        ids = torch.full((len(texts), max(map(len, texts))), self.pad_id)
        mask = torch.zeros_like(ids)
        for number, text in enumerate(texts):
            ids[number, : len(text)] = torch.tensor(text)
            mask[number, : len(text)] = 1
        return {"input_ids": ids, "attention_mask": mask, **index_pairs(features, groups)}


class BranchCollator:
    """Makes one row of a batch of groups, in which the common beginning of a group's texts is there once.

    Args:
        is_shared: decides for each group whether it is laid out so.
    """

    def __init__(self, is_shared: IsShared) -> None:
        self.is_shared = is_shared

    def __call__(self, features: Sequence[GroupFeatures]) -> dict[str, Any]:
        """Return the tensors of `pack_groups` and of `index_pairs`."""
        groups = [collect_texts(group) for group in features]
        row = pack_groups(groups, self.is_shared)
        return {
            "input_ids": row.input_ids,
            "position_ids": row.position_ids,
            "ends": row.ends,
            "branches": row.groups,
            **index_pairs(features, groups),
        }


def collect_texts(group: GroupFeatures) -> GroupTexts:
    """Return the texts of a group, each once, in the order in which its pairs name them."""
    sides = ("chosen_ids", "rejected_ids")
    return list(dict.fromkeys(tuple(pair[side]) for pair in group["pairs"] for side in sides))


def index_pairs(features: Sequence[GroupFeatures], groups: Sequence[GroupTexts]) -> dict[str, Any]:
    """Return where the pairs of a batch are: G groups with P pairs of S texts.

    Returns:
        `index`: the groups' places in the data, shape (G,). `chosen`, `rejected`: the indices of the pairs' sides
        among the texts, shape (P,). `ranks`: by how many answers of its group a text is beaten, shape (S,). `sizes`:
        the number of texts of each group. `share`: how much a pair counts, shape (P,), so that each group counts
        alike; only where one has several pairs. Labels, shape (P,), those that any pair has.
    """
    pairs = [pair for group in features for pair in group["pairs"]]
    chosen, rejected, offset = list[int](), list[int](), 0
    ranks = [0] * sum(map(len, groups))
    for group, texts in zip(features, groups, strict=True):
        index_of = {text: offset + number for number, text in enumerate(texts)}
        for pair in group["pairs"]:
            chosen.append(index_of[tuple(pair["chosen_ids"])])
            rejected.append(index_of[tuple(pair["rejected_ids"])])
            ranks[rejected[-1]] += pair.get("probability", 1.0) > 0.5
        offset += len(texts)
    tensors = {"chosen": torch.tensor(chosen), "rejected": torch.tensor(rejected), "ranks": torch.tensor(ranks)}
    labels = {name: default for name, default in LABEL_DEFAULTS.items() if any(name in pair for pair in pairs)}
    tensors |= {name: torch.tensor([pair.get(name, default) for pair in pairs]) for name, default in labels.items()}
    if len(pairs) > len(features):
        shares = [len(pairs) / len(features) / len(group["pairs"]) for group in features for _ in group["pairs"]]
        tensors["share"] = torch.tensor(shares)
    index = torch.tensor([group["index"] for group in features])
    return {"index": index, "sizes": tuple(map(len, groups)), **tensors}
