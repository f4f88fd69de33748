"""Checks that rows have what an objective learns from: its dataset type, and its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates import Template
    from preftemplates_train.data.encoding import LabelledTokens
    from preftemplates_train.settings.objectives import Objective

MOST_CONTRADICTIONS = 0.05
"""The share of pairs whose chosen answer may be the unsafe one, from which on the template is taken to be wrong."""

SAFETY_TEMPLATE = "PKUSafeRLHF-safety"
"""The bundled template that says of both answers of a pair whether they are safe."""


def check_template(name: str, template: Template, objective: Objective) -> None:
    """Raise an error if a template cannot give the samples that an objective learns from.

    Args:
        name: the name of the data.
        template: how its rows are read.
        objective: what is learnt.

    Raises:
        SetupError: it gives no samples of the dataset type, or declares no label that every sample needs.
    """
    formats = (*template.formats, *template.derived_formats)
    if objective.format not in formats:
        raise SetupError(
            f"{name}: objective {objective.name} reads rows as {objective.format}, and the template {template.name}"
            f" gives {', '.join(formats)}; name a template that gives {objective.format} (`preftemplates list"
            f" templates --search {objective.format}` lists them)"
        )
    if not objective.required_labels:
        return
    declared = () if template.is_custom else template.labels(objective.format)
    for label in objective.required_labels:
        if label not in declared:
            raise SetupError(
                f"{name}: objective {objective.name} learns from the label {label} of the dataset type"
                f" {objective.format}, and the template {template.name} declares none; declare it, or name a template"
                f" that does, such as {SAFETY_TEMPLATE}"
            )


def check_labels(samples: Sequence[LabelledTokens], objective: Objective) -> None:
    """Raise an error if samples lack a label that an objective learns from, or their labels contradict each other.

    Args:
        samples: what is trained on, or what is evaluated.
        objective: what is learnt.

    Raises:
        SetupError: one lacks a label that every sample needs, all lack one that is learnt from where it is there, or
            many chosen answers are the unsafe ones.
    """
    for one in samples:
        for label in objective.required_labels:
            if label not in one.labels:
                raise SetupError(
                    f"{one.sample.source}, row {one.sample.row}: objective {objective.name} learns from the label"
                    f" {label}, and this {objective.unit} has none; give each row one, or leave such rows out"
                )
    for label in objective.labels:
        if samples and not any(label in one.labels for one in samples):
            raise SetupError(
                f"objective is {label}, and no {objective.unit} has one: the template declares none, or is a custom"
                " template"
            )
    if "chosen_safe" in objective.labels:
        _check_safer_is_chosen(samples, objective)


def _check_safer_is_chosen(samples: Sequence[LabelledTokens], objective: Objective) -> None:
    contradictions = [one for one in samples if one.labels["chosen_safe"] < one.labels["rejected_safe"]]
    if len(contradictions) > MOST_CONTRADICTIONS * len(samples):
        first = contradictions[0].sample
        raise SetupError(
            f"{first.source}, row {first.row}: the chosen answer is unsafe and the rejected one is safe, as in"
            f" {len(contradictions):,} of {len(samples):,} pairs; objective {objective.name} expects the safer answer"
            f" as chosen, as the template {SAFETY_TEMPLATE} gives it"
        )
