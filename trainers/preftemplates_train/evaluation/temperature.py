"""Temperature: the divisor of differences of rewards that makes their sigmoid a calibrated probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from preftemplates_train.evaluation.metrics import Floats

BISECTIONS = 100
"""How often the interval around the optimum is halved: until its width is that of rounding."""

NO_SIGNAL = 1e-12
"""A mean of margins below this share of their mean size is rounding."""


class TemperatureFit(NamedTuple):
    """The temperature with the lowest log loss.

    Attributes:
        temperature: the temperature, above 0; None if no temperature has the lowest loss.
        reason: why there is no temperature; None if there is one.
    """

    temperature: float | None = None
    reason: str | None = None


def fit_temperature(margins: Floats, weights: Floats) -> TemperatureFit:
    """Return the temperature T > 0 with the lowest mean of -log sigmoid(margin / T).

    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On Calibration of Modern Neural Networks, 2017, section 4.2, for
    two classes. The loss is convex in 1 / T, so the optimum is the only zero of its derivative, which bisection finds
    up to rounding. A temperature does not change the order of answers.

    Args:
        margins: the better answer's reward minus the worse one's, shape (P,).
        weights: the weights of the pairs, shape (P,).

    Returns:
        No temperature if the model gets no pair wrong, because the loss then falls with the temperature; and none if
        the weighted mean of the margins is not above 0, because the loss is then never below that of chance.

    >>> margins = np.array([4.0, 4.0, 4.0, -4.0])  # three of four are right, so sigmoid(4 / T) should be 3 / 4
    >>> round(4 / fit_temperature(margins, np.ones(4)).temperature, 6) == round(float(np.log(3)), 6)
    True
    """
    if float(weights @ margins) <= NO_SIGNAL * float(weights @ np.abs(margins)):
        return TemperatureFit(reason="the mean margin is not above 0, so no temperature beats chance")
    if not (margins < 0).any():
        reason = "the model gets no pair wrong, so the lower the temperature, the lower the loss; use more rows"
        return TemperatureFit(reason=reason)
    scale = float(np.abs(margins).max())
    return TemperatureFit(scale / _find_zero(margins / scale, weights))


def _find_zero(margins: Floats, weights: Floats) -> float:
    """Return the factor b at which the sum of weight * margin * sigmoid(-b * margin) is 0; the sum falls with b."""
    products, low, high = weights * margins, 0.0, 1.0
    while _sum_slopes(products, margins, high) > 0:
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _sum_slopes(products, margins, middle) > 0 else (low, middle)
    return (low + high) / 2


def _sum_slopes(products: Floats, margins: Floats, factor: float) -> float:
    return float(products @ np.exp(-np.logaddexp(0.0, factor * margins)))
