"""Explain errors of the disk while a checkpoint or the model is saved."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError

from preftemplates.errors import FileError, PrefTemplatesError
from preftemplates_train.errors import make_write_error
from preftemplates_train.training.checkpoints import list_own_checkpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import TrainingArguments


@contextmanager
def explain_write_errors(path: Path, config: TrainingArguments, *kinds: type[Exception]) -> Iterator[None]:
    """Convert errors of the disk to one that names a path and a fix that works for the run.

    Args:
        path: the checkpoint or the output folder.
        config: the settings.
        kinds: further errors that the disk may cause.

    Raises:
        TrainingError: the path cannot be written to the disk.
    """
    kinds = (OSError, SafetensorError, *kinds)
    try:
        yield
    except torch.OutOfMemoryError:  # a RuntimeError
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error, FileError) else error
        # the tokenizers library raises a plain Exception on a full disk
        is_explained = isinstance(cause, PrefTemplatesError)
        if cause is not None and not is_explained and (isinstance(cause, kinds) or type(cause) is Exception):
            raise make_write_error(path, cause, _describe_restart(config)) from error
        raise


def _describe_restart(config: TrainingArguments) -> str:
    """Return how to run again without the work that is on the disk."""
    if getattr(config, "train", "full") == "head":
        return "free some space, then run the command again; it reuses the features that are computed"
    if list_own_checkpoints(Path(str(config.output_dir))):
        return "free some space, then add --resume_from_checkpoint last to continue from the newest checkpoint"
    return "free some space, then run the command again"
