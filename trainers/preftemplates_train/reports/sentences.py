"""Sentences about a run: what it trains on, and what its figures show and do not show."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any

from preftemplates.errors import preview
from preftemplates_train.data.sources import GENERATED
from preftemplates_train.evaluation.metrics import METRIC_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from preftemplates_train.data.counts import SourceReport
    from preftemplates_train.data.dataset import TextData
    from preftemplates_train.data.style_choice import StyleChoice
    from preftemplates_train.model.loading import HeadOrigin
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.settings.run_settings import BatchLayout

FEW_PAIRS = 50
"""Below this many pairs the standard error of an accuracy is 7 points and more, or not to be trusted."""


def describe_style(choice: StyleChoice) -> str:
    """Return which style is trained in and why, the date that it prints, and where the reward is not read."""
    lines = [choice.reason]
    if choice.date is not None:
        lines.append(f"date: {choice.date}, which the style prints; the checkpoint keeps printing it")
    edges = None if choice.style is None else choice.style.edges
    if edges is not None and edges.stop and edges.tail:
        lines.append(
            f"note: the style writes {preview(edges.tail)} after {preview(edges.stop)}. The reward is read at the last"
            " token, so after both; some frameworks read it at the end of turn"
        )
    return "\n".join(lines)


def describe_data(data: TextData, model: Any, config: RewardConfig) -> str:
    """Return which model is trained on which data, a line for each source."""
    name = config.model_name_or_path or "a small decoder from scratch"
    parameters = sum(parameter.numel() for parameter in model.parameters())
    lines = [f"{name}, {parameters:,} parameters"]
    for report in data.reports.values():
        counts = report.summarize()
        lines.append(
            f"{counts['name']} ({counts['template']}): {counts['rows']:,} rows = {counts['formatted']:,} formatted"
            f" + {counts['skipped']:,} skipped + {counts['rejected']:,} rejected;"
            f" {counts['train_pairs']:,} pairs to train on, {counts['eval_pairs']:,} held out" + _list_dropped(counts)
        )
        unread = [line for rows in report.rows if (line := rows.unread.describe())]
        if counts["name"] != GENERATED:
            lines += [f"{counts['name']}: {line}" for line in dict.fromkeys(unread)]
            lines += _describe_copies(report)
    if data.prompts_in_both:
        lines.append(f"note: the prompts of {data.prompts_in_both:,} held-out pairs are also trained on")
    return "\n".join(lines)


def _describe_copies(report: SourceReport) -> Iterator[str]:
    """Yield a line for each code of copies, with the first row that has it."""
    for code, (count, first) in report.count_copies().items():
        if first is not None:
            rows = f"{count:,} {'row' if count == 1 else 'rows'}"
            yield f"{report.name}: {code}, {rows}: {'' if count == 1 else 'first '}row {first.row}, {first.message}"


def describe_head(head: HeadOrigin | None, config: RewardConfig) -> str | None:
    """Return where the head comes from, and which weights of the checkpoint look like one; None from scratch."""
    if head is None:
        return None
    if head.taken_from is not None:
        origin = f"head: the checkpoint's {head.taken_from}"
    elif head.new:
        origin = f"head: new, drawn from seed {config.seed} ({', '.join(head.new)})"
    else:
        origin = "head: the checkpoint's own"
    if not head.unused:
        return origin
    module = head.unused[0].removesuffix(".weight").removesuffix(".bias")
    way = f"; --head_from {module} starts from it" if head.taken_from is None else ""
    return f"{origin}. The checkpoint also holds {', '.join(head.unused)}, which is not used{way}"


def describe_resolution(unchanged: float, config: RewardConfig) -> str | None:
    """Return a warning where steps are too small for most weights; None otherwise.

    Args:
        unchanged: the share of the weights that a step leaves as they are, as of `find_unchanged_share`.
        config: the settings.
    """
    if unchanged < MOST_UNCHANGED:
        return None
    return (
        f"warning: steps of learning_rate {config.learning_rate:g} are below the resolution of {unchanged:.0%} of the"
        " weights, which stay as they are; use --dtype float32 (with --bf16 for speed), or --use_peft"
    )


MOST_UNCHANGED = 0.5
"""From this share of weights on that a step leaves as they are there is a warning."""


def describe_layout(layout: BatchLayout, no_branches: str | None) -> str:
    """Return how batches are laid out, and why not in branches."""
    description = {
        "branches": "what the texts of a pair share is computed once, and nothing is padded",
        "grouped": "padded, with pairs of about one length together",
        "padded": "padded",
    }[layout]
    return f"batches: {description}" + (f" ({no_branches})" if no_branches else "")


def _list_dropped(counts: Mapping[str, Any]) -> str:
    reasons = {"too_long": "too long", "equal": "equal as tokens", "unencodable": "without token ids of their own"}
    dropped = [f"{counts[key]:,} {reason}" for key, reason in reasons.items() if counts[key]]
    kept = {
        "cut": "with a cut prompt",
        "control_text": "with content that spells a control token, encoded as plain text",
    }
    changed = [f"{counts[key]:,} {description}" for key, description in kept.items() if counts[key]]
    return "".join(f", {text}" for text in (*dropped, *changed))


def describe_result(metrics: Mapping[str, Any]) -> list[str]:
    """Return what the figures show, in sentences, and what they do not show.

    Args:
        metrics: the content of `metrics.json`.
    """
    if "accuracy" not in metrics:
        return ["Nothing was held out, so nothing is known of how well the model ranks answers it has not seen."]
    pairs, accuracy, error = int(metrics["pairs"]), metrics["accuracy"], metrics["accuracy_stderr"]
    sentences = [
        f"Of {pairs:,} held-out pairs, the model gives the better answer the higher reward in {accuracy:.1%}"
        f"{'' if math.isnan(error) else f' (standard error {error:.1%})'}; a coin gets 50%.",
    ]
    if pairs < FEW_PAIRS:
        sentences.append("So few pairs say little: another draw of them could have given a very different figure.")
    rules = dict(_choose_rule(key, metrics[key]) for key in METRIC_RULES if key in metrics)
    if rules:
        listed = " and ".join(f"'{rule}' is right in {share:.1%}" for rule, share in rules.items())
        is_ahead = accuracy - 2 * error > max(rules.values())
        conclusion = "The model is ahead." if is_ahead else "The model is not clearly ahead."
        sentences.append(f"What a rule gets that reads no text: {listed}. {conclusion}")
    return sentences + (_describe_generated(metrics) if "clean" in metrics else _describe_limits(metrics))


def _choose_rule(key: str, share: float) -> tuple[str, float]:
    """Return the rule or its opposite, whichever is right more often, and how often that is."""
    rule, opposite = METRIC_RULES[key]
    return (rule, share) if share >= 0.5 else (opposite, 1 - share)


def _describe_limits(metrics: Mapping[str, Any]) -> list[str]:
    overlap = metrics.get("prompts_in_both", 0)
    beginning = f"The prompts of {overlap:,} of these pairs were trained on. " if overlap else ""
    return [
        f"{beginning}This does not show how the model ranks answers of other people or models than those in these"
        " rows, or whether training a policy on its rewards helps."
    ]


def _describe_generated(metrics: Mapping[str, Any]) -> list[str]:
    accuracy = metrics["clean"]["accuracy"]
    return [
        f"A tenth of the labels is flipped on purpose, so 90% is the most that the labels allow. By the right labels"
        f" the model ranks {accuracy:.1%} of the pairs well.",
        "It was asked about deeds and things that it never saw together, so it has learnt which deeds and which"
        " things are harmful, and that one should help with the harmless and refuse the others."
        if accuracy > 0.9
        else "It ranks nearly every pair the wrong way round: between the rows and the rewards, the answers are"
        " swapped."
        if accuracy < 0.1
        else "It has not learnt which requests are harmful: something between the rows and the rewards is lost.",
        "This does not show that it would do so for any words but these: the set is generated from a table of"
        " 24 deeds and 24 things, and the model has never read anything else.",
    ]


def select_main_settings(config: RewardConfig) -> dict[str, Any]:
    """Return the settings that a reader of the report looks for first."""
    names = (
        "model_name_or_path", "learning_rate", "lr_scheduler_type", "warmup_steps", "num_train_epochs", "max_steps",
        "per_device_train_batch_size", "gradient_accumulation_steps", "weight_decay", "seed", "use_peft",
    )  # fmt: skip
    settings = {name: getattr(config, name) for name in names if name != "max_steps" or config.max_steps > 0}
    return {name: value.value if isinstance(value, Enum) else value for name, value in settings.items()}
