"""Check the optimizer and the schedule before any data is read, by creating both for a single weight."""

from __future__ import annotations

from copy import copy
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer, TrainingArguments, get_scheduler
from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

from preftemplates_train.errors import SetupError, summarize_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates_train.settings.config import RewardConfig


def check_optimization(config: RewardConfig) -> None:
    """Raise an error for an optimizer or a schedule that cannot be created, or that ignores one of its settings.

    Raises:
        SetupError: the message names the setting.
    """
    layer = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False))
    name = _get_text(config.optim)
    given = f" with optim_args {config.optim_args}" if config.optim_args else ""
    try:
        kind, options = _describe_optimizer(config, layer)
        if set(options) & {"optimizer_dict", "model"}:  # such optimizers are created per weight, or from the model
            optimizer = torch.optim.AdamW(layer.parameters())
        else:
            optimizer = kind(layer.parameters(), **options)
    except Exception as error:
        raise SetupError(f"optim {name}{given} cannot be created: {summarize_error(error)}") from error
    for unused in _find_unused_settings(config, layer, (kind, options)):
        raise SetupError(f"{unused} has no effect with optim {name}; leave it out, or name another --optim")
    _check_schedule(config, optimizer)


def _describe_optimizer(config: RewardConfig, layer: torch.nn.Module, **changed: Any) -> tuple[Any, dict[str, Any]]:
    """Return the optimizer's class and its arguments, with some settings changed."""
    other = copy(config)
    for name, value in changed.items():
        setattr(other, name, value)
    if other.optim_target_modules is not None:
        other.optim_target_modules = "all-linear"  # the single layer lacks the names of the model's modules
    kind, options = Trainer.get_optimizer_cls_and_kwargs(other, layer)  # type: ignore[arg-type]
    return kind, options


def _find_unused_settings(config: RewardConfig, layer: torch.nn.Module, made: tuple[Any, Any]) -> Iterator[str]:
    """Yield the given settings whose values do not change the optimizer: another value makes the same one."""
    others: dict[str, dict[str, Any]] = {}
    arguments = dict(part.split("=") for part in (config.optim_args or "").replace(" ", "").split(",") if part)
    for name in arguments:
        changed = ",".join(f"{key}={'0.123' if key == name else value}" for key, value in arguments.items())
        others[f"optim_args {name}"] = {"optim_args": changed}
    for name in ("adam_beta1", "adam_beta2", "adam_epsilon"):
        if getattr(config, name) != TrainingArguments.__dataclass_fields__[name].default:
            others[name] = {name: 0.123}
    if config.optim_target_modules is not None:
        others["optim_target_modules"] = {"optim_target_modules": None}
    for setting, changed_settings in others.items():
        try:
            if _describe_optimizer(config, layer, **changed_settings) == made:
                yield setting
        except Exception:  # noqa: BLE001  the other value is an error, so the setting is read
            continue


def _check_schedule(config: RewardConfig, optimizer: torch.optim.Optimizer) -> None:
    name, arguments = _get_text(config.lr_scheduler_type), config.lr_scheduler_kwargs or {}
    known = _list_schedule_arguments(config)
    given = f" with lr_scheduler_kwargs {arguments}" if arguments else ""
    try:
        if not known and arguments:
            raise TypeError("it takes no arguments")
        get_scheduler(
            config.lr_scheduler_type,
            optimizer=optimizer,
            num_warmup_steps=0,
            num_training_steps=10,
            scheduler_specific_kwargs=arguments,  # type: ignore[arg-type]
        )
    except Exception as error:
        fix = f"; lr_scheduler_kwargs may hold {', '.join(known)}" if known else "; leave lr_scheduler_kwargs out"
        message = f"lr_scheduler_type {name}{given} cannot be created: {summarize_error(error)}{fix}"
        raise SetupError(message) from error


def _list_schedule_arguments(config: RewardConfig) -> list[str]:
    """Return the arguments of a schedule that `lr_scheduler_kwargs` may hold."""
    if _get_text(config.lr_scheduler_type) in ("constant", "constant_with_warmup"):
        return []
    made_by_trainer = {"optimizer", "num_warmup_steps", "num_training_steps", "last_epoch"}
    parameters = signature(TYPE_TO_SCHEDULER_FUNCTION[config.lr_scheduler_type]).parameters  # type: ignore[index,arg-type]
    return [name for name in parameters if name not in made_by_trainer]


def _get_text(value: object) -> str:
    """Return the text of a choice, which may be a member of one of transformers' enumerations."""
    return str(getattr(value, "value", value))
