"""All settings of a run, as a dataclass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainingArguments
from transformers.integrations.deepspeed import is_deepspeed_available
from transformers.trainer_pt_utils import AcceleratorConfig
from transformers.utils.import_utils import is_torch_bf16_gpu_available, is_torch_xla_available

from preftemplates.data.reading import spell_install
from preftemplates.errors import did_you_mean, preview
from preftemplates_train.errors import SetupError, summarize_error
from preftemplates_train.settings.head_settings import find_head_faults
from preftemplates_train.settings.objectives import LOWER_IS_BETTER
from preftemplates_train.settings.run_settings import RunSettings
from preftemplates_train.settings.validation import find_contradictions, normalize_source

if TYPE_CHECKING:
    from collections.abc import Iterator


ACCELERATOR_KEYS = [one.name for one in fields(AcceleratorConfig)]


def _check_json_file(name: str, path: str) -> Iterator[str]:
    """Yield a message if the file in a setting is not an object in JSON."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or summarize_error(error)
        yield f"{name}: {path} cannot be read as JSON: {reason}"
    else:
        if not isinstance(content, dict):
            yield f"{name}: {path}: expected an object, got {preview(content)}"


def _inherit(name: str) -> Mapping[str, Any]:
    """Return the metadata of a field of `TrainingArguments`, for a field with a different default."""
    return TrainingArguments.__dataclass_fields__[name].metadata


@dataclass(repr=False)
class RewardConfig(RunSettings, TrainingArguments):
    """The settings of a run: those of `transformers.TrainingArguments` and of `RunSettings`, under TRL's names.

    `preftemplates-train --help` describes the fields.

    Raises:
        SetupError: two settings contradict each other, or one is out of its range.
    """

    per_device_eval_batch_size: int = field(default=16, metadata=_inherit("per_device_eval_batch_size"))
    logging_steps: float = field(default=10, metadata=_inherit("logging_steps"))
    logging_nan_inf_filter: bool = field(default=False, metadata=_inherit("logging_nan_inf_filter"))
    save_total_limit: int | None = field(default=2, metadata=_inherit("save_total_limit"))
    report_to: list[str] | str | None = field(default="none", metadata=_inherit("report_to"))
    remove_unused_columns: bool = field(default=False, metadata=_inherit("remove_unused_columns"))
    log_level_replica: str = field(default="passive", metadata=_inherit("log_level_replica"))

    def __post_init__(self) -> None:
        for name in ("dataset_name", "eval_data"):
            if isinstance(getattr(self, name), str):
                setattr(self, name, [getattr(self, name)])
        if self.datasets is not None:
            self.datasets = [
                normalize_source(number, entry, self.template) for number, entry in enumerate(self.datasets)
            ]
        requested = str(self.resume_from_checkpoint).lower()
        if requested in ("true", "false"):
            self.resume_from_checkpoint = "last" if requested == "true" else None
        if str(self.fsdp).lower() in ("true", "false"):
            self.fsdp = True if str(self.fsdp).lower() == "true" else None  # type: ignore[assignment]
        if self.greater_is_better is None and str(self.metric_for_best_model).removeprefix("eval_") in LOWER_IS_BETTER:
            self.greater_is_better = False
        faults = (find_head_faults(vars(self), list_defaults()), find_contradictions(vars(self)))
        for fault in chain(*faults, self._find_unusable_settings()):
            raise SetupError(fault)
        try:
            super().__post_init__()
        except Exception as error:  # whatever transformers, accelerate or torch raise
            message = summarize_error(error)
            if self.ddp_backend:
                message = f"ddp_backend {self.ddp_backend}: {message}; start the processes with torchrun"
            raise SetupError(message) from error

    def _find_unusable_settings(self) -> Iterator[str]:
        """Yield a message for each setting on which transformers would raise an error without its name or a fix."""
        if self.bf16 and not (self.use_cpu or is_torch_bf16_gpu_available() or is_torch_xla_available()):
            yield "bf16 needs a GPU that supports it; to compute in bfloat16 on the CPU, add --use_cpu"
        if self.deepspeed and not is_deepspeed_available():
            yield f"deepspeed needs its package: {spell_install('deepspeed')}"
        for name in ("accelerator_config", "fsdp_config", "deepspeed"):
            path = getattr(self, name)
            if isinstance(path, str) and not path.startswith("{"):
                yield from _check_json_file(name, path)
        if isinstance(self.accelerator_config, Mapping):
            for key in self.accelerator_config:
                if key not in ACCELERATOR_KEYS:
                    guess = did_you_mean(str(key), ACCELERATOR_KEYS)
                    known = ", ".join(ACCELERATOR_KEYS)
                    yield f"accelerator_config: there is no key {preview(key)}; expected one of {known}.{guess}"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, `pad_token` too: transformers hides it, as it hides `hub_token`."""
        return {**super().to_dict(), "pad_token": self.pad_token}


@cache
def list_defaults() -> Mapping[str, Any]:
    """Return the default of each setting of a run."""
    defaults = {
        one.name: one.default if one.default_factory is MISSING else one.default_factory()
        for one in fields(RewardConfig)
    }
    # transformers replaces None by these values, without the one that only Python code can set
    accelerator = {
        name: value for name, value in AcceleratorConfig().to_dict().items() if name != "use_configured_state"
    }
    return {**defaults, "accelerator_config": accelerator}
