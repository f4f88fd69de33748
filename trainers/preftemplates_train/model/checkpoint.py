"""A reward model on disk: what others load, and a record of what it was made from."""

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
from preftemplates.errors import PrefTemplatesError, one_line
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
    """What a checkpoint was made from.

    Attributes:
        templates: the text digest of each source's template, with its name.
        dialects: the name and digest of each source's dialect; recorded, and not compared, because the texts that are
            trained on do not depend on it. A custom template has none.
        style: the style's name and digest; None if the template formats by hand.
        date: the day that the style prints, as 2026-05-31; None if it prints none. The digest covers it.
        special_tokens: bos, eos and pad, the text before and after each text, and who writes these.
        max_length: the most tokens that a text may have.
        length_policy: how longer ones were handled.
        tokenizer: a digest.
        data: a digest of the token ids trained on, in order.
        settings: the other settings that the weights depend on.
        version: of preftemplates; recorded, and not compared.
        temperature: what a difference of two rewards is divided by before the sigmoid gives a probability; recorded,
            and not compared. `evaluate --write-temperature` sets it.
        score_scale: of a model that learnt scores, their `mean` and their standard `deviation`, by which a reward is
            a score: mean + deviation * reward; None for other models. It follows from the data, and is not compared.
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
            SetupError: there is none, or it is no such record.
        """
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
            raise SetupError(f"{folder} is no reward model of preftemplates-train: {RECORD_FILE}: {reason}") from error
        return record


def _explain_unreadable(error: Exception) -> str:
    """Return why a record cannot be read: the first of its faults, with its place."""
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        return ": ".join([*map(str, fault["loc"]), fault["msg"]])
    if isinstance(error, KeyError):
        return f"a definition has no {error.args[0]}"
    return str(getattr(error, "strerror", None) or error)


def write_temperature(folder: Path, temperature: float) -> None:
    """Write a temperature into the record of a checkpoint's folder, and the record's new hash into its manifest.

    Args:
        folder: the folder, for which `explain_unreplaceable` gives no reason.
        temperature: the number that differences of rewards are divided by, above 0.

    Raises:
        SetupError: the folder has no record.
        FileError: the folder cannot be written to.
    """
    record = replace(CheckpointRecord.read(folder), temperature=temperature)
    replace_file(folder, RECORD_FILE, record.as_text())


def read_trained_style(folder: Path, tokenizer: PreTrainedTokenizerBase) -> Style:
    """Return the style that a model was trained in: its chat template.

    Raises:
        SetupError: the chat template cannot be used.
    """
    try:
        return Style.from_tokenizer(tokenizer)
    except PrefTemplatesError as error:
        raise SetupError(f"{folder}: its chat template: {error}") from error


def hash_tokenizer(tokenizer: PreTrainedTokenizerFast) -> str:
    """Return a hash of everything that decides which ids a text gets."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def save_model(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, record: CheckpointRecord
) -> None:
    """Write what others load: weights as safetensors, configuration, tokenizer with chat template, and the record.

    The configuration asks sentence-transformers and vLLM for the reward itself, and the tokenizer has the length that
    was trained on; both objects are changed.
    """
    (folder / CHAT_TEMPLATE_FILE).unlink(missing_ok=True)
    _declare_identity_activation(model.config)
    tokenizer.model_max_length = record.max_length
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    record.write(folder)


def _declare_identity_activation(model_config: Any) -> None:
    """Set the key by which sentence-transformers and vLLM find the function that they apply to the score.

    Without it both apply a sigmoid where there is one label. `problem_type` does not suffice: vLLM's classification
    reads it, its scoring and CrossEncoder do not.
    """
    declared = getattr(model_config, "sentence_transformers", None)
    others = declared if isinstance(declared, dict) else {}
    model_config.sentence_transformers = {**others, "activation_fn": IDENTITY_ACTIVATION}
