"""What a law demands, and what a call came to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from preftemplates.errors import PrefTemplatesError


def demand(condition: object, message: str) -> None:
    """Raise an AssertionError unless the condition holds, also where Python runs without assert."""
    if not condition:
        raise AssertionError(message)


def same(found: object, wanted: object, message: str) -> None:
    """Demand that two values are spelled alike: by that 1 is not True, and a NaN is a NaN."""
    demand(repr(found) == repr(wanted), f"{message}: {found!r} and {wanted!r}")


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call gives, or the refusal that it raises."""
    try:
        return call(*arguments)
    except PrefTemplatesError as refusal:
        return refusal


def refusal(outcome: Any) -> tuple[object, ...] | None:
    """What a refusal is, whatever its words; None for any other outcome."""
    return (type(outcome), outcome.code) if isinstance(outcome, PrefTemplatesError) else None


def pass_on(outcome: Any) -> None:
    """Raise an outcome that is an error."""
    if isinstance(outcome, PrefTemplatesError):
        raise outcome
