"""Collators: turn groups of token ids into tensors, with each text once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from preftemplates_train.data.branches import pack_groups
from preftemplates_train.settings.objectives import LABEL_DEFAULTS, LABEL_NAMES

if TYPE_CHECKING:
    from preftemplates_train.data.branches import IsShared

GroupFeatures = Mapping[str, Any]
"""A group: `index`, its index in the dataset, and `samples`, each with the `ids` of its texts and its labels."""

GroupTexts = Sequence[tuple[int, ...]]
"""The ids of a group's texts, each text once."""


class PaddedCollator:
    """Makes a batch of groups: a row for each of their S texts, padded on the right.

    Args:
        pad_id: the id of the pad token, which no text contains.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, features: Sequence[GroupFeatures]) -> dict[str, Any]:
        """Return ids and mask of shape (S, T), and the tensors of `index_samples`."""
        groups = [collect_texts(group) for group in features]
        texts = [text for group in groups for text in group]
        ids = torch.full((len(texts), max(map(len, texts))), self.pad_id)
        mask = torch.zeros_like(ids)
        for number, text in enumerate(texts):
            ids[number, : len(text)] = torch.tensor(text)
            mask[number, : len(text)] = 1
        return {"input_ids": ids, "attention_mask": mask, **index_samples(features, groups)}


class BranchCollator:
    """Packs a batch of groups into one row, in which the common prefix of a group's texts occurs once.

    Args:
        is_shared: decides whether a group shares its prefix.
    """

    def __init__(self, is_shared: IsShared) -> None:
        self.is_shared = is_shared

    def __call__(self, features: Sequence[GroupFeatures]) -> dict[str, Any]:
        """Return the tensors of `pack_groups` and of `index_samples`."""
        groups = [collect_texts(group) for group in features]
        row = pack_groups(groups, self.is_shared)
        return {
            "input_ids": row.input_ids,
            "position_ids": row.position_ids,
            "ends": row.ends,
            "branches": row.groups,
            **index_samples(features, groups),
        }


def collect_texts(group: GroupFeatures) -> GroupTexts:
    """Return the texts of a group, each once, in the order of its samples."""
    # an answer occurs in several pairs of its ranking
    return list(dict.fromkeys(tuple(ids) for sample in group["samples"] for ids in sample["ids"]))


def index_samples(features: Sequence[GroupFeatures], groups: Sequence[GroupTexts]) -> dict[str, Any]:
    """Return the index tensors and labels of a batch of G groups, with N samples of K texts each and S distinct texts.

    Returns:
        `index`: the groups' indices in the dataset, shape (G,). `samples`: the indices of each sample's texts among
        the S texts, shape (N, K), with the chosen answer of a pair first. `ranks`: the number of answers of its group
        that beat a text, shape (S,). `sizes`: the number of texts of each group. `share`: the weight of a sample,
        shape (N,), such that all groups have the same weight; only if a group has several samples. Labels: shape (N,).
    """
    samples = [sample for group in features for sample in group["samples"]]
    places, offset = list[list[int]](), 0
    ranks = [0] * sum(map(len, groups))
    for group, texts in zip(features, groups, strict=True):
        index_of = {text: offset + number for number, text in enumerate(texts)}
        for sample in group["samples"]:
            places.append([index_of[tuple(ids)] for ids in sample["ids"]])
            for worse in places[-1][1:]:  # a tie has the probability 0.5, and beats nobody
                ranks[worse] += sample.get("probability", 1.0) > 0.5
        offset += len(texts)
    tensors = {"samples": torch.tensor(places), "ranks": torch.tensor(ranks), **_collect_labels(samples)}
    if len(samples) > len(features):
        counts = [len(group["samples"]) for group in features]
        # the shares sum to N, because the losses divide by N and not by the sum of their weights
        shares = [len(samples) / len(features) / count for count in counts for _ in range(count)]
        tensors["share"] = torch.tensor(shares)
    index = torch.tensor([group["index"] for group in features])
    # the sizes stay numbers: `split` takes them, and on a GPU tensors would have to be copied back
    return {"index": index, "sizes": tuple(map(len, groups)), **tensors}


def _collect_labels(samples: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """Return the labels that all samples have, and labels with a default that at least one sample has."""
    known = [name for name in LABEL_NAMES if _is_known(name, samples)]
    return {name: torch.tensor([sample.get(name, LABEL_DEFAULTS.get(name)) for sample in samples]) for name in known}


def _is_known(name: str, samples: Sequence[Mapping[str, Any]]) -> bool:
    return (any if name in LABEL_DEFAULTS else all)(name in sample for sample in samples)
