"""The ranges of single settings, in words and as tests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

UNTRAINABLE_FINDINGS = ("drops_answer", "same_text", "unstable")
"""Findings of a style that stop a run, unless `--allow_findings` allows them."""


class Range(NamedTuple):
    """The valid values of a setting.

    Attributes:
        words: the range in words, for a message.
        contains: whether a value is in it.
    """

    words: str
    contains: Callable[[Any], bool]


def _optional(values: Range) -> Range:
    """Return the range extended by None, the setting's default."""
    return Range(values.words, lambda value: value is None or values.contains(value))


LIMIT = 2**31
"""Counts must be below this: larger ones overflow in torch."""

MOST_WORKERS = 256

COUNT = Range("at least 1 and less than 2**31", lambda value: 1 <= value < LIMIT)
SEED = Range("at least 0 and less than 2**32", lambda value: 0 <= value < 2**32)
FINITE = Range("at least 0 and finite", lambda value: 0 <= value < math.inf)
SHARE = Range("at least 0 and less than 1", lambda value: 0 <= value < 1)
INTERVAL = Range(
    "a whole number of steps, or a share of the run above 0 and below 1",
    lambda value: 0 < value < 1 or (1 <= value < math.inf and value == int(value)),
)

RANGES: Mapping[str, Range] = {
    "eval_size": SHARE,
    "max_dropped": Range("at least 0 and at most 1", lambda value: 0 <= value <= 1),
    "allow_findings": Range(
        f"among {', '.join(UNTRAINABLE_FINDINGS)}", lambda codes: {*(codes or ())} <= {*UNTRAINABLE_FINDINGS}
    ),
    "max_length": _optional(Range("at least 2 and less than 2**31", lambda value: 2 <= value < LIMIT)),
    "center_rewards_coefficient": _optional(FINITE),
    "label_smoothing_factor": Range("at least 0 and less than 0.5", lambda value: 0 <= value < 0.5),
    "lora_r": COUNT,
    "lora_alpha": COUNT,
    "lora_dropout": SHARE,
    "early_stopping_patience": _optional(COUNT),
    "early_stopping_threshold": FINITE,
    "learning_rate": FINITE,
    "weight_decay": FINITE,
    "adam_beta1": SHARE,
    "adam_beta2": SHARE,
    "adam_epsilon": Range("above 0 and finite", lambda value: 0 < value < math.inf),
    "max_grad_norm": Range("at least 0", lambda value: value >= 0),
    "neftune_noise_alpha": _optional(FINITE),
    "num_train_epochs": FINITE,
    "max_steps": Range("at least 1, or -1 for num_train_epochs", lambda value: value == -1 or 1 <= value < LIMIT),
    "warmup_steps": Range(
        "a whole number of steps, or a share of the run below 1",
        lambda value: 0 <= value < 1 or (1 <= value < math.inf and value == int(value)),
    ),
    "warmup_ratio": _optional(SHARE),  # of older versions of transformers
    "logging_steps": INTERVAL,
    "eval_steps": _optional(INTERVAL),
    "save_steps": INTERVAL,
    "save_total_limit": _optional(Range("at least 0", lambda value: value >= 0)),
    "eval_delay": FINITE,
    "eval_accumulation_steps": _optional(COUNT),
    "torch_empty_cache_steps": _optional(COUNT),
    "per_device_train_batch_size": COUNT,
    "per_device_eval_batch_size": COUNT,
    "gradient_accumulation_steps": COUNT,
    "seed": SEED,
    "data_seed": _optional(SEED),
    "dataloader_num_workers": Range(
        f"at least 0 and at most {MOST_WORKERS}", lambda value: 0 <= value <= MOST_WORKERS
    ),
    "dataloader_prefetch_factor": _optional(COUNT),
    "ddp_bucket_cap_mb": _optional(COUNT),
    "ddp_timeout": COUNT,
}
"""The ranges of the settings that have one, by name."""
