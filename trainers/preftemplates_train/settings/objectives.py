"""The objectives of a run: what each reads of a row, which labels it learns from, and what is measured of it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ObjectiveName = Literal[
    "preference", "margin", "probability", "plackett_luce", "pointwise", "regression", "safety_cost"
]
"""What is learnt of a pair, of a ranking, or of a single answer."""

FigureKind = Literal["pairs", "safety", "verdicts", "scores"]
"""What held-out rewards are compared with: a better answer, that and whether answers are safe, verdicts, or scores."""

SampleUnit = Literal["pair", "answer"]
"""What a sample of a row is called: two answers of which one is better, or one answer."""

LABEL_DEFAULTS: Mapping[str, float] = MappingProxyType({"margin": 0.0, "probability": 1.0})
"""The labels that a sample may lack, each with its value for a sample that lacks it."""

PAIR_FIGURES = (
    "loss", "accuracy", "accuracy_stderr", "pairs", "chosen_mean", "chosen_std", "rejected_mean", "rejected_std",
    "margin_mean", "margin_std",
)  # fmt: skip

FIGURES: Mapping[FigureKind, tuple[str, ...]] = MappingProxyType(
    {
        "pairs": PAIR_FIGURES,
        "safety": (*PAIR_FIGURES, "safe_loss", "safe_accuracy", "safe_accuracy_stderr", "safe_majority_accuracy"),
        "verdicts": (
            "loss", "accuracy", "accuracy_stderr", "answers", "majority_accuracy", "auc", "good_share", "good_mean",
            "good_std", "bad_mean", "bad_std",
        ),
        "scores": ("loss", "answers", "rmse", "rmse_of_mean", "variance_explained", "spearman"),
    }
)  # fmt: skip
"""The figures of an evaluation, by which the best checkpoint can be chosen."""

SOURCE_FIGURES: Mapping[FigureKind, tuple[str, ...]] = MappingProxyType(
    {
        "pairs": ("pairs", "accuracy", "accuracy_stderr"),
        "safety": ("pairs", "accuracy", "accuracy_stderr", "safe_accuracy", "safe_accuracy_stderr"),
        "verdicts": ("answers", "accuracy", "accuracy_stderr"),
        "scores": ("answers", "rmse", "variance_explained", "spearman"),
    }
)
"""The figures that are given for each source of held-out samples."""

LOWER_IS_BETTER = ("rmse", "rmse_of_mean")
"""The figures, besides those whose names end with `loss`, that are better when they are lower."""


class Objective(NamedTuple):
    """What a run learns, and from which samples.

    Attributes:
        name: as of `--objective`.
        format: the dataset type that rows are read as.
        labels: the labels that the loss reads.
        figures: the kind of figures that are measured on held-out samples.
        needs_bias: whether a reward of zero has a meaning: a linear head then needs a bias, and centring contradicts.
        takes_smoothing: whether the loss can count some labels as wrong.
    """

    name: ObjectiveName
    format: Literal["preference", "unpaired", "scored"] = "preference"
    labels: tuple[str, ...] = ()
    figures: FigureKind = "pairs"
    needs_bias: bool = False
    takes_smoothing: bool = True

    @property
    def unit(self) -> SampleUnit:
        """What a sample is called."""
        return "pair" if self.format == "preference" else "answer"

    @property
    def required_labels(self) -> tuple[str, ...]:
        """The labels that every sample needs; of others one sample is enough."""
        return tuple(label for label in self.labels if label not in LABEL_DEFAULTS)


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        objective.name: objective
        for objective in (
            Objective("preference"),
            Objective("margin", labels=("margin",)),
            Objective("probability", labels=("probability",)),
            Objective("plackett_luce", takes_smoothing=False),
            Objective("pointwise", "unpaired", ("label",), "verdicts", needs_bias=True),
            Objective("regression", "scored", ("score",), "scores", needs_bias=True, takes_smoothing=False),
            Objective(
                "safety_cost",
                labels=("chosen_safe", "rejected_safe"),
                figures="safety",
                needs_bias=True,
                takes_smoothing=False,
            ),
        )
    }
)
"""The objectives by name."""

LABEL_NAMES = tuple(dict.fromkeys(label for objective in OBJECTIVES.values() for label in objective.labels))
"""The labels that an objective reads."""
