"""A thin reward-model trainer over preftemplates, on `transformers.Trainer`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

FACE = {
    "RewardConfig": "settings.config",
    "RewardTrainer": "training.trainer",
    "Scorer": "evaluation.scorer",
    "bradley_terry": "training.losses",
    "read_config": "settings.config",
}
"""The names that users type, each with its module, which is loaded when the name is asked for: torch takes seconds."""

__all__ = list(FACE)


def __getattr__(name: str) -> Any:
    if name not in FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{FACE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *FACE})
