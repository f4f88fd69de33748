"""Resume a run: find the checkpoint to continue, and check that it belongs to the same run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from preftemplates_train.errors import ResumeError
from preftemplates_train.model.checkpoint import CheckpointRecord
from preftemplates_train.model.manifest import find_damage
from preftemplates_train.settings.head_settings import HEAD_SETTINGS
from preftemplates_train.training.callbacks import count_without_improvement
from preftemplates_train.training.checkpoints import list_own_checkpoints

if TYPE_CHECKING:
    from preftemplates_train.settings.config import RewardConfig

NOT_COMPARED = (
    "output_dir", "overwrite_output_dir", "resume_from_checkpoint", "config", "dry_run", "json", "run_name",
    "report_to", "disable_tqdm", "save_", "eval_", "logging_", "log_", "hub_", "push_to_hub", "project", "trackio",
    "do_", "per_device_eval_batch_size", "dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch",
    "dataloader_persistent", "model_name_or_path", "dataset", "batch_eval_metrics", "include_", "load_best",
    "metric_for_best", "greater_is_better", "skip_memory_metrics", "ddp_", "debug", "local_rank", "use_cpu",
    "template", "style", "max_length", "max_dropped", "allow_findings", "length_policy", "pad_token", "model_revision",
    "early_stopping",
)  # fmt: skip
"""Prefixes of the names of settings on which no weight depends, or which the digests cover."""

COMPARED_FIELDS = ("templates", "style", "special_tokens", "max_length", "length_policy", "tokenizer", "data")
"""The fields of a record that must be the same, in addition to its settings."""


def select_compared_settings(config: RewardConfig) -> dict[str, Any]:
    """Return the settings that the weights depend on; those of training steps have no effect on a fitted head."""
    return {
        name: value
        for name, value in config.to_dict().items()
        if not name.startswith(NOT_COMPARED) and (getattr(config, "train", "full") != "head" or name in HEAD_SETTINGS)
    }


@dataclass(frozen=True)
class ResumePoint:
    """A checkpoint to continue from.

    Attributes:
        folder: the folder of the checkpoint, whose files are intact.
        record: its record.
        passed_over: a line for each newer checkpoint that is damaged.
        patience: the number of evaluations without improvement after which the run stops early; None if it does not.
    """

    folder: Path
    record: CheckpointRecord
    passed_over: tuple[str, ...] = ()
    patience: int | None = None

    @property
    def step(self) -> int:
        """The step after which the checkpoint was written."""
        return int(self._state.global_step)

    @property
    def is_finished(self) -> bool:
        """Whether the run had finished all of its steps, or had stopped early."""
        state = self._state
        is_stopped = self.patience is not None and count_without_improvement(state) >= self.patience
        return is_stopped or int(state.global_step) >= int(state.max_steps) > 0

    @property
    def _state(self) -> TrainerState:
        state: TrainerState = TrainerState.load_from_json(str(self.folder / TRAINER_STATE_NAME))
        return state


def continues_in_folder(config: RewardConfig) -> bool:
    """Return whether the settings continue a run in its own output folder, not from a checkpoint in another one."""
    requested = config.resume_from_checkpoint
    if requested is None:
        return False
    is_newest = str(requested).lower() in ("true", "last")
    return is_newest or Path(str(requested)).resolve().parent == Path(str(config.output_dir)).resolve()


def find_resume_point(config: RewardConfig) -> ResumePoint | None:
    """Return the checkpoint to continue, verified; `true` and `last` stand for the newest one that is intact.

    Args:
        config: the settings.

    Returns:
        None if the settings name no checkpoint.

    Raises:
        ResumeError: there is no checkpoint, it is damaged, or it lacks a file that is needed to continue exactly.
    """
    requested = config.resume_from_checkpoint
    if requested is None:
        return None
    if str(requested).lower() not in ("true", "last"):
        folder = Path(str(requested))
        if not folder.is_dir():
            raise ResumeError(f"there is no checkpoint {folder} to continue from")
        if (damage := find_damage(folder)) is not None:
            raise ResumeError(f"{folder} is damaged: {damage}; name another checkpoint")
        return _open_checkpoint(folder, config, ())
    output = Path(str(config.output_dir))
    passed_over: list[str] = []
    for folder in list_own_checkpoints(output):
        if (damage := find_damage(folder)) is None:
            return _open_checkpoint(folder, config, tuple(passed_over))
        passed_over.append(f"skipped {folder}, which is damaged: {damage}")
    if passed_over:
        raise ResumeError(f"no checkpoint in {output} is intact: {passed_over[0].removeprefix('skipped ')}")
    raise ResumeError(f"there is no checkpoint in {output} to continue from")


def _open_checkpoint(folder: Path, config: RewardConfig, passed_over: tuple[str, ...]) -> ResumePoint:
    """Return the resume point of an intact checkpoint.

    Raises:
        ResumeError: it lacks the state of the optimizer, the schedule or the random number generators.
    """
    names = [TRAINER_STATE_NAME]
    if not (config.deepspeed or config.fsdp):  # these write folders of their own
        names += ["optimizer.pt", "scheduler.pt"]
    processes = range(config.world_size)
    random_states = (
        ["rng_state.pth"] if config.world_size == 1 else [f"rng_state_{number}.pth" for number in processes]
    )
    found = {path.name for path in folder.glob("rng_state*.pth")}
    if found and found != set(random_states):
        raise ResumeError(f"{folder} was written by {len(found)} processes, but this run has {config.world_size}")
    names += random_states
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ResumeError(
            f"{folder} has no {', '.join(missing)}, because it was saved with --save_only_model; a run cannot continue"
            " from it"
        )
    return ResumePoint(folder, CheckpointRecord.read(folder), passed_over, config.early_stopping_patience)


def check_same_run(record: CheckpointRecord, other: CheckpointRecord, folder: Path) -> None:
    """Raise an error if a checkpoint was written by a different run.

    Args:
        record: the record of this run.
        other: the record of the checkpoint.
        folder: the checkpoint's folder.

    Raises:
        ResumeError: the message names the setting or field that differs.
    """
    for name in sorted({*record.settings, *other.settings}):
        if record.settings.get(name) != other.settings.get(name):
            raise ResumeError(
                f"{folder} was written with {name} {other.settings.get(name)!r}, but this run has"
                f" {record.settings.get(name)!r}"
            )
    values, other_values = _compare_by_content(record), _compare_by_content(other)
    for name in COMPARED_FIELDS:
        if values[name] != other_values[name]:
            is_digest = isinstance(values[name], str)
            difference = "" if is_digest else f": {other_values[name]}, but this run has {values[name]}"
            raise ResumeError(f"{folder} was written with different {name.replace('_', ' ')}{difference}")
    if None not in (record.base_weights, other.base_weights) and record.base_weights != other.base_weights:
        raise ResumeError(f"{folder} was written with other weights of the base model; restore the base model")


def _compare_by_content(record: CheckpointRecord) -> dict[str, Any]:
    """Return the fields of a record, with the templates in order but without paths, which may change between runs."""
    return {**asdict(record), "templates": list(record.templates.values())}
