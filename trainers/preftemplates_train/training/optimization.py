"""Checks of the optimizer and the schedule before any data is read: both are made once for a single weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import Trainer, get_scheduler

from preftemplates_train.errors import SetupError, summarize_error

if TYPE_CHECKING:
    from preftemplates_train.settings.config import RewardConfig


def check_optimization(config: RewardConfig) -> None:
    """Raise an error for an optimizer or a schedule that cannot be made, or a precision that the device lacks.

    Raises:
        SetupError: the message names the setting.
    """
    if config.fp16 and config.device.type == "cpu":
        raise SetupError("fp16 needs a GPU; on a CPU leave it out, or use bf16")
    weight = torch.nn.Linear(1, 1, bias=False)
    try:
        kind, options = Trainer.get_optimizer_cls_and_kwargs(config, weight)  # type: ignore[arg-type]
        if set(options) & {"optimizer_dict", "model"}:  # made for each weight, or of the model
            optimizer = torch.optim.AdamW(weight.parameters())
        else:
            optimizer = kind(weight.parameters(), **options)
    except Exception as error:
        given = f" with optim_args {config.optim_args}" if config.optim_args else ""
        name = getattr(config.optim, "value", config.optim)
        raise SetupError(f"optim {name}{given} cannot be made: {summarize_error(error)}") from error
    try:
        get_scheduler(
            config.lr_scheduler_type,
            optimizer=optimizer,
            num_warmup_steps=0,
            num_training_steps=10,
            scheduler_specific_kwargs=config.lr_scheduler_kwargs or {},  # type: ignore[arg-type]
        )
    except Exception as error:
        name = getattr(config.lr_scheduler_type, "value", config.lr_scheduler_type)
        given = f" with lr_scheduler_kwargs {config.lr_scheduler_kwargs}" if config.lr_scheduler_kwargs else ""
        raise SetupError(f"lr_scheduler_type {name}{given} cannot be made: {summarize_error(error)}") from error
