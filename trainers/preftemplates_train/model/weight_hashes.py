"""A hash of a model's weights."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


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
