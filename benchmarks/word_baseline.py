"""Logistic regression on bags of words: how well words alone predict which answer was chosen."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from hh_pairs import SIDES, Floats, Rows, folds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)


INNER_FOLDS = 5


def word_wins(rows: Rows, seeds: int, folds: int) -> Floats:
    """Return whether a bag of words prefers the chosen answer, for each seed and pair, on the model's folds."""
    kernel, openings = word_kernel(rows), np.array(rows.openings)
    wins = np.empty((seeds, len(openings)))
    for seed in range(seeds):
        fold_of = folds_of(rows.openings, folds, seed)
        for fold in range(folds):
            own, rest = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            penalty = choose_penalty(kernel[np.ix_(rest, rest)], openings[rest].tolist(), seed)
            margins = kernel[np.ix_(own, rest)] @ fit(kernel[np.ix_(rest, rest)], penalty)
            wins[seed, own] = (np.sign(margins) + 1) / 2
    return wins


def word_kernel(rows: Rows) -> Floats:
    """Return the inner products of the pairs' features: for each word log(1 + its count), chosen minus rejected."""
    counts = {side: [Counter(re.findall(r"\w+", text.lower())) for text in rows.answers(side)] for side in SIDES}
    known = {word for counted in chain(*counts.values()) for word in counted}
    words = {word: at for at, word in enumerate(sorted(known))}
    features = np.zeros((len(rows.pairs), len(words)))
    for side, sign in SIDES.items():
        for number, counted in enumerate(counts[side]):
            for word, count in counted.items():
                features[number, words[word]] += sign * np.log1p(count)
    kernel: Floats = features @ features.T
    return kernel


def choose_penalty(kernel: Floats, openings: Sequence[str], seed: int) -> float:
    """Return the penalty with the smallest loss in folds of the training pairs."""
    fold_of = folds_of(openings, INNER_FOLDS, seed)
    losses = dict.fromkeys(PENALTIES, 0.0)
    for fold in range(INNER_FOLDS):
        own, rest = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        for penalty in PENALTIES:
            margins = kernel[np.ix_(own, rest)] @ fit(kernel[np.ix_(rest, rest)], penalty)
            losses[penalty] += float(np.logaddexp(0, -margins).sum())
    return min(losses, key=losses.__getitem__)


def fit(kernel: Floats, penalty: float) -> Floats:
    """Fit logistic regression by Newton's method: the weights are the sum of the features times these numbers.

    It minimises the sum of -log sigmoid(margin) plus half the penalty times the squared weights. At the minimum, the
    penalty times a pair's number is sigmoid(-margin).
    """
    numbers: Any = np.zeros(len(kernel))
    for _ in range(50):
        margins = kernel @ numbers
        wrong = 1 / (1 + np.exp(margins))
        if np.abs(penalty * numbers - wrong).max() < 1e-6:
            return np.asarray(numbers)
        curve = wrong * (1 - wrong)
        system = curve[:, None] * kernel + penalty * np.eye(len(kernel))
        numbers = np.linalg.solve(system, curve * margins + wrong)
    raise ArithmeticError("Newton's method did not converge")
