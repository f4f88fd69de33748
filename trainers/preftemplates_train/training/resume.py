"""Resuming: which checkpoint a run continues, and what must be the same for it to be continued."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers.trainer_utils import get_last_checkpoint

from preftemplates_train.errors import ResumeError
from preftemplates_train.model.checkpoint import CheckpointRecord

if TYPE_CHECKING:
    from preftemplates_train.settings.config import RewardConfig

NOT_COMPARED = (
    "output_dir", "overwrite_output_dir", "resume_from_checkpoint", "config", "dry_run", "run_name", "report_to",
    "disable_tqdm", "save_", "eval_", "logging_", "log_", "hub_", "push_to_hub", "project", "trackio", "do_",
    "per_device_eval_batch_size", "dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch",
    "dataloader_persistent", "model_name_or_path", "dataset", "batch_eval_metrics", "include_", "load_best",
    "metric_for_best", "greater_is_better", "skip_memory_metrics", "ddp_", "debug", "local_rank", "use_cpu",
    "template", "style", "max_length", "max_dropped", "allow_findings", "length_policy", "pad_token", "model_revision",
)  # fmt: skip
"""Settings, by the beginnings of their names, that no weight depends on, or that the digests cover."""

COMPARED_FIELDS = ("templates", "style", "special_tokens", "max_length", "length_policy", "tokenizer", "data")
"""The fields of a record that must be the same, besides its settings."""


def select_compared_settings(config: RewardConfig) -> dict[str, Any]:
    """Return the settings that the weights depend on."""
    return {name: value for name, value in config.to_dict().items() if not name.startswith(NOT_COMPARED)}


def find_recorded_date(config: RewardConfig) -> str | None:
    """Return the day that the style of the checkpoint to continue prints; None if there is none.

    Raises:
        ResumeError: there is no such checkpoint.
    """
    folder = _find_folder(config)
    return None if folder is None else CheckpointRecord.read(folder).date


def find_checkpoint(config: RewardConfig, record: CheckpointRecord) -> str | None:
    """Return the checkpoint to continue, which was made as this run is; `true` and `last` name the newest one.

    Args:
        config: the settings; no checkpoint is continued if they name none.
        record: what this run is made from.

    Raises:
        ResumeError: there is none, or it was made otherwise.
    """
    checkpoint = _find_folder(config)
    if checkpoint is None:
        return None
    check_same_run(record, CheckpointRecord.read(checkpoint), checkpoint)
    return str(checkpoint)


def _find_folder(config: RewardConfig) -> Path | None:
    """Return the folder of the checkpoint to continue; None if the settings name none."""
    requested = config.resume_from_checkpoint
    if requested is None:
        return None
    folder = Path(str(config.output_dir))
    last = get_last_checkpoint(folder) if folder.is_dir() else None
    name = last if str(requested).lower() in ("true", "last") else str(requested)
    if name is None or not Path(name).is_dir():
        raise ResumeError(f"there is no checkpoint {name or f'in {folder}'} to go on from")
    return Path(name)


def check_same_run(record: CheckpointRecord, other: CheckpointRecord, folder: Path) -> None:
    """Refuse to continue a checkpoint that was made otherwise.

    Args:
        record: what this run is made from.
        other: what the checkpoint was made from.
        folder: the checkpoint's folder.

    Raises:
        ResumeError: the message names what differs.
    """
    for name in sorted({*record.settings, *other.settings}):
        if record.settings.get(name) != other.settings.get(name):
            raise ResumeError(
                f"{folder} was made with {name} {other.settings.get(name)!r}, and here it is"
                f" {record.settings.get(name)!r}"
            )
    values, other_values = asdict(record), asdict(other)
    for name in COMPARED_FIELDS:
        if values[name] != other_values[name]:
            is_digest = isinstance(values[name], str)
            difference = "" if is_digest else f": {other_values[name]} there, {values[name]} here"
            raise ResumeError(f"{folder} was made with another {name.replace('_', ' ')}{difference}")
