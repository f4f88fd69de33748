"""Choose a layer and a penalty by cross-validation, and fit the head with them."""

from __future__ import annotations

import random
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from preftemplates_train.data.label_checks import find_only_label
from preftemplates_train.heads.feature_table import FeatureTable, HeadBatch
from preftemplates_train.heads.fit import LinearHead, Scaling, find_row_space, fit_head
from preftemplates_train.model.losses import compute_objective
from preftemplates_train.progress import track
from preftemplates_train.settings.objectives import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from preftemplates_train.data.encoding import TokenGroup
    from preftemplates_train.data.labelled_texts import LabelledTexts

PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""The penalties to try, for a mean loss and standardised features, the strongest first."""

FOLDS = 5

ROUGH_TOLERANCE = 1e-4
"""The tolerance of fits that are only compared with each other."""

WORSENINGS = 2
"""The number of penalties in a row without improvement after which weaker ones are not tried."""


class HeadObjective(NamedTuple):
    """The objective of a fit.

    Attributes:
        name: a value of `--objective`.
        label_smoothing: as in `bradley_terry`.
    """

    name: str = "preference"
    label_smoothing: float = 0.0

    @property
    def needs_bias(self) -> bool:
        """Whether the loss depends on single rewards, not only on differences."""
        return OBJECTIVES[self.name].needs_bias

    def make_loss(self, batch: HeadBatch) -> Callable[[Tensor], Tensor]:
        """Return the mean loss of a batch as a function of its rewards."""
        return lambda rewards: compute_objective(self.name, rewards, batch.labels, self.label_smoothing)


class ValidationLoss(NamedTuple):
    """The loss of a layer and a penalty on left-out folds.

    Attributes:
        cut: the index of the cut in the table.
        penalty: the penalty.
        losses: the loss on each fold.
    """

    cut: int
    penalty: float
    losses: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the folds."""
        return sum(self.losses) / len(self.losses)


class FittedHead(NamedTuple):
    """A head, and how it was chosen.

    Attributes:
        head: the head, for features that are not standardised.
        cut: the index of the cut in the table.
        penalty: the penalty.
        validation: the losses of all cuts and penalties that were tried; empty if there were too few prompts.
    """

    head: LinearHead
    cut: int
    penalty: float
    validation: tuple[ValidationLoss, ...]


def find_opening(sample: LabelledTexts) -> str:
    """Return the first message of a sample's prompt, or its whole prompt if there are no messages.

    Prompts from the same conversation have the same first message, and are kept in one fold.
    """
    if sample.messages is None:
        return sample.prompt
    first = next((message for message in sample.messages.prompt if message["role"] == "user"), None)
    return sample.prompt if first is None else repr(first.get("content"))


def draw_folds(groups: Sequence[TokenGroup], folds: int, seed: int) -> list[int]:
    """Return the fold of each group; groups with the same first message are in one fold."""
    openings = [find_opening(group[0].sample) for group in groups]
    distinct = sorted(set(openings))
    random.Random(seed).shuffle(distinct)
    number_of = {opening: number for number, opening in enumerate(distinct)}
    return [number_of[opening] % min(folds, len(distinct)) for opening in openings]


def fit_best_head(
    table: FeatureTable,
    groups: Sequence[TokenGroup],
    objective: HeadObjective,
    *,
    seed: int,
    penalties: Sequence[float] = PENALTIES,
) -> FittedHead:
    """Choose a cut and a penalty by cross-validation over prompts, and fit the head to all groups.

    The choice is the cut and the penalty with the smallest loss by `smooth_losses`; of equal ones, the cut with the
    fewest layers.

    Args:
        table: the features.
        groups: the groups to fit, whose texts are in the table.
        objective: the objective of the fit.
        seed: the seed of the folds.
        penalties: the penalties to choose from, the strongest first.
    """
    validation: tuple[ValidationLoss, ...] = ()
    cut, penalty = table.values.shape[1] - 1, 1.0 if 1.0 in penalties else penalties[0]
    folds = [
        (HeadBatch.from_groups(fitted, table), HeadBatch.from_groups(left_out, table))
        for fitted, left_out in split_folds(groups, objective, seed)
    ]
    if folds:
        validation = tuple(
            loss
            for number in track(range(table.values.shape[1]), "choosing the layer")
            for loss in _validate_cut(number, table, folds, objective, penalties)
        )
        losses = smooth_losses(validation)
        cut, penalty = min(losses, key=losses.__getitem__)
    batch = HeadBatch.from_groups(groups, table)
    features = table.values[batch.rows, cut].double()
    scaling = Scaling.measure(features)
    head = fit_head(scaling.apply(features), objective.make_loss(batch), penalty, with_bias=objective.needs_bias)
    return FittedHead(scaling.fold(head), cut, penalty, validation)


def smooth_losses(validation: Sequence[ValidationLoss]) -> dict[tuple[int, float], float]:
    """Return the loss of each cut and penalty, averaged with the losses of the neighbouring cuts for that penalty.

    The loss changes slowly from layer to layer, and with a thousand pairs the choice of the folds changes it by more.
    A cut whose neighbours were not tried with a penalty has no loss for it, unless no cut has one.

    >>> validation = [ValidationLoss(cut, 1.0, (loss,)) for cut, loss in enumerate([0.6, 0.8, 0.65, 0.66, 0.67])]
    >>> losses = smooth_losses(validation)
    >>> min(losses, key=losses.__getitem__)
    (3, 1.0)
    """
    mean_of = {(loss.cut, loss.penalty): loss.mean for loss in validation}
    cuts = {loss.cut for loss in validation}
    smooth = {}
    for cut, penalty in mean_of:
        window = [(other, penalty) for other in (cut - 1, cut, cut + 1) if other in cuts]
        if all(place in mean_of for place in window):
            smooth[cut, penalty] = sum(mean_of[place] for place in window) / len(window)
    return smooth or mean_of


def split_folds(
    groups: Sequence[TokenGroup], objective: HeadObjective, seed: int
) -> list[tuple[list[TokenGroup], list[TokenGroup]]]:
    """Return for each fold the other groups, to fit, and the groups of the fold, to compute the loss on.

    A fold is left out if its other groups have one label only, to which no head can be fitted. With a single prompt,
    there are no folds.
    """
    fold_of = draw_folds(groups, FOLDS, seed)
    folds = []
    for fold in sorted(set(fold_of)):
        sides: tuple[list[TokenGroup], list[TokenGroup]] = ([], [])
        for group, number in zip(groups, fold_of, strict=True):
            sides[number == fold].append(group)
        if sides[0] and find_only_label(chain.from_iterable(sides[0]), OBJECTIVES[objective.name]) is None:
            folds.append(sides)
    return folds


def _validate_cut(
    cut: int,
    table: FeatureTable,
    folds: Sequence[tuple[HeadBatch, HeadBatch]],
    objective: HeadObjective,
    penalties: Sequence[float],
) -> list[ValidationLoss]:
    """Return the losses of a cut for each penalty, from strong to weak, until they get worse."""
    fits = []
    for fitted, left_out in folds:
        features = table.values[fitted.rows, cut].double()
        scaling = Scaling.measure(features)
        basis = find_row_space(features := scaling.apply(features))
        others = scaling.apply(table.values[left_out.rows, cut].double())
        fits.append((features, others) if basis is None else (features @ basis, others @ basis))
    heads: list[LinearHead | None] = [None] * len(folds)
    results: list[ValidationLoss] = []
    for penalty in penalties:
        losses = []
        for number, (fitted, left_out) in enumerate(folds):
            features, others = fits[number]
            head = fit_head(
                features,
                objective.make_loss(fitted),
                penalty,
                start=heads[number],
                with_bias=objective.needs_bias,
                tolerance=ROUGH_TOLERANCE,
            )
            heads[number] = head
            losses.append(float(objective.make_loss(left_out)(head.apply(others))))
        results.append(ValidationLoss(cut, penalty, tuple(losses)))
        best = min(range(len(results)), key=lambda at: results[at].mean)
        if len(results) - 1 - best >= WORSENINGS:
            break
    return results
