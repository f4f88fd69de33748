"""The errors of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.errors import PrefTemplatesError, one_line

if TYPE_CHECKING:
    from pathlib import Path


class TrainingError(PrefTemplatesError, RuntimeError):
    """Training cannot begin or continue."""


class SetupError(TrainingError):
    """The run cannot start with this data, model, tokenizer or these settings."""


class TooManyBadRowsError(SetupError):
    """More rows of a source are rejected than allowed."""


class NonFiniteError(TrainingError):
    """A loss, gradient or reward is not finite; the message names the step and the rows, or the text."""


class ResumeError(TrainingError):
    """A checkpoint was written with different data, templates, tokenizer or settings."""


def summarize_error(error: BaseException) -> str:
    r"""Return the first line of another library's error message.

    If the first line ends with a colon, the second line is added. A message that means nothing without its class, such
    as the key of a KeyError, is preceded by the name of the class.

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


def make_write_error(path: Path, error: BaseException, fix: str) -> TrainingError:
    """Return the error for a file or folder of a run that cannot be written to the disk."""
    reason = getattr(error, "strerror", None) or summarize_error(error)
    return TrainingError(f"{path} cannot be written: {reason}; {fix}")
