"""The accuracies that a model must reach for `evaluate --fail-below`: those of content-blind rules, or numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.errors import did_you_mean, preview
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.rules import CONTENT_BLIND_RULES, PLACE_RULES, find_best_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BEST_RULE = "best-rule"
"""The name that stands for the rule with the highest accuracy on the file."""

RULE_WORDS = (*(name.replace("_", "-") for name in CONTENT_BLIND_RULES), BEST_RULE)
"""The rules as `--fail-below` spells them; it also accepts underscores."""

EQUAL_WITHIN = 1e-12
"""Accuracies that differ by less are equal."""


class AccuracyBound(NamedTuple):
    """A lower bound of the model's accuracy.

    Attributes:
        word: the value of the option.
        rule: the key of the rule, or `BEST_RULE`; None for a number.
        number: the accuracy; None for a rule.
    """

    word: str
    rule: str | None = None
    number: float | None = None

    @property
    def needs_places(self) -> bool:
        """Whether the rule depends on which of two answers a row lists first."""
        return self.rule in PLACE_RULES


def parse_bound(word: str) -> AccuracyBound:
    """Parse a value of `--fail-below`.

    Raises:
        SetupError: the value is neither a rule nor a number from 0 to 1.

    >>> parse_bound("more_list_marks").rule, parse_bound("0.6").number
    ('more_list_marks', 0.6)
    """
    name = word.strip().lower().replace("_", "-")
    if name in RULE_WORDS:
        return AccuracyBound(word, rule=name if name == BEST_RULE else name.replace("-", "_"))
    try:
        number = float(word)
    except ValueError:
        raise SetupError(
            f"fail_below: there is no rule {preview(word)}; expected one of {', '.join(RULE_WORDS)}, or a number from"
            f" 0 to 1 such as 0.6.{did_you_mean(name, RULE_WORDS)}"
        ) from None
    if not 0 <= number <= 1:
        raise SetupError(f"fail_below: expected an accuracy from 0 to 1, got {preview(word)}; write 0.6 for 60 %")
    return AccuracyBound(word, number=number)


def check_bounds(bounds: Iterable[AccuracyBound], figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each bound that the model's accuracy is below.

    The accuracies themselves are compared, not their intervals. An accuracy that equals a bound is not below it.

    Args:
        bounds: the bounds.
        figures: the result of `evaluate_samples`, with `source`.

    Raises:
        SetupError: a rule needs the positions of the answers, and the file does not show them.

    >>> figures = {"source": "a.jsonl", "accuracy": 0.5, "rules": {"longer": 0.75}}
    >>> list(check_bounds([parse_bound("longer"), parse_bound("0.5")], figures))
    ["a.jsonl: accuracy 0.5 is below 0.75, the accuracy of the rule 'longer' [--fail-below longer]"]
    """
    for bound in bounds:
        name, needed = _find_needed_accuracy(bound, figures)
        if figures["accuracy"] < needed - EQUAL_WITHIN:
            what = "" if name is None else f", the accuracy of the rule {name!r}"
            found = f"{figures['source']}: accuracy {figures['accuracy']:.6g} is below {needed:.6g}"
            yield f"{found}{what} [--fail-below {bound.word}]"


def _find_needed_accuracy(bound: AccuracyBound, figures: Mapping[str, Any]) -> tuple[str | None, float]:
    """Return the rule of a bound, as `--fail-below` spells it, and the accuracy."""
    if bound.number is not None:
        return None, bound.number
    rule = find_best_rule(figures["rules"]) if bound.rule == BEST_RULE else bound.rule
    if rule not in figures["rules"]:
        raise make_place_error(
            bound,
            str(figures["source"]),
            "the scored rows do not list the better answer first in some and last in others",
        )
    return str(rule).replace("_", "-"), figures["rules"][rule]


def make_place_error(bound: AccuracyBound, source: str, reason: str) -> SetupError:
    """Return the error for a rule that depends on which answer a row lists first, if that is unknown."""
    return SetupError(
        f"{source}: the rule {bound.word!r} of --fail-below cannot be computed: {reason}; name another rule, such as"
        " longer"
    )
