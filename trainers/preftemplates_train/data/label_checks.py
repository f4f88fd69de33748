"""Check that rows have the dataset type and the labels that an objective learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from preftemplates import Template
    from preftemplates_train.data.encoding import LabelledTokens
    from preftemplates_train.settings.objectives import Objective

MOST_CONTRADICTIONS = 0.05
"""The largest share of pairs with the unsafe answer as chosen; with more, the template must be wrong."""

LARGEST_LABEL = 1e30
"""The largest absolute value of a label: losses are sums of labels, or squares of them, and must not overflow."""

LARGEST_DISTANCE = 1e15
"""The most standard deviations from the mean that a score may be: losses square this number in float32."""

SAFETY_TEMPLATE = "PKUSafeRLHF-safety"
"""The bundled template that labels both answers of a pair as safe or unsafe."""


def check_template(name: str, template: Template, objective: Objective) -> None:
    """Raise an error if a template cannot give the samples that an objective learns from.

    Args:
        name: the name of the data.
        template: the template that reads its rows.
        objective: the training objective.

    Raises:
        SetupError: the template does not give the dataset type, or does not declare a label that every sample needs.
    """
    formats = (*template.formats, *template.derived_formats)
    if objective.format not in formats:
        raise SetupError(
            f"{name}: objective {objective.name} needs the dataset type {objective.format}, but the template"
            f" {template.name} gives {', '.join(formats)}; name a template that gives {objective.format}"
            f" (`preftemplates list templates --search {objective.format}` lists them)"
        )
    if not objective.required_labels:
        return
    declared = () if template.is_custom else template.labels(objective.format)
    for label in objective.required_labels:
        if label not in declared:
            raise SetupError(
                f"{name}: objective {objective.name} learns from the label {label} of the dataset type"
                f" {objective.format}, but the template {template.name} does not declare it; declare it, or name a"
                f" template that does, such as {SAFETY_TEMPLATE}"
            )


def check_labels(samples: Sequence[LabelledTokens], objective: Objective) -> None:
    """Raise an error if samples lack a label that an objective learns from, or their labels contradict each other.

    Args:
        samples: the samples to train on, or those to evaluate on.
        objective: the training objective.

    Raises:
        SetupError: a sample lacks a label that every sample needs, a label is too large, all samples lack an optional
            label, or many chosen answers are the unsafe ones.
    """
    for one in samples:
        for label in objective.labels:
            if label in objective.required_labels and label not in one.labels:
                raise SetupError(
                    f"{one.sample.source}, row {one.sample.row}: objective {objective.name} learns from the label"
                    f" {label}, but this {objective.unit} has none; add it to every row, or remove rows without it"
                )
            if label in one.labels and not abs(one.labels[label]) <= LARGEST_LABEL:
                raise SetupError(
                    f"{one.sample.source}, row {one.sample.row}: objective {objective.name} cannot learn from the"
                    f" {label} {one.labels[label]:g}, expected a number from {-LARGEST_LABEL:g} to {LARGEST_LABEL:g};"
                    " fix the row, or scale the column"
                )
    for label in objective.labels:
        if samples and not any(label in one.labels for one in samples):
            raise SetupError(
                f"objective {objective.name} learns from the label {label}, but no {objective.unit} has one: the"
                " template does not declare it, or is a custom template"
            )
    if "chosen_safe" in objective.labels:
        _check_safer_is_chosen(samples, objective)


def check_distance(one: LabelledTokens, distance: float) -> None:
    """Raise an error for a score so far from the scores that are trained on that its squared error overflows.

    Args:
        one: the sample.
        distance: the distance of its score from the mean of the training scores, in standard deviations.

    Raises:
        SetupError: the message names the row.
    """
    if not abs(distance) <= LARGEST_DISTANCE:
        raise SetupError(
            f"{one.sample.source}, row {one.sample.row}: the score {one.sample.labels['score']:g} is"
            f" {abs(distance):.0e} standard deviations from the mean of the training scores, expected at most"
            f" {LARGEST_DISTANCE:.0e}; fix the row, or remove it"
        )


def _check_safer_is_chosen(samples: Sequence[LabelledTokens], objective: Objective) -> None:
    contradictions = [one for one in samples if one.labels["chosen_safe"] < one.labels["rejected_safe"]]
    if len(contradictions) > MOST_CONTRADICTIONS * len(samples):
        first = contradictions[0].sample
        raise SetupError(
            f"{first.source}, row {first.row}: the chosen answer is unsafe and the rejected one is safe, as in"
            f" {len(contradictions):,} of {len(samples):,} pairs; objective {objective.name} expects the safer answer"
            f" as chosen; use a template that chooses it, such as {SAFETY_TEMPLATE}"
        )


LABEL_WORDS: Mapping[str, tuple[str, str]] = {"pointwise": ("bad", "good"), "safety_cost": ("unsafe", "safe")}
"""The objectives that learn one of two labels of each answer, with the words for 0 and 1."""


def find_only_label(samples: Iterable[LabelledTokens], objective: Objective) -> str | None:
    """Return the label that all answers have, in words; None if there are both labels, or the objective has none.

    With one label only, the loss has no minimum: it gets smaller with every step of the bias in one direction.
    """
    if objective.name not in LABEL_WORDS:
        return None
    found = {one.labels[label] for one in samples for label in objective.labels}
    return LABEL_WORDS[objective.name][int(found.pop())] if len(found) == 1 else None


def check_both_labels(samples: Sequence[LabelledTokens], objective: Objective) -> None:
    """Raise an error if all answers to train on have the same label, where an objective learns to tell two apart.

    Raises:
        SetupError: the message names the label.
    """
    only = find_only_label(samples, objective)
    if only is not None:
        bad, good = LABEL_WORDS[objective.name]
        answers = f"answers of the {len(samples):,} pairs" if objective.unit == "pair" else f"{len(samples):,} answers"
        other = ", or use --objective preference" if objective.unit == "pair" else ""
        raise SetupError(
            f"objective {objective.name}: all {answers} to train on are {only}, expected {good} and {bad} ones; check"
            f" the labels that the template declares, or add rows{other}"
        )
