"""A hash of a model's weights."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from preftemplates_train.model.loading import HEAD_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from torch import Tensor
    from transformers import PreTrainedModel


def hash_weights(weights: Iterable[tuple[str, Tensor]]) -> str:
    """Return a SHA-256 hash of weights, with their names, types and shapes.

    >>> one, other = torch.zeros(2), torch.tensor([0.0, -0.0])  # the bytes are hashed, so the sign of zero counts
    >>> hash_weights([("bias", one)]) == hash_weights([("bias", other)])
    False
    """
    digest = hashlib.sha256()
    for name, values in weights:
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_base_weights(model: PreTrainedModel, missing: Collection[str] = ()) -> str | None:
    """Return a hash of the weights that a classifier has loaded from its base model, without its head.

    Args:
        model: the classifier as it was loaded, before embeddings are added.
        missing: the names of the weights that the base model lacks, which were drawn at random.

    Returns:
        None if this process does not hold the weights, as with weights that DeepSpeed has divided.
    """
    weights = [
        (name, values)
        for name, values in model.state_dict().items()
        if name not in missing and not name.startswith(HEAD_NAMES)
    ]
    is_divided = any(hasattr(parameter, "ds_id") for parameter in model.parameters())
    return None if is_divided or any(values.is_meta for _, values in weights) else hash_weights(weights)
