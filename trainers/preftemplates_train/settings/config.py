"""The settings of a run, as a dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from transformers import TrainingArguments

from preftemplates_train.errors import SetupError
from preftemplates_train.settings.validation import find_contradictions, normalize_source

if TYPE_CHECKING:
    from collections.abc import Mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

BatchLayout = Literal["auto", "branches", "grouped", "padded"]
"""How batches are laid out."""

Objective = Literal["preference", "margin", "probability", "plackett_luce"]
"""What is learnt of a pair, or of a ranking."""

LengthPolicy = Literal["drop", "cut_prompt"]
"""drop: a pair with an answer that is too long is left out. cut_prompt: its prompt first loses its oldest turns."""


def _describe(text: str, **shown: str) -> dict[str, str]:
    """Return the metadata of a field: its line of help, and what stands for its value there."""
    return {"help": text, **shown}


def _inherit(name: str) -> Mapping[str, Any]:
    """Return the metadata of a field of `TrainingArguments` that gets another default."""
    return TrainingArguments.__dataclass_fields__[name].metadata


@dataclass(repr=False)
class RewardConfig(TrainingArguments):
    """The settings of a run: those of `transformers.TrainingArguments`, and the fields below, under TRL's names.

    What each field means is its line in `preftemplates-train --help`.

    Raises:
        SetupError: two settings contradict each other, or one is out of its range.
    """

    dataset_name: list[str] | None = field(
        default=None, metadata=_describe("files, dataset directories or hub names", metavar="PATH")
    )
    dataset_train_split: str | None = field(default=None, metadata=_describe("train on this split of the dataset"))
    dataset_test_split: str | None = field(
        default=None, metadata=_describe("held-out rows: this split of the same dataset")
    )
    datasets: list[dict[str, Any]] | None = field(
        default=None,
        metadata=_describe(
            "only in the file: sources, each with path, template, weight (default: 1), split", metavar="LIST"
        ),
    )
    template: str | None = field(
        default=None, metadata=_describe("how rows are read: a template's name, or mine.py", metavar="NAME")
    )
    style: str | None = field(
        default=None, metadata=_describe("how conversations are written; none: the template's own", metavar="NAME")
    )
    eval_data: list[str] | None = field(
        default=None, metadata=_describe("held-out rows: these files or datasets", metavar="PATH")
    )
    eval_size: float = field(
        default=0.1, metadata=_describe("share of the prompts held out when nothing else is; 0: none")
    )
    max_length: int | None = field(
        default=None, metadata=_describe("in tokens; none: 1024, or the model's positions if fewer")
    )
    length_policy: LengthPolicy = field(
        default="drop",
        metadata=_describe("a pair that is too long is left out, or its prompt first loses its oldest turns"),
    )
    max_dropped: float = field(
        default=0.05, metadata=_describe("stop when a greater share of the pairs is left out as too long")
    )

    allow_findings: list[str] | None = field(
        default=None, metadata=_describe("train although the style has these findings", metavar="CODE")
    )

    model_name_or_path: str | None = field(
        default=None,
        metadata=_describe("a checkpoint directory or hub name; none: a small decoder from scratch", metavar="PATH"),
    )
    model_revision: str = field(
        default="main", metadata=_describe("the checkpoint's branch, tag or commit on the hub")
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = field(
        default="float32", metadata=_describe("the type that weights are loaded in")
    )
    attn_implementation: str | None = field(
        default=None, metadata=_describe("how attention is computed, such as sdpa; none: transformers decides")
    )
    objective: Objective = field(
        default="preference",
        metadata=_describe(
            "what is learnt: preference (which answer of a pair is better), margin (and by how much), probability (and"
            " how surely), plackett_luce (the order of all answers in a row)"
        ),
    )
    center_rewards_coefficient: float | None = field(
        default=None,
        metadata=_describe("add so many times the squared sum of a pair's rewards; none: zero lies anywhere"),
    )
    layout: BatchLayout = field(
        default="auto",
        metadata=_describe(
            "how batches are laid out: branches (what a pair's texts share is computed once, nothing is padded),"
            " grouped (padded, pairs of about one length together), padded; auto: branches, else grouped"
        ),
    )
    pad_token: str | None = field(
        default=None, metadata=_describe("a token of the tokenizer that pads; none: its own, or a new one")
    )
    disable_dropout: bool = field(default=True, metadata=_describe("train without dropout"))
    use_peft: bool = field(
        default=False, metadata=_describe("train LoRA adapters and the head instead of all weights")
    )
    lora_r: int = field(default=16, metadata=_describe("the rank of the adapters"))
    lora_alpha: int = field(default=32, metadata=_describe("the adapters' output is scaled by lora_alpha / lora_r"))
    lora_dropout: float = field(
        default=0.05, metadata=_describe("dropout within the adapters, unless dropout is disabled")
    )
    lora_target_modules: list[str] | None = field(
        default=None, metadata=_describe("the modules that get adapters; none: peft decides")
    )

    config: str | None = field(
        default=None, metadata=_describe("a YAML file of settings by these names; flags win over it", metavar="PATH")
    )
    dry_run: bool = field(default=False, metadata=_describe("show what would be trained on what, and stop"))

    resume_from_checkpoint: str | None = field(
        default=None,
        metadata=_describe("go on from this checkpoint; last: from the newest in output_dir", metavar="PATH"),
    )
    output_dir: str | None = field(default="reward-model", metadata=_inherit("output_dir"))
    learning_rate: float = field(default=1e-5, metadata=_inherit("learning_rate"))
    num_train_epochs: float = field(default=1, metadata=_inherit("num_train_epochs"))
    per_device_train_batch_size: int = field(default=8, metadata=_inherit("per_device_train_batch_size"))
    per_device_eval_batch_size: int = field(default=16, metadata=_inherit("per_device_eval_batch_size"))
    logging_steps: float = field(default=10, metadata=_inherit("logging_steps"))
    logging_nan_inf_filter: bool = field(default=False, metadata=_inherit("logging_nan_inf_filter"))
    save_total_limit: int | None = field(default=2, metadata=_inherit("save_total_limit"))
    report_to: list[str] | str | None = field(default="none", metadata=_inherit("report_to"))
    remove_unused_columns: bool = field(default=False, metadata=_inherit("remove_unused_columns"))

    def __post_init__(self) -> None:
        for name in ("dataset_name", "eval_data"):
            if isinstance(getattr(self, name), str):
                setattr(self, name, [getattr(self, name)])
        if self.datasets is not None:
            self.datasets = [
                normalize_source(number, entry, self.template) for number, entry in enumerate(self.datasets)
            ]
        for contradiction in find_contradictions(vars(self)):
            raise SetupError(contradiction)
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; `pad_token` is no secret, which its name makes transformers believe."""
        return {**super().to_dict(), "pad_token": self.pad_token}


TINY_PRESET: Mapping[str, Any] = {
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
