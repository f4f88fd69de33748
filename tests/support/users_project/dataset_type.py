"""A dataset type of a user's own: a prompt, and a good, a middling and a bad answer."""

# pyright: strict

from dataclasses import dataclass
from typing import TypeVar

from preftemplates import Dialect, Sample, register_dialect

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Triple(Sample[T]):
    good: T
    middling: T
    bad: T
    agreement: T | float | None = None


@register_dialect("triples")
class Triples(Dialect):
    triple = {"prompt": "prompt.content", "answers": ["good.content", "middling.content", "bad.content"]}
