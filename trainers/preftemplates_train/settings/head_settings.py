"""The settings that `--train head` reads; all others are of training in steps, and have no effect on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEAD_SETTINGS = frozenset(
    (
        "dataset_name", "dataset_config", "dataset_data_dir", "dataset_train_split", "dataset_test_split", "datasets",
        "template", "style", "eval_data", "eval_size", "max_length", "length_policy", "max_dropped", "allow_findings",
        "model_name_or_path", "model_revision", "train", "head_layers", "feature_cache", "baselines", "dtype",
        "attn_implementation", "layout", "objective", "label_smoothing_factor", "pad_token", "config", "output_dir",
        "dry_run", "json", "seed", "per_device_eval_batch_size", "bf16", "fp16", "tf32", "use_cpu",
        "full_determinism", "log_level", "disable_tqdm", "do_train", "do_eval",
    )
)  # fmt: skip
"""The settings that have an effect on a head, or that ask for what every run does."""


def find_head_faults(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each fault of the settings of a head: a missing model, and settings that it does not read.

    Args:
        settings: the settings; those with their defaults may be missing.
        defaults: the defaults of all settings.
    """
    if settings.get("train") != "head":
        return
    if not settings.get("model_name_or_path"):
        yield "--train head needs a pretrained model; name one with --model_name_or_path"
        return
    for name, value in settings.items():
        if name in defaults and name not in HEAD_SETTINGS and not _is_default(value, defaults[name]):
            yield f"{name} has no effect with --train head, which fits a head in one step; leave it out"


def _is_default(value: Any, default: Any) -> bool:
    """Return whether a value is a setting's default; a list or mapping without a value is also none."""
    if value is False or value == "false":  # such as of `--resume_from_checkpoint`, which also takes a path
        return default is not True
    return value in (None, "", [], {}) or value == default
