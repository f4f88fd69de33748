"""The settings of a run that the first page of `--help` shows; this module does not import torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from preftemplates_train.settings.objectives import ObjectiveName  # noqa: TC001  the parser reads it
from preftemplates_train.settings.ranges import UNTRAINABLE_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

BatchLayout = Literal["auto", "branches", "grouped", "padded"]
"""The layouts of batches: `branches` is shared-prefix packing."""

TrainedPart = Literal["full", "head"]
"""full: all weights, or LoRA adapters and the head. head: a linear head on the frozen model, cut at a layer."""

Baselines = Literal["all", "none"]
"""Whether simpler models are fitted on the samples of a run, to compare with."""

LengthPolicy = Literal["drop", "cut_prompt"]
"""drop: drop a sample with an answer that is too long. cut_prompt: cut the oldest turns of its prompt first."""

TEMPLATE_HELP = "Read rows with this dataset template: a name, or a Python, YAML or dataset_info.json file."
STYLE_HELP = "Use this style: a name, directory, .jinja file or hub model."


def describe(text: str, **more: Any) -> dict[str, Any]:
    """Return the metadata of a field: its help text, and further arguments of `SettingsParser.add_argument`."""
    return {"help": text, **more}


@dataclass(repr=False)
class RunSettings:
    """The settings that this project adds to `transformers.TrainingArguments`, and the most used ones of its own.

    If the default of a setting is None, its help text ends with the default in words.
    """

    dataset_name: list[str] | None = field(
        default=None,
        metadata=describe(
            "Train on these files, dataset directories or datasets on the hub. [default: generated rows]",
            metavar="PATH",
        ),
    )
    dataset_config: str | None = field(
        default=None, metadata=describe("Read this configuration of a dataset that has several.", metavar="NAME")
    )
    dataset_data_dir: str | None = field(
        default=None, metadata=describe("Read the files in this folder of the dataset.", metavar="FOLDER")
    )
    dataset_train_split: str | None = field(
        default=None, metadata=describe("Train on this split of the dataset. [default: train]")
    )
    dataset_test_split: str | None = field(default=None, metadata=describe("Hold out this split of the same dataset."))
    datasets: list[dict[str, Any]] | None = field(
        default=None,
        metadata=describe(
            "Train on several sources, each with path, template, weight, split, name and data_dir."
            " Only with --config.",
            metavar="LIST",
        ),
    )
    template: str | None = field(default=None, metadata=describe(TEMPLATE_HELP, metavar="NAME"))
    style: str | None = field(
        default=None,
        metadata=describe(
            f"{STYLE_HELP} [default: the model's, else the template's]",
            metavar="NAME",
        ),
    )
    eval_data: list[str] | None = field(
        default=None, metadata=describe("Hold out the rows of these files or datasets.", metavar="PATH")
    )
    eval_size: float = field(
        default=0.1, metadata=describe("Hold out this share of the prompts if no other rows are held out.")
    )
    max_length: int | None = field(
        default=None,
        metadata=describe(
            "Train on texts of at most this many tokens. [default: 1024, or the model's positions if it has fewer]"
        ),
    )
    length_policy: LengthPolicy = field(
        default="drop",
        metadata=describe("Handle samples that are too long: drop them, or cut the oldest turns of the prompt first."),
    )
    max_dropped: float = field(
        default=0.05,
        metadata=describe("Stop if more than this share of a source's samples is dropped, for any reason."),
    )
    allow_findings: list[str] | None = field(
        default=None,
        metadata=describe(
            f"Train even if the style has these findings: {', '.join(UNTRAINABLE_FINDINGS)}.", metavar="CODE"
        ),
    )

    model_name_or_path: str | None = field(
        default=None,
        metadata=describe(
            "Start from the checkpoint in this directory or on the hub. [default: a small decoder from scratch]",
            metavar="PATH",
        ),
    )
    model_revision: str = field(
        default="main", metadata=describe("Load this branch, tag or commit of the checkpoint from the hub.")
    )
    head_from: str | None = field(
        default=None,
        metadata=describe(
            "Start the head from these weights of the checkpoint, such as value_head."
            " [default: its own, or a new one]",
            metavar="NAME",
        ),
    )
    train: TrainedPart = field(
        default="full",
        metadata=describe(
            "Train all weights (full), or fit a linear head on the frozen model, cut at the layer that does best in"
            " cross-validation (head)."
        ),
    )
    head_layers: list[int] | None = field(
        default=None,
        metadata=describe(
            "Fit a head after each of these layers, with --train head. [default: up to eight, from a third to all]",
            metavar="N",
        ),
    )
    feature_cache: str | None = field(
        default=None,
        metadata=describe(
            "Keep the frozen model's features in this directory, for other runs. [default: remove them at the end]",
            metavar="PATH",
        ),
    )
    baselines: Baselines = field(
        default="all",
        metadata=describe(
            "Compare with a linear head on the frozen starting model and a linear model of word counts, on the same"
            " rows (all), or skip this (none)."
        ),
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = field(
        default="float32", metadata=describe("Load weights in this type.")
    )
    attn_implementation: str | None = field(
        default=None,
        metadata=describe("Compute attention with this implementation, such as sdpa. [default: transformers decides]"),
    )
    layout: BatchLayout = field(
        default="auto",
        metadata=describe(
            "Lay out batches as branches (shared-prefix packing, no padding), grouped (padded, similar lengths"
            " together), padded, or auto (branches if the model supports it, else grouped)."
        ),
    )
    objective: ObjectiveName = field(
        default="preference",
        metadata=describe(
            "Learn which answer of a pair is better (preference), by how much (margin) or how surely (probability),"
            " or the order of all answers in a row (plackett_luce); whether an answer is good (pointwise) or its score"
            " (regression); or which answer of a pair is safer, and whether each is safe (safety_cost).",
            metavar="NAME",
        ),
    )
    center_rewards_coefficient: float | None = field(
        default=None,
        metadata=describe(
            "Centre rewards: add this multiple of the squared sum of a pair's rewards to the loss. [default: off]"
        ),
    )
    pad_token: str | None = field(
        default=None,
        metadata=describe("Pad with this token. [default: the tokenizer's pad token, or a new one]"),
    )
    disable_dropout: bool = field(default=True, metadata=describe("Train without dropout."))
    use_peft: bool = field(
        default=False, metadata=describe("Train LoRA adapters and the head instead of all weights.")
    )
    lora_r: int = field(default=16, metadata=describe("Set the rank of the adapters."))
    lora_alpha: int = field(default=32, metadata=describe("Scale the adapters' output by lora_alpha / lora_r."))
    lora_dropout: float = field(
        default=0.05, metadata=describe("Set the dropout within the adapters, unless dropout is disabled.")
    )
    lora_target_modules: list[str] | None = field(
        default=None,
        metadata=describe("Add adapters to these modules. [default: peft decides]", metavar="NAME"),
    )
    lora_modules_to_save: list[str] | None = field(
        default=None,
        metadata=describe("Train these modules in full, in addition to the head. [default: none]", metavar="NAME"),
    )
    use_rslora: bool = field(
        default=False, metadata=describe("Scale the adapters' output by lora_alpha / sqrt(lora_r).")
    )
    use_dora: bool = field(
        default=False, metadata=describe("Decompose the adapted weights into magnitude and direction (DoRA).")
    )
    save_adapter: bool = field(
        default=False,
        metadata=describe("Also write the LoRA adapter, as peft does, to the folder adapter in output_dir."),
    )

    config: str | None = field(
        default=None,
        metadata=describe("Read settings from this YAML file. Flags override it.", metavar="PATH"),
    )
    output_dir: str | None = field(
        default="reward-model",
        metadata=describe("Write the model, its checkpoints and the report to this directory.", metavar="PATH"),
    )
    dry_run: bool = field(default=False, metadata=describe("Show the first 3 samples and stop."))
    json: bool = field(
        default=False,
        metadata=describe("Print the metrics as JSON at the end, and all other lines on standard error."),
    )
    num_train_epochs: float = field(default=1, metadata=describe("Train on all samples this many times."))
    learning_rate: float = field(default=1e-5, metadata=describe("Set the peak of the learning rate schedule."))
    per_device_train_batch_size: int = field(
        default=8,
        metadata=describe("Train on this many samples or rankings per device in one pass."),
    )
    early_stopping_patience: int | None = field(
        default=None,
        metadata=describe(
            "Stop after this many evaluations in a row without improvement, and keep the best weights. [default: off]"
        ),
    )
    early_stopping_threshold: float = field(
        default=0.0,
        metadata=describe("Count an evaluation as an improvement only if the metric improves by more than this."),
    )
    seed: int = field(
        default=42, metadata=describe("Draw the split, the order of the samples and new weights from this seed.")
    )
    resume_from_checkpoint: str | None = field(
        default=None,
        metadata=describe(
            "Continue from this checkpoint, or from the newest one in output_dir (last, or true).", metavar="PATH"
        ),
    )


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
"""The defaults of `read_config` when no model is named: they suit a small decoder from scratch."""
