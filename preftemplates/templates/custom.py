"""Custom templates: classes with their own `format_*_sample` methods, how they are called, and their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Self

from preftemplates.core.digest import digest
from preftemplates.core.paths import extend_path
from preftemplates.core.pickling import PackedDefinition, pack_definition
from preftemplates.core.samples import SAMPLE_TYPES, list_formats
from preftemplates.dialects.dialect import get_dialect
from preftemplates.errors import (
    Code,
    DefinitionError,
    PrefTemplatesError,
    RowError,
    StyleError,
    missing_column_error,
    one_line,
    preview,
)
from preftemplates.templates.parts import About, read_about
from preftemplates.templates.results import Formatted, FormattedRow
from preftemplates.templates.row_types import RowModel
from preftemplates.templates.template import Template, TemplateMeta
from preftemplates.templates.touched_row import TouchedRow
from preftemplates.templates.unread import UnreadValue, has_value, is_ignored

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from preftemplates.core.samples import Format
    from preftemplates.dialects.message_views import MessageKeys
    from preftemplates.dialects.table import ObjectShape

_RESULT_DIALECT = "align-anything"
"""The dialect whose keys custom templates are assumed to return, since their methods are named after its methods."""

_OPTIONS = ("with_style", "with_dialect", "with_pairs", "with_ties")
"""Methods that commands offer as options."""


class CustomTemplate(Template):
    """A template whose class has its own methods instead of declaring samples.

    It has no messages, so methods that need them raise `DefinitionError`. Its instances are not frozen.
    """

    is_custom = True
    ties = "drop"

    def __new__(cls) -> Self:
        """Return an instance of the class."""
        return object.__new__(cls)

    @property
    def held(self) -> Any:
        """The source of the class."""
        return type(self).written

    @property
    def identity(self) -> Any:
        """The class's own methods as JSON-like data, for digests."""
        return {"text": self.text_digest, "dialect": None}

    @cached_property
    def text_digest(self) -> str:
        """A hash of the class's own methods."""
        return digest("custom template", self.held)

    def _require_parts(self, feature: str) -> NoReturn:
        option = f" (--{feature.removeprefix('with_')})" if feature in _OPTIONS else ""
        raise DefinitionError(
            f"{self.name} is a custom template without messages, so {feature}{option} is not available;"
            " declare a Row and samples to use it"
        )

    @property
    def about(self) -> About:
        """The class's facts about its dataset."""
        return read_about(type(self))

    @property
    def formats(self) -> tuple[Format, ...]:
        """The dataset types for which the class has its own method."""
        return tuple(name for name in list_formats() if _is_overridden(type(self), f"format_{name}_sample"))

    @property
    def derived_formats(self) -> tuple[Format, ...]:
        """Empty: no dataset type is derived from results."""
        return ()

    @property
    def row_type(self) -> type[RowModel]:
        """A row type without columns: the class declares none, so the values of a CSV stay text."""
        return RowModel

    def describe(self) -> dict[str, Any]:
        """Return the dataset types; style, dialect and columns are known only to the class."""
        return {"style": None, "dialect": None, "formats": {format: None for format in self.formats}}

    def known_columns(self, format: Format) -> None:
        """Return None: the class may read any column."""
        self.check_format(format)

    def select_columns(self, format: Format, columns: Sequence[str]) -> list[str]:
        """Return all columns of a table, since the class may read any of them."""
        self.check_format(format)
        return list(columns)

    def result_shape(self, format: Format) -> tuple[ObjectShape, MessageKeys]:
        """Return the assumed contents of the results' keys: the text that align-anything has there."""
        self.check_format(format)
        dialect = get_dialect(_RESULT_DIALECT)
        return dialect.shape(format), dialect.table.message_keys

    def spells(self, format: Format) -> bool:
        """Return whether the class has a method for a dataset type."""
        return format in self.formats

    def text_style(self, format: Format) -> None:
        """Return None: the class writes its own layout."""

    def choose_edges(self, format: Format) -> None:
        """Return None: the class writes its own texts."""

    def adapted(self, **changed: Any) -> Template:  # noqa: ARG002  likewise
        """Return the template unchanged."""
        return self

    def format(self, row: Mapping[str, Any], format: Format) -> dict[str, Any]:
        """Return the result of the class's method for a dataset type.

        Raises:
            RowError: the method raises an error, or its result is not a dict.
            UnknownNameError: the class has no method for the dataset type.
        """
        return self.formatted(row, format).samples[0].result

    def formatted(
        self,
        row: Mapping[str, Any],
        format: Format,
        *,
        traced: bool = False,  # noqa: ARG002  there are no messages to trace
    ) -> FormattedRow:
        """Return the result for a row, and whether the class's `check_equal` finds its responses equal."""
        try:
            self.check_format(format)
            touched = TouchedRow(row) if isinstance(row, Mapping) else row
            result = _call_method(getattr(self, f"format_{format}_sample"), touched)
            if not isinstance(result, dict):
                raise RowError(
                    f"format_{format}_sample returned {preview(result)}, expected a dict", code=Code.WRONG_TYPE
                )
            compares = len(SAMPLE_TYPES.get(format).response_names) > 1 and _is_overridden(type(self), "check_equal")
            equal = bool(compares and _call_method(self.check_equal, touched))
            columns = touched.list_touched() if isinstance(touched, TouchedRow) else None
            return FormattedRow([Formatted(None, None, result, equal=equal)], Counter(), touched=columns)
        except (RowError, StyleError) as error:
            raise self._name_error(error, format) from error.__cause__

    def find_unread(self, row: Mapping[str, Any], touched: Collection[str] | None = None) -> Iterator[UnreadValue]:
        """Yield the values of columns that the class has not read; none if that is unknown."""
        columns = () if touched is None else [column for column in row if column not in touched]
        ignored = frozenset(self.about.ignored)
        for column in columns:
            path = extend_path("", str(column))
            if has_value(row[column]) and not is_ignored(path, ignored):
                yield UnreadValue(path, row[column])

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        del self.__dict__[name]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_custom, (pack_definition(type(self)),)


TemplateMeta.custom_base = CustomTemplate


def _is_overridden(cls: type[Template], method: str) -> bool:
    """Return whether a class overrides a method of `Template` or adds it."""
    function = getattr(cls, method, None)
    return function is not None and function is not getattr(Template, method, None)


def _call_method(method: Callable[[dict[str, Any]], Any], row: Mapping[str, Any]) -> Any:
    """Call a method of a custom template with a row, and return its result.

    Raises:
        RowError: `missing_field` for a KeyError, `bad_expression` for any other error except this library's own.
    """
    if not isinstance(row, Mapping):
        raise RowError(
            f"a row must be a mapping of columns to values, got {preview(row)}", code=Code.WRONG_TYPE, value=row
        )
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


def _restore_custom(packed: PackedDefinition) -> Any:
    """Return a custom template from its pickled class."""
    return packed.unpack()()
