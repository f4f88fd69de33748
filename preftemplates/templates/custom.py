"""Classes that format by hand: the methods that they write, and what goes wrong when one is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from preftemplates.errors import Code, PrefTemplatesError, RowError, missing, one_line, preview

METHODS = ("format_supervised_sample", "format_preference_sample", "check_equal", "format_prompt_only_sample")
"""The methods that a class may write itself instead of declaring samples."""


def writes(cls: type[Any], base: type[Any], method: str) -> bool:
    """Whether a class has a method of its own where `base` has another or none."""
    written = getattr(cls, method, None)
    return written is not None and written is not getattr(base, method, None)


def is_by_hand(cls: type[Any], base: type[Any]) -> bool:
    """Whether a class writes one of the four methods itself."""
    return any(writes(cls, base, method) for method in METHODS)


def call(method: Callable[[dict[str, Any]], Any], row: Mapping[str, Any]) -> Any:
    """What a written method gives for a row.

    Raises:
        RowError: `missing_field` for a KeyError, `bad_expression` for any other error that is not this library's own.
    """
    if not isinstance(row, Mapping):
        raise RowError(f"a row is a mapping of columns to cells, got {preview(row)}", code=Code.WRONG_TYPE, value=row)
    try:
        return method(row if isinstance(row, dict) else dict(row))
    except PrefTemplatesError:
        raise
    except KeyError as error:
        column = str(error.args[0]) if error.args else ""
        raise missing(column, [] if column in row else map(str, row)) from error
    except Exception as error:
        said = one_line(str(error), 200)
        raise RowError(f"the class raised {type(error).__name__}: {said}", code=Code.BAD_EXPRESSION) from error
