"""The chat template and special tokens of a model on the hub; neither weights nor code are downloaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preftemplates.core.extras import spell_install
from preftemplates.errors import FileError, MissingPackageError, one_line
from preftemplates.styles.tokenizer_files import TOKENIZER_FILE_PATTERNS, read_tokenizer_files

if TYPE_CHECKING:
    from preftemplates.styles.tokenizer_files import TokenizerFiles

_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)

_MAX_NAME_LENGTH = 96
"""The most characters of a name on the hub."""

_REASONS = {
    "GatedRepoError": "the model is gated: accept its terms on its page and log in with `hf auth login`",
    "RepositoryNotFoundError": "there is no such directory, and no such model on the hub, or it is private",
    "RevisionNotFoundError": "the model has no branch main",
    "LocalEntryNotFoundError": "there is no such directory, the hub cannot be reached, and no copy is in the cache",
    "OfflineModeIsEnabled": "there is no such directory, and HF_HUB_OFFLINE forbids access to the hub",
    "HFValidationError": "there is no such directory, and it is not a hub name",
}
"""Explanations of the errors of huggingface_hub, most specific first."""


def is_hub_name(name: str) -> bool:
    """Return whether a text has the form of a hub name.

    >>> [is_hub_name(name) for name in ("Qwen/Qwen2.5-0.5B", "chatml", "./a/b", "a/b/c", "a/b.jinja")]
    [True, False, False, False, False]
    """
    is_short = len(name) <= _MAX_NAME_LENGTH
    return is_short and _HUB_NAME.fullmatch(name) is not None and not name.endswith((".jinja", ".json"))


def download_tokenizer_files(name: str) -> str:
    """Download the tokenizer's text and JSON files of a model on the hub, and return their folder."""
    from huggingface_hub import snapshot_download

    return snapshot_download(name, allow_patterns=list(TOKENIZER_FILE_PATTERNS))


def read_hub_files(name: str) -> TokenizerFiles:
    """Return the tokenizer's files of a model on the hub.

    Raises:
        FileError: they cannot be downloaded; the message gives the reason.
        DefinitionError: the model has no chat template.
    """
    try:
        folder = download_tokenizer_files(name)
    except ImportError as error:
        raise MissingPackageError(
            f"there is no directory {name}; to read a model from the hub: {spell_install('huggingface_hub')}"
        ) from error
    except Exception as error:  # what huggingface_hub raises depends on its version and on its HTTP client
        raise FileError(f"{name}: {explain_hub_error(error)}") from error
    return read_tokenizer_files(folder)


def explain_hub_error(error: Exception) -> str:
    """Explain why a model on the hub could not be read."""
    classes = {cls.__name__ for each in (error, error.__cause__) for cls in type(each).__mro__}
    reason = next((reason for name, reason in _REASONS.items() if name in classes), None)
    if reason is None and isinstance(error, OSError | RuntimeError | ValueError):
        reason = _REASONS["LocalEntryNotFoundError"] + f" ({one_line(str(error).strip().splitlines()[0], 120)})"
    return reason or f"the hub returned no tokenizer: {type(error).__name__}: {one_line(str(error), 160)}"
