"""RewardTrainer: `transformers.Trainer` with the Bradley-Terry loss on pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import EvalPrediction, Trainer

from preftemplates_train.errors import NonFiniteError
from preftemplates_train.lengths import TokenPair
from preftemplates_train.losses import bradley_terry
from preftemplates_train.metrics import summary


class PairCollator:
    """Makes a batch of B pairs: rows 0 to B-1 are the chosen texts, rows B to 2B-1 the rejected ones, padded right.

    Args:
        pad_id: the id that pads; it stands in no text.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, features: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Ids and mask of shape (2B, T), and the pairs' indices of shape (B,)."""
        sequences = [feature["chosen_ids"] for feature in features] + [feature["rejected_ids"] for feature in features]
        ids = torch.full((len(sequences), max(map(len, sequences))), self.pad_id)
        mask = torch.zeros_like(ids)
        for number, sequence in enumerate(sequences):
            ids[number, : len(sequence)] = torch.tensor(sequence)
            mask[number, : len(sequence)] = 1
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "index": torch.tensor([feature["index"] for feature in features]),
        }


class PairDataset(Dataset[dict[str, Any]]):
    """Pairs as the collator takes them; `index` is the pair's place."""

    def __init__(self, pairs: Sequence[TokenPair]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One pair."""
        pair = self.pairs[index]
        return {"index": index, "chosen_ids": pair.chosen_ids, "rejected_ids": pair.rejected_ids}


class RewardTrainer(Trainer):
    """Trains a sequence classifier with one output on pairs, so that the chosen text gets the higher reward.

    The loss of a batch is the mean over its pairs; the evaluation's figures come from all gathered scores, and not
    from means of batches. A loss or score that is not finite stops the run.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("compute_metrics", pair_metrics)
        super().__init__(*args, **options)
        self.model_accepts_loss_kwargs = False  # the loss is a mean, also under gradient accumulation

    def scores(self, model: nn.Module, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The rewards of the chosen and the rejected texts, each of shape (B,)."""
        rewards = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits[:, 0].float()
        chosen, rejected = rewards.chunk(2)
        return chosen, rejected

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The Bradley-Terry loss of a batch.

        Raises:
            NonFiniteError: it is not finite.
        """
        chosen, rejected = self.scores(model, inputs)
        loss = bradley_terry(chosen, rejected)
        if not torch.isfinite(loss):
            rows = inputs["index"].tolist()
            raise NonFiniteError(f"the loss is {loss.item()} at step {self.state.global_step}, pairs {rows}")
        return (loss, torch.stack([chosen, rejected], dim=1)) if return_outputs else loss

    def prediction_step(
        self, model: nn.Module, inputs: Any, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The scores of a batch, shape (B, 2), and its pairs' indices."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            chosen, rejected = self.scores(model, inputs)
        return None, torch.stack([chosen, rejected], dim=1), inputs["index"]


def pair_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """The metrics of all gathered scores.

    Raises:
        NonFiniteError: a score is not finite.
    """
    scores = np.asarray(prediction.predictions, dtype=np.float64)
    bad = np.asarray(prediction.label_ids)[~np.isfinite(scores).all(axis=1)]
    if len(bad):
        raise NonFiniteError(f"the scores of pairs {bad[:8].tolist()} are not finite")
    return summary(scores[:, 0], scores[:, 1])
