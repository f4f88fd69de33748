"""The features of all texts of a run, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from preftemplates_train.data.collators import collect_texts, index_samples
from preftemplates_train.data.dataset import GroupDataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from preftemplates_train.data.encoding import TokenGroup
    from preftemplates_train.heads.feature_cache import FeatureCache
    from preftemplates_train.model.features import FeatureReader

TextKey = tuple[int, ...]
"""The ids of a text, its key in the table."""


class FeatureTable(NamedTuple):
    """The features of distinct texts at each cut of a model.

    Attributes:
        row_of: the row of each text in the table.
        values: shape (texts, cuts, width), in float32.
    """

    row_of: Mapping[TextKey, int]
    values: Tensor


class HeadBatch(NamedTuple):
    """Groups of texts for a loss.

    Attributes:
        rows: the rows of the texts in a `FeatureTable`, shape (S,).
        labels: the index tensors and labels of the samples, as returned by `index_samples`.
    """

    rows: Tensor
    labels: Mapping[str, Any]

    @classmethod
    def from_groups(cls, groups: Sequence[TokenGroup], table: FeatureTable) -> HeadBatch:
        """Return the batch of these groups, with floats as doubles, in which the fit is computed."""
        dataset = GroupDataset(groups)
        features = [dataset[number] for number in range(len(groups))]
        texts = [collect_texts(group) for group in features]
        labels = {
            name: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
            for name, value in index_samples(features, texts).items()
        }
        return cls(torch.tensor([table.row_of[text] for group in texts for text in group]), labels)


def list_text_groups(groups: Iterable[TokenGroup]) -> list[tuple[TextKey, ...]]:
    """Return the texts of each group, each group once: a source with a weight repeats its groups."""
    return list(
        dict.fromkeys(tuple(dict.fromkeys(tuple(ids) for sample in group for ids in sample.ids)) for group in groups)
    )


def compute_feature_table(
    reader: FeatureReader, groups: Iterable[TokenGroup], cache: FeatureCache | None = None
) -> FeatureTable:
    """Return the features of all texts of these groups, from the cache where it has them.

    Args:
        reader: computes features.
        groups: the groups; a text in several groups is computed with the first.
        cache: keeps the computed features, even if the run is stopped before all are computed.
    """
    text_groups = list_text_groups(groups)
    features = reader.read(text_groups) if cache is None else cache.read(reader, text_groups)
    row_of: dict[TextKey, int] = {}
    values: list[Tensor] = []
    for texts, group_features in zip(text_groups, features, strict=True):
        for text, value in zip(texts, group_features, strict=True):
            if text not in row_of:
                row_of[text] = len(values)
                values.append(value)
    return FeatureTable(row_of, torch.stack(values))
