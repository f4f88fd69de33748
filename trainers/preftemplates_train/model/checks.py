"""Checks of a classifier before the first step: finite weights, and one reward with and without padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from preftemplates_train.errors import SetupError, summarize_error

if TYPE_CHECKING:
    from transformers import (
        PreTrainedModel,
    )


def check_finite_weights(model: nn.Module, name: str) -> None:
    """Refuse weights that are no finite numbers.

    Raises:
        SetupError: the message names the first such parameter.
    """
    for parameter, values in model.named_parameters():
        if not torch.isfinite(values).all():
            raise SetupError(f"{name}: the weights {parameter} hold NaN or infinity")


def check_padding(model: PreTrainedModel, pad_id: int) -> None:
    """Refuse a model whose rewards depend on padding: it does not read them at the end of the text.

    Raises:
        SetupError: a text scores otherwise next to longer ones than alone, by more than rounding can move it.
    """
    rng = torch.Generator().manual_seed(0)
    embeddings: Any = model.get_input_embeddings()
    vocabulary = int(embeddings.num_embeddings)
    texts = [torch.randint(vocabulary - 1, (length,), generator=rng) for length in (4, 9) * 4]
    texts = [torch.where(ids >= pad_id, ids + 1, ids).to(model.device) for ids in texts]  # any id but the pad token's
    try:
        alone = torch.cat([_score_padded(model, [ids], pad_id) for ids in texts])
        together = _score_padded(model, texts, pad_id)
    except Exception as error:
        raise SetupError(f"the model cannot score a text: {summarize_error(error)}") from error
    difference = (alone - together).abs()
    if not difference.max() <= alone.std() * (0.01 if model.dtype == torch.float32 else 0.2):
        worst = int(difference.argmax())
        raise SetupError(
            f"the model scores a text {alone[worst]:.4f} alone and {together[worst]:.4f} when padded to one length"
            " with others"
        )


def _score_padded(model: PreTrainedModel, texts: list[torch.Tensor], pad_id: int) -> torch.Tensor:
    """Return the rewards of texts in one batch, padded right, as plain transformers gives them."""
    ids = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=pad_id)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in texts], batch_first=True)
    with torch.no_grad():
        rewards: torch.Tensor = model.eval()(input_ids=ids, attention_mask=mask).logits[:, 0]
    return rewards.float()
