"""Losses on rewards: pure functions of tensors."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def bradley_terry(chosen: Tensor, rejected: Tensor) -> Tensor:
    """The negative log likelihood that each chosen answer beats its rejected one, averaged over the pairs.

    `mean(-log sigmoid(chosen - rejected))`: Bradley and Terry, "Rank analysis of incomplete block designs" (1952), as
    in Ouyang et al., "Training language models to follow instructions with human feedback" (2022), equation 1. Adding
    a constant to both rewards leaves it; a tie costs ln 2.

    Args:
        chosen: rewards of the chosen answers, shape (B,).
        rejected: rewards of the rejected answers, shape (B,).

    Returns:
        A scalar in nats a pair.

    Example:
        >>> import torch
        >>> round(bradley_terry(torch.zeros(3), torch.zeros(3)).item(), 6)  # ln 2
        0.693147
    """
    return -F.logsigmoid(chosen - rejected).mean()
