"""Demands: what a law raises where it does not hold, and the outcome of a call, which may be an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Callable


def demand(condition: object, message: str) -> None:
    """Raise an AssertionError unless the condition holds, also where Python runs without assert."""
    if not condition:
        raise AssertionError(message)


def demand_equal(actual: object, expected: object, message: str) -> None:
    """Demand that two values are spelled alike: by that 1 is not True, and a NaN is a NaN."""
    demand(repr(actual) == repr(expected), f"{message}: {actual!r} and {expected!r}")


def get_outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a call, or the error of this library that it raises."""
    try:
        return call(*arguments)
    except PrefTemplatesError as error:
        return error


def describe_error(outcome: Any) -> tuple[object, ...] | None:
    """Return the type and code of an error, whatever its words; None for any other outcome."""
    return (type(outcome), outcome.code) if isinstance(outcome, PrefTemplatesError) else None


def raise_error(outcome: Any) -> None:
    """Raise an outcome that is an error."""
    if isinstance(outcome, PrefTemplatesError):
        raise outcome
