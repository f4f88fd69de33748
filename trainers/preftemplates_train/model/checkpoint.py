"""A reward model on disk: what others load, and a record of what it was made from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

import preftemplates
from preftemplates import Style
from preftemplates.data.writing import write_text
from preftemplates.errors import PrefTemplatesError, one_line
from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

RECORD_FILE = "preftemplates.json"
CHAT_TEMPLATE_FILE = "chat_template.jinja"


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

    def write(self, folder: Path) -> None:
        """Write the record into a checkpoint's folder."""
        write_text(folder / RECORD_FILE, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

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
    """Write what others load: weights as safetensors, configuration, tokenizer with chat template, and the record."""
    (folder / CHAT_TEMPLATE_FILE).unlink(missing_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    record.write(folder)
