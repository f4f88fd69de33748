"""Check that the machine and the installed packages have what a run needs, before any data is read."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import DynamoBackend, GradientAccumulationPlugin  # type: ignore[import-untyped]
from huggingface_hub import constants, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)
from transformers.utils.import_utils import is_liger_kernel_available

from preftemplates.data.reading import spell_install
from preftemplates.errors import did_you_mean, preview
from preftemplates_train.errors import SetupError, summarize_error

if TYPE_CHECKING:
    from preftemplates_train.settings.config import RewardConfig


def check_environment(config: RewardConfig) -> None:
    """Raise an error for a setting that needs a device, package or login that is missing.

    Raises:
        SetupError: the message names the setting and the fix.
    """
    checks = (
        _check_device, _check_reporters, _check_hub, _check_packages, _check_compilation, _check_checkpointing,
        _check_accumulation,
    )  # fmt: skip
    for check in checks:
        check(config)


def _check_device(config: RewardConfig) -> None:
    if config.device.type == "cpu":
        if config.fp16:
            raise SetupError("fp16 needs a GPU; on a CPU, leave it out, or use bf16")
        if config.attn_implementation == "flex_attention":
            raise SetupError("attn_implementation flex_attention needs a GPU; on a CPU, leave it out, or use sdpa")
    if config.train == "head" and config.world_size > 1:
        raise SetupError("--train head runs in one process; start it without torchrun")
    if config.fsdp and config.world_size == 1:
        raise SetupError("fsdp needs several processes; start them with torchrun, or leave it out")


def _check_reporters(config: RewardConfig) -> None:
    for name in config.report_to or ():
        if name not in INTEGRATION_TO_CALLBACK:
            known = sorted(INTEGRATION_TO_CALLBACK)
            guess = did_you_mean(name, known)
            raise SetupError(f"report_to must be one of none, all, {', '.join(known)}; got {preview(name)}.{guess}")
        if name != "flyte" and name not in get_available_reporting_integrations():
            raise SetupError(f"report_to {name} needs its package: {spell_install(name)}")


def _check_hub(config: RewardConfig) -> None:
    if not config.push_to_hub:
        return
    if config.hub_model_id is not None:
        try:
            validate_repo_id(config.hub_model_id)
        except HFValidationError as error:
            raise SetupError(f"hub_model_id: {summarize_error(error)}") from error
    if constants.HF_HUB_OFFLINE:
        raise SetupError("push_to_hub: the environment variable HF_HUB_OFFLINE turns the hub off; unset it")
    if (config.hub_token or get_token()) is None:
        raise SetupError("push_to_hub needs a login; run `hf auth login`, or give --hub_token")


def _check_packages(config: RewardConfig) -> None:
    if config.use_liger_kernel and not is_liger_kernel_available():
        raise SetupError(f"use_liger_kernel needs its package: {spell_install('liger-kernel')}")
    if config.use_peft and "peft" not in packages_distributions():
        raise SetupError(f"--use_peft needs peft: {spell_install('peft')}")


def _check_compilation(config: RewardConfig) -> None:
    if not config.torch_compile:
        return
    backend, mode = config.torch_compile_backend, config.torch_compile_mode
    backends = [name.lower() for name in DynamoBackend.list() if name != "NO"]
    if backend is not None and str(backend).lower() not in backends:
        guess = did_you_mean(str(backend), backends)
        raise SetupError(f"torch_compile_backend must be one of {', '.join(backends)}; got {preview(backend)}.{guess}")
    modes = list(torch._inductor.list_mode_options())
    if mode is not None and mode not in modes:
        raise SetupError(f"torch_compile_mode must be one of {', '.join(modes)}; got {preview(mode)}")


def _check_checkpointing(config: RewardConfig) -> None:
    """Raise an error for a keyword argument that activation checkpointing does not accept."""
    is_renamed = hasattr(config, "activation_checkpointing_kwargs")  # in newer versions of transformers
    setting = "activation_checkpointing_kwargs" if is_renamed else "gradient_checkpointing_kwargs"
    options: Any = getattr(config, setting) or {}
    passed_on = [name for name, one in signature(checkpoint).parameters.items() if one.kind == one.KEYWORD_ONLY]
    known = [*passed_on, *_list_own_keywords()]
    for name in options:
        if name not in known:
            raise SetupError(f"{setting}: there is no argument {preview(name)}; expected one of {', '.join(known)}")
    interval = options.get("every_n_layers", 1)
    if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
        raise SetupError(f"{setting}: every_n_layers must be a whole number, at least 1, got {preview(interval)}")


def _list_own_keywords() -> list[str]:
    """Return the names of transformers' own arguments, which older versions lack."""
    enable = getattr(PreTrainedModel, "activation_checkpointing_enable", None)
    names = () if enable is None else signature(enable).parameters
    return [name for name in names if name not in ("self", "activation_checkpointing_kwargs")]


def _check_accumulation(config: RewardConfig) -> None:
    """Raise an error for a keyword argument that gradient accumulation does not accept."""
    accelerator: Any = config.accelerator_config
    try:
        GradientAccumulationPlugin(**(accelerator.gradient_accumulation_kwargs or {}))
    except Exception as error:
        raise SetupError(f"accelerator_config: gradient_accumulation_kwargs: {summarize_error(error)}") from error
