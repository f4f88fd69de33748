"""Custom templates: classes with their own `format_*_sample` methods, how these are called, and what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from preftemplates.core.samples import FORMATS
from preftemplates.errors import Code, PrefTemplatesError, RowError, missing_column_error, one_line, preview
from preftemplates.templates.results import Formatted

if TYPE_CHECKING:
    from collections.abc import Callable

    from preftemplates.core.pickling import PackedDefinition

CUSTOM_METHODS = ("format_supervised_sample", "format_preference_sample", "check_equal", "format_prompt_only_sample")
"""The methods that a class may write itself instead of declaring samples."""


def is_custom_class(cls: type[Any], base: type[Any]) -> bool:
    """Return whether a class writes one of the four methods itself."""
    return any(is_overridden(cls, base, method) for method in CUSTOM_METHODS)


def is_overridden(cls: type[Any], base: type[Any], method: str) -> bool:
    """Return whether a class has a method of its own where `base` has another or none."""
    function = getattr(cls, method, None)
    return function is not None and function is not getattr(base, method, None)


def custom_formats(cls: type[Any], base: type[Any]) -> tuple[str, ...]:
    """Return the formats for which a class has a method of its own."""
    return tuple(name for name in FORMATS if is_overridden(cls, base, f"format_{name}_sample"))


def format_custom(template: Any, base: type[Any], row: Mapping[str, Any], format: str) -> Formatted:
    """Return what a custom template's own methods make of a row.

    Raises:
        RowError: as `call_method`; and `wrong_type` where the result is no dict.
    """
    result = call_method(getattr(template, f"format_{format}_sample"), row)
    if not isinstance(result, dict):
        raise RowError(f"format_{format}_sample gave {preview(result)}, and no dict", code=Code.WRONG_TYPE)
    compares = len(FORMATS[format].response_names) > 1 and is_overridden(type(template), base, "check_equal")
    return Formatted(None, None, result, equal=bool(compares and call_method(template.check_equal, row)))


def call_method(method: Callable[[dict[str, Any]], Any], row: Mapping[str, Any]) -> Any:
    """Return what a method of a custom template gives for a row.

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
        raise missing_column_error(column, [] if column in row else map(str, row)) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {one_line(str(error), 200)}"
        raise RowError(f"the class raised {reason}", code=Code.BAD_EXPRESSION) from error


def restore_custom(packed: PackedDefinition) -> Any:
    """Return a custom template from its pickled class."""
    return packed.unpack()()
