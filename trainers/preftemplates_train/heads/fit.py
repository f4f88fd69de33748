"""Fit a linear head: minimise a convex loss of rewards with a squared penalty to a given tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from preftemplates_train.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_STEPS = 2000

TOLERANCE = 1e-8
"""The largest entry of the gradient at which a fit ends, for a mean loss and standardised features."""

LEAST_SPREAD = 0.01
"""The smallest deviation of a feature, as a share of the root mean square of all deviations."""

LOOSEST = 100.0
"""The factor by which rounding may keep a gradient above the tolerance before a fit counts as failed."""


class LinearHead(NamedTuple):
    """A linear function of features.

    Attributes:
        weights: shape (width,).
        bias: added to the rewards; zero for losses that only compare them.
    """

    weights: Tensor
    bias: Tensor

    def apply(self, features: Tensor) -> Tensor:
        """Return the rewards of texts with these features, shape (texts, width)."""
        return features @ self.weights + self.bias


class Scaling(NamedTuple):
    """The mean and the spread of each feature.

    Attributes:
        mean: shape (width,).
        spread: shape (width,), above zero.
    """

    mean: Tensor
    spread: Tensor

    @classmethod
    def measure(cls, features: Tensor) -> Scaling:
        """Return the mean and the standard deviation of features of shape (texts, width).

        Deviations below `LEAST_SPREAD` times the root of their mean square are raised to it. Otherwise a feature that
        hardly varies would get a weight so large that rewards in float32 are mostly its rounding.
        """
        spread = features.std(0, correction=0)  # with the default correction, a single text gives NaN
        least = (LEAST_SPREAD * spread.square().mean().sqrt()).clamp(min=1e-30)
        return cls(features.mean(0), spread.clamp(min=least))

    def apply(self, features: Tensor) -> Tensor:
        """Return features with mean zero and standard deviation one."""
        return (features - self.mean) / self.spread

    def fold(self, head: LinearHead) -> LinearHead:
        """Return the head for unscaled features that gives the same rewards as a head for scaled ones."""
        weights = head.weights / self.spread
        return LinearHead(weights, head.bias - weights @ self.mean)


def fit_head(
    features: Tensor,
    loss: Callable[[Tensor], Tensor],
    penalty: float,
    *,
    start: LinearHead | None = None,
    with_bias: bool = False,
    tolerance: float = TOLERANCE,
) -> LinearHead:
    """Return the head that minimises the mean loss plus half the penalty times the squared weights.

    The function is convex, and strongly so in the weights, so it has one minimum, and the weights are nearer to it
    than the norm of the gradient divided by the penalty. It is found by L-BFGS (Liu and Nocedal, "On the limited
    memory BFGS method for large scale optimization", 1989), with a line search by the strong Wolfe conditions.

    Args:
        features: the features of all texts, shape (texts, width); standardised, so that one penalty suits them all.
        loss: a convex function from the rewards of the texts, shape (texts,), to the mean loss.
        penalty: the penalty, above zero.
        start: the head to start from, such as the fit for another penalty.
        with_bias: whether to fit a bias too, without a penalty.
        tolerance: the largest entry of the gradient at which the fit ends.

    Raises:
        TrainingError: the gradient does not get below the tolerance.

    Example:
        >>> import torch
        >>> from torch.nn.functional import logsigmoid
        >>> features = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        >>> head = fit_head(features, lambda rewards: -logsigmoid(rewards[0] - rewards[1]), penalty=1.0)
        >>> round(head.weights.item(), 4)  # 2 / (1 + exp(2 w)) = w
        0.5213
    """
    # a fit in the row space has as many weights as texts, where a model's width may be thousands
    basis = find_row_space(features)
    reduced = features if basis is None else features @ basis
    weights = torch.zeros(reduced.shape[1], dtype=features.dtype)
    bias = torch.zeros((), dtype=features.dtype)
    if start is not None:
        weights = (start.weights if basis is None else start.weights @ basis).clone()
        bias = start.bias.clone()
    variables = [weights.requires_grad_(), *([bias.requires_grad_()] if with_bias else [])]
    optimizer = torch.optim.LBFGS(
        variables,
        max_iter=MOST_STEPS,
        max_eval=2 * MOST_STEPS,
        tolerance_grad=tolerance,
        tolerance_change=0.0,  # with torch's 1e-9, fits end at gradients of about 1e-6, by the change of the loss
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = loss(reduced @ weights + bias) + 0.5 * penalty * weights.square().sum()
        value.backward()
        return value

    optimizer.step(evaluate)
    evaluate()  # the line search may end at another point than the one that it evaluated last
    gradient = max(float(variable.grad.abs().max()) for variable in variables if variable.grad is not None)
    if not gradient <= LOOSEST * tolerance:  # also true of NaN
        raise TrainingError(f"the head's fit did not converge: its gradient is {gradient:.2g} at penalty {penalty:g}")
    with torch.no_grad():
        return LinearHead((weights if basis is None else basis @ weights).detach(), bias.detach())


def find_row_space(features: Tensor) -> Tensor | None:
    """Return an orthonormal basis of the features' rows, shape (width, texts), if there are fewer texts than features.

    The weights of a fit are in the span of the rows: a component that is orthogonal to it changes no reward and adds
    to the penalty. So a head can be fitted to the features' coordinates in this basis.
    """
    texts, width = features.shape
    return torch.linalg.qr(features.T)[0] if texts < width else None
