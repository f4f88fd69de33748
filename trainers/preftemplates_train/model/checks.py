"""Checks before the first step: finite weights, a tokenizer that reloads, and rewards that ignore padding."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import AutoTokenizer

from preftemplates_train.data.tokenizer import encode_texts
from preftemplates_train.errors import SetupError, summarize_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def check_finite_weights(model: nn.Module, name: str) -> None:
    """Raise an error for weights that are not finite.

    Raises:
        SetupError: the message names the first such parameter.
    """
    for parameter, values in model.named_parameters():
        if not torch.isfinite(values).all():
            raise SetupError(f"{name}: the weights {parameter} contain NaN or infinity")


def find_unchanged_share(model: nn.Module, learning_rate: float) -> float:
    """Return the share of the trained weights that a step of the size of the learning rate does not change.

    Adam moves a weight by about the learning rate. A weight in bfloat16 or float16 is rounded to the nearest value,
    so it stays the same if the step is less than half of the distance to the next value. The share is estimated from
    the first weights of each parameter; weights in float32 count as changed.
    """
    unchanged, total = 0.0, 0
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        total += parameter.numel()
        if parameter.dtype in (torch.bfloat16, torch.float16):
            sample = parameter.detach().flatten()[:10_000].float().abs()
            spacing = torch.exp2(torch.floor(torch.log2(sample))) * torch.finfo(parameter.dtype).eps
            unchanged += parameter.numel() * float((spacing / 2 > learning_rate).float().mean())
    return unchanged / total if total else 0.0


def check_padding(model: PreTrainedModel, pad_id: int) -> None:
    """Raise an error for a model whose rewards depend on padding: it does not read them at the end of the text.

    Raises:
        SetupError: the reward of a text alone and in a padded batch differ by more than rounding.
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
            f"the model's rewards depend on padding: it scores a text {alone[worst]:.4f} alone and"
            f" {together[worst]:.4f} in a padded batch"
        )


def _score_padded(model: PreTrainedModel, texts: list[torch.Tensor], pad_id: int) -> torch.Tensor:
    """Return the rewards of texts in one batch, padded on the right, as plain transformers computes them."""
    ids = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=pad_id)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in texts], batch_first=True)
    with torch.no_grad():
        rewards: torch.Tensor = model.eval()(input_ids=ids, attention_mask=mask).logits[:, 0]
    return rewards.float()


def check_tokenizer_reload(tokenizer: PreTrainedTokenizerFast, model_config: Any, texts: Sequence[str]) -> None:
    """Raise an error for a tokenizer that changes when it is saved next to the model's configuration and loaded again.

    Raises:
        SetupError: the loaded tokenizer gives a text different ids.
    """
    with TemporaryDirectory() as folder:
        try:
            tokenizer.save_pretrained(folder)
            model_config.save_pretrained(folder)
        except Exception as error:  # the library `tokenizers` raises no other class
            reason = getattr(error, "strerror", None) or summarize_error(error)
            raise SetupError(f"{folder} cannot be written: {reason}; set TMPDIR to another folder") from error
        reloaded = AutoTokenizer.from_pretrained(folder)
        if encode_texts(reloaded, texts) != encode_texts(tokenizer, texts):
            raise SetupError(
                "the tokenizer gives different ids after it is saved and loaded again, which is a bug of"
                f" {type(reloaded).__name__}"
            )
