"""The errors of training."""

from __future__ import annotations

from preftemplates.errors import PrefTemplatesError, one_line


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


def summarize_error(error: Exception) -> str:
    r"""Return the first line of another library's error message, or the error's name if the message is empty.

    >>> summarize_error(ValueError("no such model\nTry these:"))
    'no such model'
    """
    return one_line(next(iter(str(error).strip().splitlines()), type(error).__name__), 300)
