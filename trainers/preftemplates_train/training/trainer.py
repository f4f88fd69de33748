"""RewardTrainer: `transformers.Trainer` with the losses of reward models."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import EvalPrediction, Trainer, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_pt_utils import LengthGroupedSampler

from preftemplates_train.data.branches import PackedRow
from preftemplates_train.data.collators import BranchCollator
from preftemplates_train.data.score_scale import ScoreScale
from preftemplates_train.errors import NonFiniteError, ResumeError, SetupError
from preftemplates_train.evaluation.sample_figures import SampleRewards, measure_samples
from preftemplates_train.model.attention import enable_branches
from preftemplates_train.model.losses import centring, compute_objective
from preftemplates_train.model.manifest import find_damage
from preftemplates_train.settings.objectives import OBJECTIVES
from preftemplates_train.settings.validation import check_allowed_values
from preftemplates_train.training.checkpoints import find_staging_folder, prune_checkpoints, publish_checkpoint
from preftemplates_train.training.logged_values import compute_logged_values
from preftemplates_train.training.write_errors import explain_write_errors

if TYPE_CHECKING:
    from preftemplates_train.model.checkpoint import CheckpointRecord
    from preftemplates_train.settings.objectives import Objective


class RewardTrainer(Trainer):
    """Trains a sequence classifier with one output; on pairs, the chosen text should get the higher reward.

    The loss of a batch is the mean over its groups, and the loss of a group is the mean over its samples (for pairs:
    Ouyang et al., 2022, equation 1), or that of its ranking; `objective`, `label_smoothing_factor` and
    `center_rewards_coefficient` change it. In addition to the loss, training logs the accuracy and the mean margin of
    the pairs since the last entry, by TRL's names, or the accuracy of the rewards' signs for single answers. The
    metrics of an evaluation are computed from all gathered scores, not as means over batches. A loss, gradient or
    score that is not finite stops the run.

    Args:
        args: as for `transformers.Trainer`; the training data is a `GroupDataset`, the evaluation data a
            `SampleDataset`. The collator decides the layout of batches: a `BranchCollator`, for models for which
            `explain_no_branches` returns None, or a `PaddedCollator`.
        grouped: whether batches consist of samples of similar length, for padded batches.
        record: the record of the run, which is written to each checkpoint.
        options: as args.

    Raises:
        SetupError: an argument has a value that is not supported.
    """

    def __init__(
        self, *args: Any, grouped: bool = False, record: CheckpointRecord | None = None, **options: Any
    ) -> None:
        options.setdefault("compute_metrics", self._compute_figures)
        super().__init__(*args, **options)
        for contradiction in check_allowed_values(vars(self.args)):
            raise SetupError(contradiction)
        self.grouped = grouped
        self.record = record
        self.objective: Objective = OBJECTIVES[getattr(self.args, "objective", "preference")]
        self._staging: Path | None = None  # the folder of a checkpoint while it is written
        self._reader = enable_branches(self.model) if isinstance(self.data_collator, BranchCollator) else None
        self.model_accepts_loss_kwargs = False  # the loss is a mean, also under gradient accumulation
        self._log_sums: list[Tensor] = []  # since the last log entry: the sum of each value, and the number of samples
        self._log_names: tuple[str, ...] = ()
        self._batch_groups: list[int] = []  # the groups of the current step

    def rewards(self, model: nn.Module, inputs: dict[str, Any]) -> Tensor:
        """Return the rewards of a batch's texts, shape (S,), each read at the text's last token."""
        if "branches" in inputs:
            row = PackedRow(*(inputs[name] for name in ("input_ids", "position_ids", "ends", "branches")))
            return self._reader.compute_rewards(model, row)  # type: ignore[union-attr]
        logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        rewards: Tensor = logits[:, 0].float()
        return rewards

    def scores(self, model: nn.Module, inputs: dict[str, Any]) -> Tensor:
        """Return the rewards of the samples' texts, shape (N, K), with the chosen text of a pair first."""
        return self.rewards(model, inputs)[inputs["samples"]]

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Return the sampler that orders the groups."""
        groups: Any = self.train_dataset if train_dataset is None else train_dataset
        if not self.grouped or groups is None:
            return super()._get_train_sampler(train_dataset)
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        groups_per_step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return LengthGroupedSampler(
            groups_per_step, lengths=list(groups.lengths), generator=torch.Generator().manual_seed(seed)
        )

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002  the loss is a mean over the groups
    ) -> Any:
        """Return the loss of a batch for the objective, label smoothing and centring of the settings.

        Raises:
            NonFiniteError: the loss is not finite.
        """
        rewards = self.rewards(model, inputs)
        scores = rewards[inputs["samples"]]
        loss = compute_objective(self.objective.name, rewards, inputs, self.args.label_smoothing_factor)
        coefficient = getattr(self.args, "center_rewards_coefficient", None)
        if coefficient:
            loss = loss + coefficient * centring(*scores.unbind(1))
        if model.training:
            self._batch_groups += inputs["index"].tolist()
            values = compute_logged_values(self.objective.figures, scores.detach(), inputs)
            self._log_names = tuple(values)
            sums = [*(value.sum() for value in values.values()), torch.ones_like(scores[:, 0]).sum()]
            self._log_sums.append(torch.stack(sums))
        if not torch.isfinite(loss):
            raise self._make_error(f"the loss is {loss.item()}")
        return (loss, scores) if return_outputs else loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """Return the norm of a step's gradients.

        Raises:
            NonFiniteError: the norm is not finite. With fp16 the step is skipped instead, as its gradient scaler
                expects such norms.
        """
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None and not np.isfinite(float(norm)) and self.accelerator.scaler is None:
            raise self._make_error(f"the norm of the gradients is {float(norm)}")
        self._batch_groups = []  # Trainer computes the norm once per step, after all batches that it accumulates
        return norm

    def _make_error(self, fault: str) -> NonFiniteError:
        dataset: Any = self.train_dataset
        samples = [dataset.groups[index][0].sample for index in self._batch_groups]
        rows = ", ".join(f"{sample.source}:{sample.row}" for sample in samples[:8])
        rows += ", …" if len(samples) > 8 else ""
        return NonFiniteError(f"{fault} at step {self.state.global_step + 1}, whose rows are {rows}")

    def load_finished_run(self, checkpoint: Path) -> None:
        """Load the checkpoint of a finished run, which has nothing left to train."""
        self.state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        self._load_from_checkpoint(str(checkpoint))
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint is not None:
            self._load_best_model()

    def _get_output_dir(self, trial: Any) -> str:
        """Return the folder of the checkpoints, or the staging folder while a checkpoint is written."""
        return super()._get_output_dir(trial) if self._staging is None else str(self._staging)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint under a temporary name, and publish it when it is completely on the disk.

        Raises:
            TrainingError: the checkpoint cannot be written to the disk; earlier checkpoints stay intact.
        """
        folder = Path(self._get_output_dir(trial))
        checkpoint = folder / f"checkpoint-{self.state.global_step}"
        self._staging = find_staging_folder(checkpoint)
        try:
            with explain_write_errors(checkpoint, self.args, RuntimeError):  # which torch.save raises on a full disk
                self._write_checkpoint(checkpoint, model, trial)
        finally:
            if self.args.should_save:  # on a full disk, a partial checkpoint would take up space
                shutil.rmtree(self._staging, ignore_errors=True)
            self._staging = None
        self.accelerator.wait_for_everyone()

    def _write_checkpoint(self, checkpoint: Path, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint to the staging folder, and publish it."""
        assert self._staging is not None
        if self.args.should_save:
            shutil.rmtree(self._staging, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        # Trainer removes old checkpoints by itself, but finds none in the staging folder
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        best = self.state.best_global_step
        best_folder = checkpoint.with_name(f"checkpoint-{best}") if best else None
        if best_folder is not None and (best_folder == checkpoint or best_folder.exists()):
            self.state.best_model_checkpoint = str(best_folder)
        elif self.state.best_model_checkpoint is not None:  # the best evaluation was not saved
            best_folder = checkpoint.with_name(Path(self.state.best_model_checkpoint).name)
        if self.args.should_save:
            self._publish(checkpoint, best_folder)

    def _publish(self, checkpoint: Path, best: Path | None) -> None:
        """Move a checkpoint to its place, and remove old ones other than the best."""
        assert self._staging is not None
        written = self._staging / checkpoint.name
        # again, as Trainer saved it before the best checkpoint was known by its final name
        self.state.save_to_json(str(written / TRAINER_STATE_NAME))
        if self.record is not None:
            self.record.write(written)
        publish_checkpoint(checkpoint)
        prune_checkpoints(checkpoint.parent, self.args.save_total_limit, checkpoint, best)

    def _load_best_model(self) -> None:
        """Load the best of the saved checkpoints by its name in the output folder, which may have been moved.

        Raises:
            ResumeError: the checkpoint is missing or damaged.
        """
        best = Path(self._get_output_dir(None)) / Path(str(self.state.best_model_checkpoint)).name
        if (damage := find_damage(best)) is not None:
            raise ResumeError(f"the best checkpoint, {best}, cannot be loaded: {damage}")
        self.state.best_model_checkpoint = str(best)
        super()._load_best_model()

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, adding the means of `compute_logged_values` to the training loss."""
        if "loss" in logs and self._log_sums:
            *sums, count = self.accelerator.reduce(torch.stack(self._log_sums).sum(0), reduction="sum").tolist()
            logs = {**logs, **{name: value / count for name, value in zip(self._log_names, sums, strict=True)}}
            self._log_sums = []
        super().log(logs, start_time)

    def prediction_step(
        self,
        model: nn.Module,
        inputs: Any,
        prediction_loss_only: bool,  # noqa: ARG002  scores are always returned
        ignore_keys: list[str] | None = None,  # noqa: ARG002  the outputs have no keys
    ) -> tuple[Tensor | None, Tensor | None, Any]:
        """Return the scores of a batch, shape (N, K), and the indices of its samples with the metrics' labels."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            scores = self.scores(model, inputs)
        labels = tuple(inputs[name] for name in self.objective.required_labels)
        return None, scores, (inputs["index"], *labels) if labels else inputs["index"]

    def _compute_figures(self, prediction: EvalPrediction) -> dict[str, float]:
        """Return the metrics of all gathered scores.

        Raises:
            NonFiniteError: a score is not finite.
        """
        label_ids: Any = prediction.label_ids
        names = self.objective.required_labels
        index, *labels = label_ids if names else (label_ids,)
        rewards = np.asarray(prediction.predictions, dtype=np.float64)
        not_finite = np.asarray(index)[~np.isfinite(rewards).all(axis=1)]
        if len(not_finite):
            unit = self.objective.unit
            raise NonFiniteError(f"the scores of the held-out {unit}s {not_finite[:8].tolist()} are not finite")
        scale = ScoreScale.from_record(None if self.record is None else self.record.score_scale)
        values = {name: np.asarray(value, dtype=np.float64) for name, value in zip(names, labels, strict=True)}
        return measure_samples(self.objective, SampleRewards(rewards, values, scale))
