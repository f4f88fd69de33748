"""Sentences about a run: its data, and what its figures show and do not show."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.errors import preview
from preftemplates_train.data.sources import GENERATED
from preftemplates_train.evaluation.metrics import MAJORITY_RULE, METRIC_RULES, compute_wilson_interval
from preftemplates_train.reports.answer_sentences import describe_safety, describe_scores, describe_verdicts
from preftemplates_train.reports.numbers import count_wins, describe_standard_error, format_p
from preftemplates_train.reports.wording import find_unit, get_figure_kind, get_wording
from preftemplates_train.settings.objectives import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from preftemplates_train.data.counts import SourceReport
    from preftemplates_train.data.dataset import TextData
    from preftemplates_train.data.style_choice import StyleChoice
    from preftemplates_train.model.loading import HeadOrigin
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.settings.objectives import SampleUnit
    from preftemplates_train.settings.run_settings import BatchLayout

FEW_PAIRS = 50
"""With fewer pairs, the standard error of an accuracy is at least 7 points, or unreliable."""

FEWEST_PAIRS = 10
"""With fewer pairs, an accuracy is given as a count: a single pair would change a percentage by 10 points."""

SIGNIFICANCE = 0.05
"""The p below which a difference between two models is taken to be more than chance."""


def describe_style(choice: StyleChoice) -> str:
    """Return lines with the style and the reason for it, the date that it prints, and where the reward is read."""
    lines = [choice.reason]
    if choice.date is not None:
        lines.append(f"date: {choice.date}, which the style prints; the checkpoint keeps printing it")
    edges = None if choice.style is None else choice.style.edges
    if edges is not None and edges.stop and edges.tail:
        lines.append(
            f"note: the style writes {preview(edges.tail)} after {preview(edges.stop)}. The reward is read at the last"
            " token, after both; some frameworks read it at the end-of-turn token"
        )
    return "\n".join(lines)


def describe_data(data: TextData, model: Any, config: RewardConfig) -> str:
    """Return lines with the model, its size and the counts of each source."""
    name = config.model_name_or_path or "a small decoder from scratch"
    parameters = sum(parameter.numel() for parameter in model.parameters())
    lines = [f"{name}, {parameters:,} parameters"]
    for report in data.reports.values():
        counts = report.summarize()
        unit = find_unit(counts)
        units = unit if counts[f"train_{unit}s"] == 1 else f"{unit}s"
        trained, held_out = counts[f"train_{unit}s"], counts[f"eval_{unit}s"]
        lines.append(
            f"{counts['name']} ({counts['template']}): {counts['rows']:,} rows = {counts['formatted']:,} formatted"
            f" + {counts['skipped']:,} skipped + {counts['rejected']:,} rejected;"
            f" {trained:,} {units} to train on, {held_out:,} held out" + _list_dropped(counts)
        )
        unread = [line for rows in report.rows if (line := rows.unread.describe())]
        if counts["name"] != GENERATED:
            lines += [f"{counts['name']}: {line}" for line in dict.fromkeys(unread)]
            lines += _describe_copies(report)
    if data.prompts_in_both:
        unit = OBJECTIVES[config.objective].unit
        lines.append(f"note: the prompts of {data.prompts_in_both:,} held-out {unit}s are also trained on")
    return "\n".join(lines)


def _describe_copies(report: SourceReport) -> Iterator[str]:
    """Yield a line for each code of copies, with the first row that has it."""
    for code, (count, first) in report.count_copies().items():
        if first is not None:
            rows = f"{count:,} {'row' if count == 1 else 'rows'}"
            yield f"{report.name}: {code}, {rows}: {'' if count == 1 else 'first '}row {first.row}, {first.message}"


def describe_head(head: HeadOrigin | None, config: RewardConfig) -> str | None:
    """Return the origin of the head, and unused weights that look like one; None for a model from scratch."""
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
    way = f"; to start from it, add --head_from {module}" if head.taken_from is None else ""
    return f"{origin}. The checkpoint also has {', '.join(head.unused)}, which is not used{way}"


def describe_resolution(unchanged: float, config: RewardConfig) -> str | None:
    """Return a warning if steps are too small to change most weights; None otherwise.

    Args:
        unchanged: the share of the weights that a step does not change, the result of `find_unchanged_share`.
        config: the settings.
    """
    if unchanged < MOST_UNCHANGED:
        return None
    return (
        f"warning: learning_rate {config.learning_rate:g} is too small to change {unchanged:.0%} of the weights, since"
        " their type rounds the step away; use --dtype float32 (with --bf16 for speed), or --use_peft"
    )


MOST_UNCHANGED = 0.5
"""The share of weights that a step does not change from which on there is a warning."""


def describe_layout(layout: BatchLayout, no_branches: str | None, unit: SampleUnit = "pair") -> str:
    """Return a line with the layout of batches, and the reason why it is not branches."""
    shared = "common prompts are computed once" if unit == "pair" else "all texts are in one row"
    description = {
        "branches": f"{shared}, without padding",
        "grouped": f"padded, with {unit}s of similar length together",
        "padded": "padded",
    }[layout]
    return f"batches: {description}" + (f" ({no_branches})" if no_branches else "")


def _list_dropped(counts: Mapping[str, Any]) -> str:
    reasons = {"too_long": "too long", "equal": "equal as tokens", "unencodable": "unencodable"}
    dropped = [f"{counts[key]:,} {reason}" for key, reason in reasons.items() if counts.get(key)]
    kept = {
        "cut": "with a cut prompt",
        "control_text": "with content that contains the text of a control token, encoded as plain text",
    }
    changed = [f"{counts[key]:,} {description}" for key, description in kept.items() if counts[key]]
    return "".join(f", {text}" for text in (*dropped, *changed))


def explain_untrained(config: RewardConfig, steps: int) -> str | None:
    """Return a sentence if no weight can have changed, without steps or with a learning rate of 0; None otherwise.

    Args:
        config: the settings; a run with `--train head` needs no steps.
        steps: the number of training steps.
    """
    if getattr(config, "train", "full") == "head":
        return None
    if steps == 0:
        return "Nothing was trained: 0 steps."
    return "Nothing was trained: the learning rate is 0." if config.learning_rate == 0 else None


def describe_result(metrics: Mapping[str, Any], untrained: str | None = None) -> list[str]:
    """Return sentences about what the figures show, and what they do not show.

    Args:
        metrics: the content of `metrics.json`.
        untrained: the result of `explain_untrained`, which comes first.
    """
    sentences = [] if untrained is None else [untrained]
    if "loss" not in metrics and "accuracy" not in metrics:
        unknown = f"how well the model {get_wording(metrics).verb} answers that it has not seen"
        return [*sentences, f"Nothing was held out, so this run does not show {unknown}."]
    sentences += _describe_figures(metrics)
    if not is_too_few(metrics):
        sentences += _describe_rules(metrics)
    sentences += [_describe_baseline(label, baseline, metrics) for label, baseline in list_baselines(metrics).items()]
    return sentences + (_describe_generated(metrics) if "clean" in metrics else _describe_limits(metrics))


def _describe_figures(metrics: Mapping[str, Any]) -> list[str]:
    """Return sentences about the figures of the held-out samples."""
    kind, is_few = get_figure_kind(metrics), is_too_few(metrics)
    if kind == "scores":
        return list(describe_scores(metrics, is_few=is_few))
    if kind == "verdicts":
        return list(describe_verdicts(metrics, is_few=is_few))
    of_signs = [describe_safety(metrics)] if kind == "safety" and not is_few else []
    return [*_describe_accuracy(metrics), *of_signs]


def is_too_few(metrics: Mapping[str, Any]) -> bool:
    """Return whether there are so few held-out samples that a percentage would mislead."""
    return bool(metrics.get("pairs", metrics.get("answers", FEWEST_PAIRS)) < FEWEST_PAIRS)


def _describe_accuracy(metrics: Mapping[str, Any]) -> list[str]:
    """Return how often the model ranks a pair as labelled, and a caution if there are few pairs."""
    pairs, accuracy, error = int(metrics["pairs"]), metrics["accuracy"], metrics["accuracy_stderr"]
    if is_too_few(metrics):
        held_out = "1 pair is held out" if pairs == 1 else f"{pairs} pairs are held out"
        wins = count_wins(accuracy, pairs)
        return [
            f"Only {held_out}, too few to tell how well the model ranks. It gives the better answer the higher reward"
            f" in {wins}{' (a tie counts one half)' if '.' in wins else ''}."
        ]
    sentences = [
        f"In {accuracy:.1%} of {pairs:,} held-out pairs, the model gives the better answer the higher reward"
        f"{describe_standard_error(error)}; chance gives 50%.",
    ]
    if pairs < FEW_PAIRS:
        sentences.append("With so few pairs, another draw could have given a very different figure.")
    return sentences


def _describe_rules(metrics: Mapping[str, Any]) -> list[str]:
    """Return how often content-blind rules are right, and whether the model is better."""
    rules = list_rules(metrics)
    if not rules:
        return []
    listed = [f"'{rule}' is right for {share:.1%}" for rule, share in rules.items()]
    joined = " and ".join(filter(None, [", ".join(listed[:-1]), listed[-1]]))
    best = max(rules, key=lambda rule: rules[rule])
    compared = find_rule_comparison(metrics, best)
    p = "" if compared is None else f" ({format_p(compared['p'])})"
    comparison = COMPARISONS[_judge_against_rule(metrics, best, rules[best])]
    return [
        f"Rules that ignore the content: {joined}. The model is {comparison}"
        f" {'the best of them' if len(rules) > 1 else 'this rule'}{p}."
    ]


COMPARISONS = {1: "better than", -1: "worse than", 0: "not clearly different from"}
"""The words for the results of `judge_difference`."""


def find_rule_comparison(metrics: Mapping[str, Any], rule: str) -> Mapping[str, Any] | None:
    """Return the comparison of the model with a rule on the same samples; None in the metrics of older versions."""
    compared: Iterator[Mapping[str, Any]] = (
        shortcut["model"] for shortcut in metrics.get("shortcuts", {}).values() if shortcut["rule"] == rule
    )
    return next(compared, None)


def _judge_against_rule(metrics: Mapping[str, Any], rule: str, share: float) -> int:
    """Return 1 if the model is better than a rule, -1 if it is worse, and 0 if the difference may be chance."""
    compared = find_rule_comparison(metrics, rule)
    return _judge_by_errors(metrics, share) if compared is None else judge_difference(compared)


def _judge_by_errors(metrics: Mapping[str, Any], share: float) -> int:
    """Return whether the accuracy is more than two standard errors above or below a share, as `judge_difference`."""
    accuracy, error = metrics["accuracy"], metrics.get("accuracy_stderr", math.nan)
    if error == 0:  # all samples are right, or all are wrong, which says nothing about the error
        return _judge_by_interval(metrics, share)
    return int(accuracy - 2 * error > share) - int(accuracy + 2 * error < share)


def _judge_by_interval(metrics: Mapping[str, Any], share: float) -> int:
    """Return whether a share is below or above Wilson's interval of the accuracy, as `judge_difference`."""
    number = metrics.get("pairs", metrics.get("answers"))
    if not number:
        return 0
    low, high = compute_wilson_interval(metrics["accuracy"], number)
    return int(low > share) - int(high < share)


def list_rules(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the content-blind rules, each or its opposite, with their accuracies."""
    rules = dict(_choose_rule(key, metrics[key]) for key in METRIC_RULES if key in metrics)
    if "majority_accuracy" in metrics:
        rules[MAJORITY_RULE] = metrics["majority_accuracy"]
    return rules


def _choose_rule(key: str, share: float) -> tuple[str, float]:
    """Return the rule or its opposite, whichever is right more often, and its accuracy."""
    rule, opposite = METRIC_RULES[key]
    return (rule, share) if share >= 0.5 else (opposite, 1 - share)


class AccuracyStanding(NamedTuple):
    """The comparison of an accuracy with chance and with content-blind rules.

    Attributes:
        colour: the role of its colour on the page: `held-out` if it is better, `below` if it is worse, `training`
            (neutral) if neither is clear.
        words: the comparison as a sentence.
    """

    colour: str
    words: str


def judge_accuracy(metrics: Mapping[str, Any]) -> AccuracyStanding:
    """Compare the accuracy on held-out samples with chance, and with the best rule if it beats chance."""
    side, name = _judge_by_interval(metrics, 0.5), "chance (50%)"
    rules = list_rules(metrics)
    best = max(rules, key=lambda rule: rules[rule], default=None)
    if side >= 0 and best is not None and rules[best] > 0.5:
        against_rule = _judge_against_rule(metrics, best, rules[best])
        if against_rule < 1 or side == 1:  # a model that is better than a rule may still be near chance
            side, name = against_rule, f"the rule '{best}' ({rules[best]:.1%})"
    words = COMPARISONS[side]
    return AccuracyStanding(COLOURS[side], f"{words[0].upper()}{words[1:]} {name}.")


COLOURS = {1: "held-out", -1: "below", 0: "training"}
"""The roles of the colours for the results of `judge_difference`."""


def list_baselines(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the figures of the measured baselines, by a phrase that describes the model."""
    baselines: Mapping[str, Mapping[str, Any]] = metrics.get("baselines", {})
    return {baseline.get("label", name): baseline for name, baseline in baselines.items() if "model" in baseline}


def _describe_baseline(label: str, baseline: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return whether the model is better than a baseline on the held-out samples, worse, or neither."""
    compared = baseline["model"]
    shares = "" if is_too_few(metrics) else f": {metrics['accuracy']:.1%} against {baseline['accuracy']:.1%}"
    comparison = COMPARISONS[judge_difference(compared)]
    return f"The model is {comparison} {label}{shares} ({format_p(compared['p'])})."


def judge_difference(compared: Mapping[str, Any]) -> int:
    """Return 1 if the model is better than a baseline, -1 if it is worse, and 0 if the difference may be chance.

    Args:
        compared: the result of `compare_scores`.

    >>> judge_difference({"ahead": 20, "behind": 4, "p": 0.002}), judge_difference({"p": 0.4})
    (1, 0)
    """
    if not compared["p"] < SIGNIFICANCE:
        return 0
    return 1 if compared["ahead"] > compared["behind"] else -1


def _describe_limits(metrics: Mapping[str, Any]) -> list[str]:
    overlap, wording = metrics.get("prompts_in_both", 0), get_wording(metrics)
    beginning = f"The prompts of {overlap:,} of these {wording.unit}s were trained on. " if overlap else ""
    return [
        f"{beginning}This does not show how well the model {wording.verb} answers by people or models that are not in"
        " these rows, or whether training a policy on its rewards helps."
    ]


def _describe_generated(metrics: Mapping[str, Any]) -> list[str]:
    clean, wording = metrics["clean"], get_wording(metrics)
    accuracy, number = clean["accuracy"], metrics.get("pairs", metrics.get("answers", 0))
    share = (
        f"{count_wins(accuracy, number)} {wording.unit}s"
        if is_too_few(metrics)
        else f"{accuracy:.1%} of the {wording.unit}s"
    )
    return [
        f"A tenth of the labels is flipped on purpose, so an accuracy of about 90% is the best possible. By the right"
        f" labels, the model {wording.verb} {share} correctly.",
        "The held-out prompts combine deeds and things that it never saw together, so it has learnt which deeds and"
        " which things are harmful, and that only harmless requests should get help."
        if accuracy > 0.9
        else f"It {wording.verb} nearly every {wording.unit} the wrong way round: the answers are swapped somewhere"
        " between the rows and the rewards."
        if accuracy < 0.1
        else "It has not learnt which requests are harmful: something is lost between the rows and the rewards.",
        "This does not show that it would do so for other words: the set is generated from a table of 24 deeds and"
        " 24 things, and the run trains on nothing else.",
    ]


def select_main_settings(config: RewardConfig) -> dict[str, Any]:
    """Return the settings that the report shows first."""
    if getattr(config, "train", "full") == "head":
        head_names = ("model_name_or_path", "train", "head_layers", "objective", "seed")
        return {name: getattr(config, name) for name in head_names}
    names = (
        "model_name_or_path", "learning_rate", "lr_scheduler_type", "warmup_steps", "num_train_epochs", "max_steps",
        "per_device_train_batch_size", "gradient_accumulation_steps", "weight_decay", "seed", "use_peft",
    )  # fmt: skip
    settings = {name: getattr(config, name) for name in names if name != "max_steps" or config.max_steps > 0}
    return {name: value.value if isinstance(value, Enum) else value for name, value in settings.items()}
