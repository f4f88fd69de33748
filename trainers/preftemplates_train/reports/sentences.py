"""What a run began with and what it has shown, in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from preftemplates_train.data.dataset import Data, Encoded
from preftemplates_train.evaluation.metrics import SHORTCUTS
from preftemplates_train.settings.config import BatchLayout, RewardConfig

FEW = 50
"""Below this many pairs the standard error of an accuracy is 7 points and more, or not to be trusted."""


def data(data: Data, encoded: Encoded, model: Any, config: RewardConfig) -> str:
    """What is trained on what, a line a source."""
    style = "formatted by hand" if data.style is None else f"style {data.style.name}"
    name = config.model_name_or_path or "a small decoder from scratch"
    parameters = sum(parameter.numel() for parameter in model.parameters())
    lines = [f"{name}, {parameters:,} parameters; {style}"]
    for report in data.reports.values():
        counts = report.counts()
        lines.append(
            f"{counts['name']} ({counts['template']}): {counts['rows']:,} rows = {counts['formatted']:,} formatted"
            f" + {counts['skipped']:,} skipped + {counts['rejected']:,} rejected;"
            f" {counts['train_pairs']:,} pairs to train on, {counts['eval_pairs']:,} held out" + _dropped(counts)
        )
    if data.prompts_in_both:
        lines.append(f"note: the prompts of {data.prompts_in_both:,} held-out pairs are also trained on")
    return "\n".join(lines)


def laid_out(layout: BatchLayout, no_branches: str | None) -> str:
    """How batches are laid out, and why not in branches."""
    said = {
        "branches": "what the texts of a pair share is computed once, and nothing is padded",
        "grouped": "padded, with pairs of about one length together",
        "padded": "padded",
    }[layout]
    return f"batches: {said}" + (f" ({no_branches})" if no_branches else "")


def _dropped(counts: Mapping[str, Any]) -> str:
    reasons = {"too_long": "too long", "equal": "equal as tokens", "control": "spelling the pad token"}
    said = [f"{counts[key]:,} {reason}" for key, reason in reasons.items() if counts[key]]
    cut = [f"{counts['cut']:,} with a cut prompt"] if counts["cut"] else []
    return "".join(f", {text}" for text in (*said, *cut))


def learnt(found: Mapping[str, Any]) -> list[str]:
    """What the figures say, in sentences, and what they do not show.

    Args:
        found: what `metrics.json` holds.
    """
    if "accuracy" not in found:
        return ["Nothing was held out, so nothing is known of how well the model ranks answers it has not seen."]
    pairs, accuracy, error = int(found["pairs"]), found["accuracy"], found["accuracy_stderr"]
    said = [
        f"Of {pairs:,} held-out pairs, the model gives the better answer the higher reward in {accuracy:.1%}"
        f"{'' if math.isnan(error) else f' (standard error {error:.1%})'}; a coin gets 50%.",
    ]
    if pairs < FEW:
        said.append("So few pairs say little: another draw of them could have given a very different figure.")
    rules = dict(_rule(key, found[key]) for key in SHORTCUTS if key in found)
    if rules:
        listed = " and ".join(f"'{rule}' is right in {share:.1%}" for rule, share in rules.items())
        best = max(rules.values())
        verdict = "The model is ahead." if accuracy - 2 * error > best else "The model is not clearly ahead."
        said.append(f"What a rule gets that reads no text: {listed}. {verdict}")
    return said + (_of_generated(found) if "clean" in found else _limits(found))


def _rule(key: str, share: float) -> tuple[str, float]:
    """The rule or its opposite, whichever is right more often, and how often that is."""
    rule, opposite = SHORTCUTS[key]
    return (rule, share) if share >= 0.5 else (opposite, 1 - share)


def _limits(found: Mapping[str, Any]) -> list[str]:
    overlap = found.get("prompts_in_both", 0)
    begin = f"The prompts of {overlap:,} of these pairs were trained on. " if overlap else ""
    return [
        f"{begin}This does not show how the model ranks answers of other people or models than those in these rows,"
        " or whether training a policy on its rewards helps."
    ]


def _of_generated(found: Mapping[str, Any]) -> list[str]:
    clean = found["clean"]["accuracy"]
    return [
        f"A tenth of the labels is flipped on purpose, so 90% is the most that the labels allow. By the right labels"
        f" the model ranks {clean:.1%} of the pairs well.",
        "It was asked about deeds and things that it never saw together, so it has learnt which deeds and which"
        " things are harmful, and that one should help with the harmless and refuse the others."
        if clean > 0.9
        else "It ranks nearly every pair the wrong way round: between the rows and the rewards, the answers are"
        " swapped."
        if clean < 0.1
        else "It has not learnt which requests are harmful: something between the rows and the rewards is lost.",
        "This does not show that it would do so for any words but these: the set is generated from a table of"
        " 24 deeds and 24 things, and the model has never read anything else.",
    ]


def settings(config: RewardConfig) -> dict[str, Any]:
    """The settings that a reader of the report asks for first."""
    names = (
        "model_name_or_path", "learning_rate", "lr_scheduler_type", "warmup_steps", "num_train_epochs", "max_steps",
        "per_device_train_batch_size", "gradient_accumulation_steps", "weight_decay", "seed", "use_peft",
    )  # fmt: skip
    found = {name: getattr(config, name) for name in names if name != "max_steps" or config.max_steps > 0}
    return {name: value.value if isinstance(value, Enum) else value for name, value in found.items()}
