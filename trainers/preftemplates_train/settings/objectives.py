"""The objectives of a run: the dataset type, the labels and the metrics of each."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ObjectiveName = Literal[
    "preference", "margin", "probability", "plackett_luce", "pointwise", "regression", "safety_cost"
]
"""The names of the objectives, which learn from pairs, rankings or single answers."""

FigureKind = Literal["pairs", "safety", "verdicts", "scores"]
"""How held-out rewards are measured: by pairs, by pairs and safety labels, by labels good or bad, or by scores."""

SampleUnit = Literal["pair", "answer"]
"""The word for a sample: a pair of a better and a worse answer, or a single answer."""

LABEL_DEFAULTS: Mapping[str, float] = MappingProxyType({"margin": 0.0, "probability": 1.0})
"""The labels that a sample may lack, each with its default."""

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
"""The metrics of an evaluation; `metric_for_best_model` names one of them."""

SOURCE_FIGURES: Mapping[FigureKind, tuple[str, ...]] = MappingProxyType(
    {
        "pairs": ("pairs", "accuracy", "accuracy_stderr"),
        "safety": ("pairs", "accuracy", "accuracy_stderr", "safe_accuracy", "safe_accuracy_stderr"),
        "verdicts": ("answers", "accuracy", "accuracy_stderr"),
        "scores": ("answers", "rmse", "variance_explained", "spearman"),
    }
)
"""The metrics that are reported per source of held-out samples."""

LOWER_IS_BETTER = ("rmse", "rmse_of_mean")
"""The metrics that are better when they are lower, next to those whose names end with `loss`."""


class Objective(NamedTuple):
    """A training objective, and the samples that it learns from.

    Attributes:
        name: the value of `--objective`.
        format: the dataset type that rows are read as.
        labels: the labels that the loss reads.
        figures: the kind of metrics that are computed on held-out samples.
        needs_bias: whether a reward of zero has a meaning. A linear head then needs a bias, and rewards cannot be
            centred.
        takes_smoothing: whether the loss can treat a share of the labels as wrong.
    """

    name: ObjectiveName
    format: Literal["preference", "unpaired", "scored"] = "preference"
    labels: tuple[str, ...] = ()
    figures: FigureKind = "pairs"
    needs_bias: bool = False
    takes_smoothing: bool = True

    @property
    def unit(self) -> SampleUnit:
        """The word for a sample."""
        return "pair" if self.format == "preference" else "answer"

    @property
    def required_labels(self) -> tuple[str, ...]:
        """The labels that every sample needs; for the others, one sample with the label is enough."""
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
