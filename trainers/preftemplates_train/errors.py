"""The errors of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.errors import PrefTemplatesError, one_line

if TYPE_CHECKING:
    from pathlib import Path


class TrainingError(PrefTemplatesError, RuntimeError):
    """Training cannot begin or continue."""


class SetupError(TrainingError):
    """The data, the model, the tokenizer or the settings do not allow a first step."""


class TooManyBadRowsError(SetupError):
    """More rows are rejected than a set may hold."""


class NonFiniteError(TrainingError):
    """A loss, gradient or reward is not finite; the message names the step and the rows, or the text."""


class ResumeError(TrainingError):
    """A checkpoint was made from other data, another template, tokenizer or settings."""


def summarize_error(error: BaseException) -> str:
    r"""Return the first line of another library's error message, with what it announces.

    A first line that ends with a colon is followed by the next one. A message that says nothing by itself, such as the
    key of a KeyError, has the error's name before it.

    >>> summarize_error(ValueError("no such model\nTry these:"))
    'no such model'
    >>> summarize_error(ValueError("not a valid layer:\n  its width is odd"))
    'not a valid layer: its width is odd'
    >>> summarize_error(KeyError("width"))
    "KeyError: 'width'"
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return one_line(f"{type(error).__name__}: {text}" if isinstance(error, LookupError) else text, 300)


def make_write_error(path: Path, error: Exception) -> TrainingError:
    """Return the error for a checkpoint or model that the disk does not take."""
    reason = getattr(error, "strerror", None) or summarize_error(error)
    fix = "make room, and add --resume_from_checkpoint last to continue from the newest checkpoint"
    return TrainingError(f"{path} cannot be written: {reason}; {fix}")
