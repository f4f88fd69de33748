"""Words of the report and the model card that depend on what a run learns."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates_train.settings.objectives import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preftemplates_train.settings.objectives import FigureKind, SampleUnit


class Wording(NamedTuple):
    """How the figures of a kind are spoken of.

    Attributes:
        unit: what a sample is called.
        verb: what the model does with samples.
        higher: which answers get a higher reward.
        accuracy: what its accuracy counts, as a sentence; empty if it has none.
        loss: what its log loss is, as a sentence; empty if it has none.
        meaning: what a reward says, as sentences.
    """

    unit: SampleUnit
    verb: str
    higher: str
    accuracy: str
    loss: str
    meaning: str


_PAIR_MEANING = (
    "Only differences between rewards of answers to one prompt mean something: a difference d says that the first"
    " answer is preferred with probability 1 / (1 + exp(-d))."
)

WORDINGS: Mapping[FigureKind, Wording] = MappingProxyType(
    {
        "pairs": Wording(
            "pair",
            "ranks",
            "answers that were preferred",
            "How often the chosen answer gets the higher reward; a coin gets 50%.",
            "How surprising the labels are, in nats per pair; a coin has 0.693, and lower is better.",
            _PAIR_MEANING,
        ),
        "safety": Wording(
            "pair",
            "ranks",
            "safer answers",
            "How often the safer answer gets the higher reward; a coin gets 50%.",
            "How surprising the order is, in nats per pair; a coin has 0.693, and lower is better.",
            "The reward is minus the cost of an answer: above zero the model takes it for safe, below for unsafe. Of"
            " two answers to one prompt, the one with the higher reward is the safer one.",
        ),
        "verdicts": Wording(
            "answer",
            "judges",
            "answers that were labelled as good",
            "How often the sign of the reward is right: above zero for good answers, below for bad ones.",
            "How surprising the labels are, in nats per answer; a coin has 0.693, and lower is better.",
            "A reward r says that the answer is good with probability 1 / (1 + exp(-r)): above zero more probably good"
            " than bad.",
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
    """Return the kind of figures that the content of a `metrics.json` has: of pairs, if it names no objective."""
    return OBJECTIVES[metrics.get("objective", "preference")].figures


def get_wording(metrics: Mapping[str, Any]) -> Wording:
    """Return the wording of the content of a `metrics.json`."""
    return WORDINGS[get_figure_kind(metrics)]


def find_unit(counts: Mapping[str, Any]) -> SampleUnit:
    """Return what a sample is called in counts of a source."""
    return "answer" if "train_answers" in counts else "pair"
