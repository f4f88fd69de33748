"""All settings of a run, as a dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transformers import TrainingArguments

from preftemplates_train.errors import SetupError
from preftemplates_train.settings.run_settings import RunSettings
from preftemplates_train.settings.validation import find_contradictions, normalize_source

if TYPE_CHECKING:
    from collections.abc import Mapping


def _inherit(name: str) -> Mapping[str, Any]:
    """Return the metadata of a field of `TrainingArguments` that gets another default."""
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
        for contradiction in find_contradictions(vars(self)):
            raise SetupError(contradiction)
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; `pad_token` is no secret, which its name makes transformers believe."""
        return {**super().to_dict(), "pad_token": self.pad_token}
