"""A thin reward-model trainer over preftemplates, on `transformers.Trainer`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

PUBLIC_NAMES = {
    "RewardConfig": "settings.config",
    "RewardTrainer": "training.trainer",
    "Scorer": "evaluation.scorer",
    "bradley_terry": "model.losses",
    "read_config": "settings.command_line",
}
"""The names that users type, each with its module, which is loaded when the name is first used: torch is slow."""

__all__ = list(PUBLIC_NAMES)


def __getattr__(name: str) -> Any:
    if name not in PUBLIC_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PUBLIC_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC_NAMES})
