"""Checks that raise an error if a property does not hold, and calls whose outcome may be an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Callable


def demand(condition: object, message: str) -> None:
    """Raise an AssertionError unless a condition holds, even if Python runs with assert statements disabled."""
    if not condition:
        raise AssertionError(message)


def demand_equal(actual: object, expected: object, message: str) -> None:
    """Check that two values have the same repr, so that 1 differs from True, and NaN equals NaN."""
    demand(repr(actual) == repr(expected), f"{message}: got {actual!r}, expected {expected!r}")


def get_outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a call, or the error that it raises if the error is one of this library's."""
    try:
        return call(*arguments)
    except PrefTemplatesError as error:
        return error


def describe_error(outcome: Any) -> tuple[object, ...] | None:
    """Return the type and code of an error, without its message; None for any other outcome."""
    return (type(outcome), outcome.code) if isinstance(outcome, PrefTemplatesError) else None


def raise_error(outcome: Any) -> None:
    """Raise an outcome if it is an error."""
    if isinstance(outcome, PrefTemplatesError):
        raise outcome
