"""A reward model on disk: what others load, and a record of what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

import preftemplates
from preftemplates.errors import one_line
from preftemplates.writing import write_text
from preftemplates_train.data.dataset import GENERATED
from preftemplates_train.data.tokenizer import encode
from preftemplates_train.errors import ResumeError, SetupError
from preftemplates_train.settings.config import RewardConfig

RECORD = "preftemplates.json"
CHAT_TEMPLATE = "chat_template.jinja"

NOT_COMPARED = (
    "output_dir", "overwrite_output_dir", "resume_from_checkpoint", "config", "dry_run", "run_name", "report_to",
    "disable_tqdm", "save_", "eval_", "logging_", "log_", "hub_", "push_to_hub", "project", "trackio", "do_",
    "per_device_eval_batch_size", "dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch",
    "dataloader_persistent", "model_name_or_path", "dataset", "batch_eval_metrics", "include_", "load_best",
    "metric_for_best", "greater_is_better", "skip_memory_metrics", "ddp_", "debug", "local_rank", "use_cpu",
    "template", "style", "max_length", "max_dropped", "allow_findings", "length_policy", "pad_token", "model_revision",
)  # fmt: skip
"""Settings, by the beginnings of their names, that no weight depends on, or that the digests tell."""


@dataclass(frozen=True)
class Record:
    """What a checkpoint was made from.

    Attributes:
        templates: the digest of each source's template, with its name.
        style: the style's name and digest; None if the template formats by hand.
        special_tokens: bos, eos and pad, what stands before and after each text, and who writes these.
        max_length: the most tokens that a text may have.
        length_policy: what became of longer ones.
        tokenizer: a digest.
        data: a digest of the token ids trained on, in order.
        settings: what the weights depend on beside these.
        version: of preftemplates; recorded, and not compared.
    """

    templates: dict[str, dict[str, str]]
    style: dict[str, str] | None
    special_tokens: dict[str, str | None]
    max_length: int
    length_policy: str
    tokenizer: str
    data: str
    settings: dict[str, Any]
    version: str = preftemplates.__version__

    def write(self, folder: Path) -> None:
        """Write it into a checkpoint's folder."""
        write_text(folder / RECORD, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Read it from a checkpoint's folder.

        Raises:
            SetupError: there is none, or it is no such record.
        """
        try:
            found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            return cls(**{field.name: found[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SetupError(
                f"{folder} is no reward model of preftemplates-train: {RECORD}: {one_line(str(error), 120)}"
            ) from error

    def check_resumes(self, other: Record, folder: Path) -> None:
        """Refuse to go on from a checkpoint that was made otherwise.

        Raises:
            ResumeError: the message names what differs.
        """
        for name in sorted({*self.settings, *other.settings}):
            if self.settings.get(name) != other.settings.get(name):
                raise ResumeError(
                    f"{folder} was made with {name} {other.settings.get(name)!r}, and here it is"
                    f" {self.settings.get(name)!r}"
                )
        mine, theirs = asdict(self), asdict(other)
        for name in ("templates", "style", "special_tokens", "max_length", "length_policy", "tokenizer", "data"):
            if mine[name] != theirs[name]:
                said = "" if isinstance(mine[name], str) else f": {theirs[name]} there, {mine[name]} here"
                raise ResumeError(f"{folder} was made with another {name.replace('_', ' ')}{said}")


def settings_of(config: RewardConfig) -> dict[str, Any]:
    """The settings that the weights depend on."""
    return {name: value for name, value in config.to_dict().items() if not name.startswith(NOT_COMPARED)}


def tokenizer_digest(tokenizer: PreTrainedTokenizerFast) -> str:
    """A hash of all that decides which ids a text gets."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def refuse_taken(folder: Path) -> None:
    """Refuse to write over what another run made of somebody's rows; the generated set is soon trained on again.

    Raises:
        SetupError: the folder holds a model, or checkpoints of one.
    """
    for path in (folder, *sorted(folder.glob("checkpoint-*"))):
        if (path / RECORD).exists() and set(Record.read(path).templates) != {GENERATED}:
            raise SetupError(f"{path} holds a model; name another --output_dir, or add --resume_from_checkpoint last")


def check_writable(folder: Path) -> None:
    """Refuse a folder in which, or a place at which, nothing can be written.

    Raises:
        SetupError: the message says why.
    """
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise SetupError(f"output_dir {folder} cannot be written: {place}: {error.strerror}") from error


def check_reload(tokenizer: PreTrainedTokenizerFast, model_config: Any, texts: Sequence[str]) -> None:
    """Refuse a tokenizer that is another one when it is loaded again, beside the model's configuration.

    Raises:
        SetupError: it gives other ids to a text.
    """
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        model_config.save_pretrained(folder)
        again = AutoTokenizer.from_pretrained(folder)
        if encode(again, texts) != encode(tokenizer, texts):
            raise SetupError(
                f"the tokenizer gives other ids when it is loaded again: a fault of {type(again).__name__}"
            )


def save_model(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, record: Record) -> None:
    """Write what others load: weights as safetensors, configuration, tokenizer with chat template, and the record."""
    (folder / CHAT_TEMPLATE).unlink(missing_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    record.write(folder)
