"""The settings of a run, merged from defaults, a preset, a file and flags."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from transformers import TrainingArguments

from preftemplates.errors import did_you_mean, preview
from preftemplates_train.errors import SetupError, first_line
from preftemplates_train.settings.parser import Options, Page

Layout = Literal["auto", "branches", "grouped", "padded"]
"""How batches are laid out."""

Objective = Literal["preference", "margin", "probability", "plackett_luce"]
"""What is learnt of a pair, or of a ranking."""

LengthPolicy = Literal["drop", "cut_prompt"]
"""drop: a pair with an answer that is too long is left out. cut_prompt: its prompt first loses its oldest turns."""

PROGRAM = "preftemplates-train"

TINY: Mapping[str, Any] = {
    "learning_rate": 2e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 30,
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 128,
    "num_train_epochs": 3,
    "eval_strategy": "steps",
    "eval_steps": 0.1,
}
"""What `read_config` takes instead of the defaults when no model is named: fit for a small decoder from scratch."""


def _says(text: str, **shown: str) -> dict[str, str]:
    """The metadata of a field: its line of help, and what stands for its value there."""
    return {"help": text, **shown}


def _as_ever(name: str) -> Mapping[str, Any]:
    """The metadata of a field of `TrainingArguments` that gets another default."""
    return TrainingArguments.__dataclass_fields__[name].metadata


@dataclass(repr=False)
class RewardConfig(TrainingArguments):
    """The settings of a run: those of `transformers.TrainingArguments`, and the fields below, under TRL's names.

    What each field means is its line in `preftemplates-train --help`.

    Raises:
        SetupError: two settings contradict each other, or one is out of its range.
    """

    dataset_name: list[str] | None = field(
        default=None, metadata=_says("files, dataset directories or hub names", metavar="PATH")
    )
    dataset_train_split: str | None = field(default=None, metadata=_says("train on this split of the dataset"))
    dataset_test_split: str | None = field(
        default=None, metadata=_says("held-out rows: this split of the same dataset")
    )
    datasets: list[dict[str, Any]] | None = field(
        default=None,
        metadata=_says(
            "only in the file: sources, each with path, template, weight (default: 1), split", metavar="LIST"
        ),
    )
    template: str | None = field(
        default=None, metadata=_says("how rows are read: a template's name, or mine.py", metavar="NAME")
    )
    style: str | None = field(
        default=None, metadata=_says("how conversations are written; none: the template's own", metavar="NAME")
    )
    eval_data: list[str] | None = field(
        default=None, metadata=_says("held-out rows: these files or datasets", metavar="PATH")
    )
    eval_size: float = field(
        default=0.1, metadata=_says("share of the prompts held out when nothing else is; 0: none")
    )
    max_length: int | None = field(
        default=None, metadata=_says("in tokens; none: 1024, or the model's positions if fewer")
    )
    length_policy: LengthPolicy = field(
        default="drop",
        metadata=_says("a pair that is too long is left out, or its prompt first loses its oldest turns"),
    )
    max_dropped: float = field(
        default=0.05, metadata=_says("stop when a greater share of the pairs is left out as too long")
    )

    allow_findings: list[str] | None = field(
        default=None, metadata=_says("train although the style has these findings", metavar="CODE")
    )

    model_name_or_path: str | None = field(
        default=None,
        metadata=_says("a checkpoint directory or hub name; none: a small decoder from scratch", metavar="PATH"),
    )
    model_revision: str = field(default="main", metadata=_says("the checkpoint's branch, tag or commit on the hub"))
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = field(
        default="float32", metadata=_says("the type that weights are loaded in")
    )
    attn_implementation: str | None = field(
        default=None, metadata=_says("how attention is computed, such as sdpa; none: transformers decides")
    )
    objective: Objective = field(
        default="preference",
        metadata=_says(
            "what is learnt: preference (which answer of a pair is better), margin (and by how much), probability (and"
            " how surely), plackett_luce (the order of all answers in a row)"
        ),
    )
    center_rewards_coefficient: float | None = field(
        default=None, metadata=_says("add so many times the squared sum of a pair's rewards; none: zero lies anywhere")
    )
    layout: Layout = field(
        default="auto",
        metadata=_says(
            "how batches are laid out: branches (what a pair's texts share is computed once, nothing is padded),"
            " grouped (padded, pairs of about one length together), padded; auto: branches, else grouped"
        ),
    )
    pad_token: str | None = field(
        default=None, metadata=_says("a token of the tokenizer that pads; none: its own, or a new one")
    )
    disable_dropout: bool = field(default=True, metadata=_says("train without dropout"))
    use_peft: bool = field(default=False, metadata=_says("train LoRA adapters and the head instead of all weights"))
    lora_r: int = field(default=16, metadata=_says("the rank of the adapters"))
    lora_alpha: int = field(default=32, metadata=_says("the adapters' output is scaled by lora_alpha / lora_r"))
    lora_dropout: float = field(
        default=0.05, metadata=_says("dropout within the adapters, unless dropout is disabled")
    )
    lora_target_modules: list[str] | None = field(
        default=None, metadata=_says("the modules that get adapters; none: peft decides")
    )

    config: str | None = field(
        default=None, metadata=_says("a YAML file of settings by these names; flags win over it", metavar="PATH")
    )
    dry_run: bool = field(default=False, metadata=_says("show what would be trained on what, and stop"))

    resume_from_checkpoint: str | None = field(
        default=None, metadata=_says("go on from this checkpoint; last: from the newest in output_dir", metavar="PATH")
    )
    output_dir: str | None = field(default="reward-model", metadata=_as_ever("output_dir"))
    learning_rate: float = field(default=1e-5, metadata=_as_ever("learning_rate"))
    num_train_epochs: float = field(default=1, metadata=_as_ever("num_train_epochs"))
    per_device_train_batch_size: int = field(default=8, metadata=_as_ever("per_device_train_batch_size"))
    per_device_eval_batch_size: int = field(default=16, metadata=_as_ever("per_device_eval_batch_size"))
    logging_steps: float = field(default=10, metadata=_as_ever("logging_steps"))
    logging_nan_inf_filter: bool = field(default=False, metadata=_as_ever("logging_nan_inf_filter"))
    save_total_limit: int | None = field(default=2, metadata=_as_ever("save_total_limit"))
    report_to: list[str] | str | None = field(default="none", metadata=_as_ever("report_to"))
    remove_unused_columns: bool = field(default=False, metadata=_as_ever("remove_unused_columns"))

    def __post_init__(self) -> None:
        for name in ("dataset_name", "eval_data"):
            if isinstance(getattr(self, name), str):
                setattr(self, name, [getattr(self, name)])
        if self.datasets is not None:
            self.datasets = [_source(number, entry, self.template) for number, entry in enumerate(self.datasets)]
        for contradiction in _contradictions(self):
            raise SetupError(contradiction)
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values; `pad_token` is no secret, which its name makes transformers believe."""
        return {**super().to_dict(), "pad_token": self.pad_token}


UNTRAINABLE = ("drops_answer", "same_text", "depends_on_date", "unstable")
"""Findings of a style with which nothing is trained, unless they are allowed."""

RANGES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "eval_size": ("at least 0 and less than 1", lambda share: 0 <= share < 1),
    "max_dropped": ("at least 0 and at most 1", lambda share: 0 <= share <= 1),
    "allow_findings": (f"among {', '.join(UNTRAINABLE)}", lambda codes: {*(codes or ())} <= {*UNTRAINABLE}),
    "max_length": ("at least 2", lambda tokens: tokens is None or tokens >= 2),
    "center_rewards_coefficient": ("at least 0 and finite", lambda times: times is None or 0 <= times < math.inf),
    "label_smoothing_factor": ("at least 0 and less than 0.5", lambda share: 0 <= share < 0.5),
    "lora_r": ("at least 1", lambda rank: rank >= 1),
    "lora_dropout": ("at least 0 and less than 1", lambda share: 0 <= share < 1),
    "learning_rate": ("at least 0 and finite", lambda rate: 0 <= rate < math.inf),
    "num_train_epochs": ("at least 0 and finite", lambda epochs: 0 <= epochs < math.inf),
    "per_device_train_batch_size": ("at least 1", lambda pairs: pairs >= 1),
    "per_device_eval_batch_size": ("at least 1", lambda pairs: pairs >= 1),
    "gradient_accumulation_steps": ("at least 1", lambda steps: steps >= 1),
    "seed": ("at least 0 and less than 2**32", lambda seed: 0 <= seed < 2**32),
}
"""What a number must be, in words and as a test."""


def _contradictions(config: RewardConfig) -> Iterator[str]:
    """What is wrong with the settings, whatever the machine."""
    for name, (words, holds) in RANGES.items():
        if not holds(getattr(config, name)):
            yield f"{name} must be {words}, got {preview(getattr(config, name))}"
    if config.layout == "branches" and config.attn_implementation:
        yield "attn_implementation is given, and layout branches computes attention in its own way; keep one"
    if config.objective == "plackett_luce" and config.label_smoothing_factor:
        yield "label_smoothing_factor is how many pairs are wrong, and objective plackett_luce learns whole rankings"
    if config.remove_unused_columns:
        yield "remove_unused_columns must be false: the columns that it removes are those that are trained on"
    for name in ("model_name_or_path", "template", "style", "dataset_name", "datasets", "eval_data"):
        if getattr(config, name) in ("", [], [""]):
            yield f"{name} is empty"
    if config.datasets and config.dataset_name:
        yield "datasets and dataset_name both name what to train on; keep one"
    if config.eval_data and config.dataset_test_split:
        yield "eval_data and dataset_test_split both name what is held out; keep one"
    for name in ("eval_data", "dataset_test_split", "dataset_train_split"):
        if getattr(config, name) and not (config.datasets or config.dataset_name):
            yield f"{name} is given without dataset_name, which names what to train on"
    if config.dataset_name and not config.template:
        yield "dataset_name is given without template, which says how rows are read; `preftemplates list` shows them"
    if config.eval_strategy != "no" and _holds_nothing_out(vars(config)):
        yield "eval_strategy asks for evaluations, and nothing is held out: eval_size is 0"


def _holds_nothing_out(settings: Mapping[str, Any]) -> bool:
    """Whether data is named and all of it is trained on; of the generated set a part is always held out."""
    named = settings.get("dataset_name") or settings.get("datasets")
    held_out = settings.get("eval_data") or settings.get("dataset_test_split") or settings.get("eval_size") != 0
    return bool(named) and not held_out


def _source(number: int, entry: object, template: str | None) -> dict[str, Any]:
    """One of `datasets`, with its weight as a number.

    Raises:
        SetupError: the message names the entry, counted from 0, and its key.
    """
    place = f"datasets[{number}]"
    if not isinstance(entry, Mapping):
        raise SetupError(f"{place}: expected a mapping with path, template, weight and split, got {preview(entry)}")
    for key in entry:
        if key not in ("path", "template", "weight", "split"):
            guess = did_you_mean(str(key), ("path", "template", "weight", "split"))
            raise SetupError(f"{place}: there is no key {preview(key)}.{guess}")
    given = {key: value for key, value in entry.items() if value is not None}
    if "path" not in given:
        raise SetupError(f"{place}: path is missing")
    if "template" not in given and not template:
        raise SetupError(f"{place}: template is missing, and there is none for all")
    for key in ("path", "template", "split"):
        if key in given and not (isinstance(given[key], str) and given[key]):
            raise SetupError(f"{place}.{key}: expected text, got {preview(given[key])}")
    return {**given, "weight": _weight(given.get("weight", 1), place)}


def _weight(value: Any, place: str) -> float:
    try:
        weight = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not 0 < weight < math.inf:
        raise SetupError(f"{place}.weight: expected a number above 0, got {preview(value)}")
    return weight


GROUPS = {
    "data": (
        "dataset_name", "dataset_train_split", "dataset_test_split", "datasets", "template", "style", "eval_data",
        "eval_size", "max_length", "length_policy", "max_dropped", "allow_findings",
    ),
    "model": (
        "model_name_or_path", "model_revision", "dtype", "attn_implementation", "layout", "objective",
        "center_rewards_coefficient", "pad_token",
        "disable_dropout", "use_peft", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules",
    ),
    "run": (
        "config", "output_dir", "dry_run", "num_train_epochs", "learning_rate", "per_device_train_batch_size", "seed",
        "resume_from_checkpoint", "help", "help_all",
    ),
}  # fmt: skip
"""What `--help` shows."""

USAGE = "%(prog)s [--config run.yaml] [--option value ...]"
ABOUT = "Train a reward model on preferences. Without a model and data: a small one, on generated rows."
MORE = (
    "Every field of transformers.TrainingArguments is an option too; --help_all shows them. "
    f"{PROGRAM} score --help tells how to score a file."
)


@cache
def _options() -> Options:
    return Options(RewardConfig, PROGRAM, Page(USAGE, ABOUT, GROUPS, TINY, "without a model", MORE))


def read_config(argv: Sequence[str]) -> RewardConfig:
    """The settings that a command line gives; `--help` and `--help_all` print and exit.

    Lowest first: the defaults, `TINY` when no model is named, the file of `--config`, the flags.

    Args:
        argv: the command's words, without its name.

    Raises:
        SetupError: a setting is unknown, has the wrong type or contradicts another.
    """
    parser = _options()
    flags = parser.flags(argv)
    file = {} if flags.get("config") is None else parser.file(flags["config"])
    given = {**file, **flags}
    preset = TINY if given.get("model_name_or_path") is None else {}
    if _holds_nothing_out(given):
        preset = {name: value for name, value in preset.items() if not name.startswith("eval_")}
    try:
        return RewardConfig(**{**preset, **given})
    except (ValueError, TypeError, OSError, ImportError, NotImplementedError) as error:  # what transformers refuses
        raise SetupError(first_line(error)) from error
