"""Words of the report and the model card that depend on the objective of the run."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates_train.settings.objectives import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preftemplates_train.settings.objectives import FigureKind, SampleUnit


class Wording(NamedTuple):
    """The words for a kind of figures.

    Attributes:
        unit: the word for a sample.
        verb: what the model does with samples.
        higher: the answers that get a higher reward.
        accuracy: a sentence about the accuracy; empty if there is none.
        loss: a sentence about the log loss; empty if there is none.
        meaning: sentences about the meaning of a reward.
    """

    unit: SampleUnit
    verb: str
    higher: str
    accuracy: str
    loss: str
    meaning: str


_PAIR_MEANING = (
    "Only the difference between the rewards of two answers to the same prompt has a meaning: a difference d means"
    " that the first answer is preferred with probability 1 / (1 + exp(-d))."
)

WORDINGS: Mapping[FigureKind, Wording] = MappingProxyType(
    {
        "pairs": Wording(
            "pair",
            "ranks",
            "answers that were preferred",
            "How often the chosen answer gets the higher reward; chance gives 50%.",
            "How surprising the labels are, in nats per pair; chance gives 0.693, and lower is better.",
            _PAIR_MEANING,
        ),
        "safety": Wording(
            "pair",
            "ranks",
            "safer answers",
            "How often the safer answer gets the higher reward; chance gives 50%.",
            "How surprising the order is, in nats per pair; chance gives 0.693, and lower is better.",
            "The reward is minus the cost of an answer: above zero, the model judges it as safe, and below zero as"
            " unsafe. Of two answers to the same prompt, the one with the higher reward is the safer one.",
        ),
        "verdicts": Wording(
            "answer",
            "judges",
            "answers that were labelled as good",
            "How often the sign of the reward is right: above zero for good answers, below for bad ones.",
            "How surprising the labels are, in nats per answer; chance gives 0.693, and lower is better.",
            "A reward r means that the answer is good with probability 1 / (1 + exp(-r)): above zero, it is more"
            " likely good than bad.",
        ),
        "scores": Wording(
            "answer",
            "judges",
            "answers with higher scores",
            "",
            "",
            "A reward is a predicted score in standard deviations from the mean of the training scores: the score is"
            " mean + deviation * reward, and preftemplates.json holds both numbers as score_scale.",
        ),
    }
)
"""The wording of each kind of figures."""


def get_figure_kind(metrics: Mapping[str, Any]) -> FigureKind:
    """Return the kind of figures in the content of a `metrics.json`; without an objective, it is that of pairs."""
    return OBJECTIVES[metrics.get("objective", "preference")].figures


def get_wording(metrics: Mapping[str, Any]) -> Wording:
    """Return the wording for the content of a `metrics.json`."""
    return WORDINGS[get_figure_kind(metrics)]


def find_unit(counts: Mapping[str, Any]) -> SampleUnit:
    """Return the word for a sample, from the counts of a source."""
    return "answer" if "train_answers" in counts else "pair"
