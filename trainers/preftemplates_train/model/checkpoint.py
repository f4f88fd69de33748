"""A reward model on disk: the files that other programs load, and a record of what it was made from."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

import preftemplates
from preftemplates import Style
from preftemplates.data.writing import write_text
from preftemplates.errors import PrefTemplatesError, one_line, preview
from preftemplates_train.errors import SetupError
from preftemplates_train.model.manifest import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

RECORD_FILE = "preftemplates.json"
CHAT_TEMPLATE_FILE = "chat_template.jinja"
IDENTITY_ACTIVATION = "torch.nn.modules.linear.Identity"


@dataclass(frozen=True)
class CheckpointRecord:
    """The record of a checkpoint: the data, templates, tokenizer and settings that it was made from.

    A run is continued only from a checkpoint whose record has the same values. Some are recorded and not compared.

    Attributes:
        templates: the name and the text digest of each source's template.
        dialects: the name and the digest of each source's dialect; not compared, because the training texts do not
            depend on it. A custom template has no dialect.
        style: the style's name and digest; None for a custom template.
        date: the date that the style prints, such as 2026-05-31; None if it prints none. The style's digest covers it.
        special_tokens: bos, eos and pad, the special text before and after each text, and who writes it.
        max_length: the most tokens that a text may have.
        length_policy: how longer texts were handled.
        tokenizer: a digest of the tokenizer.
        data: a digest of the training token ids, in order.
        settings: the other settings that the weights depend on.
        version: the version of preftemplates; not compared.
        temperature: the divisor of a difference of two rewards before the sigmoid that gives a probability; not
            compared. `evaluate --write-temperature` sets it.
        score_scale: for a model that learnt scores, their `mean` and standard `deviation`: a reward predicts the score
            mean + deviation * reward. None for other models. Not compared, because it follows from the data.
        base_weights: for LoRA, a hash of the base model's weights; None for other models, and in older records.
    """

    templates: dict[str, dict[str, str]]
    dialects: dict[str, dict[str, str]]
    style: dict[str, str] | None
    date: str | None
    special_tokens: dict[str, str | None]
    max_length: int
    length_policy: str
    tokenizer: str
    data: str
    settings: dict[str, Any]
    version: str = preftemplates.__version__
    temperature: float = 1.0
    score_scale: dict[str, float] | None = None
    base_weights: str | None = None

    def write(self, folder: Path) -> None:
        """Write the record into a checkpoint's folder."""
        write_text(folder / RECORD_FILE, self.as_text())

    def as_text(self) -> str:
        """Return the content of the file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, folder: Path) -> CheckpointRecord:
        """Read the record from a checkpoint's folder.

        Raises:
            SetupError: there is no record, or it is not valid.
        """
        if not folder.exists():
            raise SetupError(
                f"there is no folder {preview(str(folder))}; name a folder that preftemplates-train wrote"
            )
        try:
            record = TypeAdapter(cls).validate_json((folder / RECORD_FILE).read_bytes(), strict=True)
            styles = [] if record.style is None else [record.style]
            for definition in (*record.templates.values(), *record.dialects.values(), *styles):
                definition["name"], definition["digest"]
            if record.date is not None:
                date.fromisoformat(record.date)
            if not 0 < record.temperature < math.inf:
                raise ValueError(f"temperature: expected a number above 0, got {record.temperature}")
        except (OSError, ValueError, KeyError) as error:
            reason = one_line(_explain_unreadable(error), 120)
            message = f"{folder} is not a reward model of preftemplates-train: {RECORD_FILE}: {reason}"
            raise SetupError(message) from error
        return record


def _explain_unreadable(error: Exception) -> str:
    """Return the first fault of a record that cannot be read, with its path."""
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        return ": ".join([*map(str, fault["loc"]), fault["msg"]])
    if isinstance(error, KeyError):
        return f"a definition has no {error.args[0]}"
    return str(getattr(error, "strerror", None) or error)


def write_temperature(folder: Path, temperature: float) -> None:
    """Write a temperature into the record of a checkpoint's folder, and the record's new hash into its manifest.

    Args:
        folder: the folder, for which `explain_unreplaceable` returns None.
        temperature: the divisor of differences of rewards, above 0.

    Raises:
        SetupError: the folder has no record.
        FileError: the folder cannot be written to.
    """
    record = replace(CheckpointRecord.read(folder), temperature=temperature)
    replace_file(folder, RECORD_FILE, record.as_text())


def read_trained_style(folder: Path, tokenizer: PreTrainedTokenizerBase) -> Style:
    """Return the style that a model was trained with: its chat template.

    Raises:
        SetupError: the chat template cannot be used.
    """
    try:
        return Style.from_tokenizer(tokenizer)
    except PrefTemplatesError as error:
        raise SetupError(f"{folder}: its chat template cannot be used: {error}") from error


def hash_tokenizer(tokenizer: PreTrainedTokenizerFast) -> str:
    """Return a hash of everything that determines the ids of a text."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def save_model(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, record: CheckpointRecord
) -> None:
    """Write a model: weights as safetensors, configuration, tokenizer with chat template, and the record.

    The configuration and the tokenizer are changed as by `prepare_for_consumers`.
    """
    (folder / CHAT_TEMPLATE_FILE).unlink(missing_ok=True)
    prepare_for_consumers(model.config, tokenizer, record.max_length)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    record.write(folder)


def prepare_for_consumers(model_config: Any, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
    """Let consumers of a saved model return the reward itself, of texts of the length that was trained on.

    sentence-transformers and vLLM look in the configuration for the function to apply to the score, and without it
    apply a sigmoid to the score of a model with one label. `problem_type` does not suffice: vLLM's classification
    reads it, but vLLM's scoring and CrossEncoder do not.

    Args:
        model_config: the configuration; a key is set.
        tokenizer: the tokenizer; its `model_max_length` is set.
        max_length: the most tokens that a text may have.
    """
    tokenizer.model_max_length = max_length
    declared = getattr(model_config, "sentence_transformers", None)
    others = declared if isinstance(declared, dict) else {}
    model_config.sentence_transformers = {**others, "activation_fn": IDENTITY_ACTIVATION}
