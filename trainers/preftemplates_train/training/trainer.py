"""RewardTrainer: `transformers.Trainer` with the Bradley-Terry loss on pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import EvalPrediction, Trainer
from transformers.trainer_pt_utils import LengthGroupedSampler

from preftemplates_train.data.branches import Laid
from preftemplates_train.data.collators import BranchCollator
from preftemplates_train.errors import NonFiniteError, SetupError
from preftemplates_train.evaluation.metrics import summary
from preftemplates_train.model.attention import take_branches
from preftemplates_train.training.losses import bradley_terry, centring, plackett_luce

USABLE: Mapping[str, tuple[Sequence[Any], str]] = {
    "dataloader_drop_last": ([False], "pairs would be left out of evaluations too, and not be counted"),
    "eval_do_concat_batches": ([True], "the figures come from all scores, and not from batches of them"),
    "train_sampling_strategy": (["random", "sequential"], "a pair has two lengths"),
}
"""Arguments of `transformers.Trainer` of which not every value can be used, those that can, and why."""


class RewardTrainer(Trainer):
    """Trains a sequence classifier with one output on pairs, so that the chosen text gets the higher reward.

    The loss of a batch is the mean over its groups, and a group's the mean over its pairs (Ouyang et al., 2022,
    equation 1), or that of its ranking; `objective`, `label_smoothing_factor` and `center_rewards_coefficient` vary
    it. While it trains it logs, beside the loss, the accuracy and the mean margin of the pairs seen since the last
    time, under TRL's names. An evaluation's figures come from all gathered scores, and not from means of batches. A
    loss, gradient or score that is not finite stops the run.

    Args:
        args: as of `transformers.Trainer`; what is trained on is a `GroupDataset`, what is evaluated a `PairDataset`.
            The collator says how batches are laid out: a `BranchCollator`, for models that `why_no_branches` allows,
            or a `PairCollator`.
        grouped: whether batches are of pairs of about one length; for padded ones.
        options: as args.

    Raises:
        SetupError: an argument has a value that cannot be used.
    """

    def __init__(self, *args: Any, grouped: bool = False, **options: Any) -> None:
        options.setdefault("compute_metrics", pair_metrics)
        super().__init__(*args, **options)
        for name, (values, why) in USABLE.items():
            if getattr(self.args, name) not in values:
                raise SetupError(f"{name} must be {' or '.join(str(value).lower() for value in values)}: {why}")
        self.grouped = grouped
        self._reader = take_branches(self.model) if isinstance(self.data_collator, BranchCollator) else None
        self.model_accepts_loss_kwargs = False  # the loss is a mean, also under gradient accumulation
        self._seen: list[Tensor] = []  # since the last logging: accuracy, margin and pairs, summed
        self._batch: list[int] = []  # the groups of the step that is being made

    def rewards(self, model: nn.Module, inputs: dict[str, Any]) -> Tensor:
        """The rewards of a batch's texts, shape (S,), each read at the text's last token."""
        if "branches" in inputs:
            laid = Laid(*(inputs[name] for name in ("input_ids", "position_ids", "ends", "branches")))
            return self._reader.rewards(model, laid)  # type: ignore[union-attr]
        logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        rewards: Tensor = logits[:, 0].float()
        return rewards

    def scores(self, model: nn.Module, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """The rewards of the pairs' chosen and rejected texts, each of shape (P,)."""
        rewards = self.rewards(model, inputs)
        return rewards[inputs["chosen"]], rewards[inputs["rejected"]]

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """The order of the groups."""
        groups: Any = self.train_dataset if train_dataset is None else train_dataset
        if not self.grouped or groups is None:
            return super()._get_train_sampler(train_dataset)
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        at_once = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return LengthGroupedSampler(
            at_once, lengths=list(groups.lengths), generator=torch.Generator().manual_seed(seed)
        )

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch: Bradley and Terry's, as the settings vary it.

        Raises:
            NonFiniteError: it is not finite.
        """
        rewards = self.rewards(model, inputs)
        chosen, rejected = rewards[inputs["chosen"]], rewards[inputs["rejected"]]
        loss = self._loss(rewards, chosen, rejected, inputs)
        centre = getattr(self.args, "center_rewards_coefficient", None)
        if centre:
            loss = loss + centre * centring(chosen, rejected)
        if model.training:
            self._batch += inputs["index"].tolist()
            self._seen.append(_sums(chosen.detach() - rejected.detach()))
        if not torch.isfinite(loss):
            raise self._not_finite(f"the loss is {loss.item()}")
        return (loss, torch.stack([chosen, rejected], dim=1)) if return_outputs else loss

    def _loss(self, rewards: Tensor, chosen: Tensor, rejected: Tensor, inputs: Mapping[str, Any]) -> Tensor:
        """The loss of the objective."""
        objective = getattr(self.args, "objective", "preference")
        if objective == "plackett_luce":
            sizes = list(inputs["sizes"])
            return plackett_luce(
                pad_sequence(list(rewards.split(sizes)), batch_first=True),
                pad_sequence(list(inputs["ranks"].split(sizes)), batch_first=True, padding_value=-1),
            )
        labels = {objective: inputs[objective]} if objective in inputs else {}
        smoothing = self.args.label_smoothing_factor
        return bradley_terry(chosen, rejected, **labels, strength=inputs.get("share"), label_smoothing=smoothing)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """The norm of a step's gradients.

        Raises:
            NonFiniteError: it is not finite; under fp16, whose scaler expects that, the step is left out instead.
        """
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None and not np.isfinite(float(norm)) and self.accelerator.scaler is None:
            raise self._not_finite(f"the norm of the gradients is {float(norm)}")
        self._batch = []
        return norm

    def _not_finite(self, what: str) -> NonFiniteError:
        dataset: Any = self.train_dataset
        pairs = [dataset.groups[index][0].pair for index in self._batch]
        rows = ", ".join(f"{pair.source}:{pair.row}" for pair in pairs[:8]) + (", …" if len(pairs) > 8 else "")
        return NonFiniteError(f"{what} at step {self.state.global_step + 1}; its rows: {rows}")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with accuracy and margin beside the training loss."""
        if "loss" in logs and self._seen:
            wins, margin, pairs = self.accelerator.reduce(torch.stack(self._seen).sum(0), reduction="sum").tolist()
            logs = {**logs, "accuracy": wins / pairs, "margin": margin / pairs}
            self._seen = []
        super().log(logs, start_time)

    def prediction_step(
        self, model: nn.Module, inputs: Any, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The scores of a batch, shape (B, 2), and its pairs' indices."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            chosen, rejected = self.scores(model, inputs)
        return None, torch.stack([chosen, rejected], dim=1), inputs["index"]


def _sums(margins: Tensor) -> Tensor:
    """Wins (a tie is one half), the sum of the margins, and how many there are."""
    wins = (margins > 0).sum() + 0.5 * (margins == 0).sum()
    return torch.stack([wins, margins.sum(), torch.ones_like(margins).sum()])


def pair_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """The metrics of all gathered scores.

    Raises:
        NonFiniteError: a score is not finite.
    """
    scores = np.asarray(prediction.predictions, dtype=np.float64)
    bad = np.asarray(prediction.label_ids)[~np.isfinite(scores).all(axis=1)]
    if len(bad):
        raise NonFiniteError(f"the scores of the held-out pairs {bad[:8].tolist()} are not finite")
    return summary(scores[:, 0], scores[:, 1])
