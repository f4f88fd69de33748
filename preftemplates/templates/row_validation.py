"""Validation: checking a row against a row type, with errors that name each fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import ValidationError, create_model

from preftemplates.core.message_values import Reading, describe_fix
from preftemplates.core.messages import MAX_DEPTH, SURROGATE, has_surrogate
from preftemplates.core.paths import Steps, column_of, get_row_key, list_parts, name_cell, parse_path, spell_path
from preftemplates.core.provenance import trace_texts
from preftemplates.errors import Code, RowError, missing_column_error, preview
from preftemplates.templates.cell_readers import make_cell_reader
from preftemplates.templates.row_types import Label, RowModel, spell_bounds

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_OUT_OF_DOMAIN = ("literal_error", "greater_than", "greater_than_equal", "less_than", "less_than_equal")
"""Pydantic's error types for a value of the right type outside its domain."""


class RowValidator:
    """Checks the values of the columns that one dataset type reads, and no others.

    Args:
        model: the whole row type.
        names: the Python names of the columns to read.
    """

    def __init__(self, model: type[RowModel], names: Iterable[str]) -> None:
        names = set(names)
        infos = {name: info for name, info in model.model_fields.items() if name in names}
        columns: dict[str, Any] = {name: (info.annotation, info) for name, info in infos.items()}
        self.model = create_model("Row", __base__=RowModel, **columns)
        self._validate = self.model.__pydantic_validator__.validate_python  # twice as fast as `model_validate`
        self.columns = {name: get_row_key(name, info) for name, info in infos.items()}
        self._readers = {self.columns[name]: make_cell_reader(info.annotation) for name, info in infos.items()}
        self._paths = {name: spell_path((column,)) for name, column in self.columns.items()}
        self._domains = {self.columns[name]: _describe_domain(info) for name, info in infos.items()}

    def check_columns(self, columns: Iterable[str]) -> None:
        """Check that no required column is missing.

        Raises:
            RowError: `missing_field`; the message suggests the nearest column.
        """
        columns = list(columns)
        for name, column in self.columns.items():
            if column not in columns and self.model.model_fields[name].is_required():
                raise missing_column_error(column, self._list_unread(columns))

    def read(self, row: Mapping[str, Any], reading: Reading | None = None) -> dict[str, Any]:
        """Return the checked values by Python name, whatever container holds the row.

        Args:
            row: one record: a mapping, a Spark row or a pandas series.
            reading: counts the normalisations.

        Raises:
            RowError: a value is missing or null, has the wrong type, or is a label outside its domain.
        """
        reading = Reading() if reading is None else reading
        row = _read_record(row)
        cells: dict[str, Any] = {}
        try:
            try:
                for column, read in self._readers.items():
                    if column in row:
                        cells[column] = read(row[column], (column,), reading)
                model = self._validate(cells)
            except (ValidationError, RowError):
                raise join_faults(self._find_faults(row)) from None
        except RecursionError:
            raise RowError("a value is nested too deeply", code=Code.TOO_DEEP) from None
        held = vars(model)
        values = {name: held[name] for name in self.columns}
        try:
            for name, value in values.items():
                if type(value) is not str or not value.isascii():  # ASCII text, the usual case, is always readable
                    _check_readable(value, self._paths[name])
        except RowError:
            raise join_faults(_find_unreadable(values, self._paths)) from None
        return values

    def _find_faults(self, row: Mapping[str, Any]) -> list[RowError]:
        """Return the faults of a row's values, one per path, in the order of the columns."""
        faults: dict[str, list[RowError]] = {column: [] for column in self._readers}
        cells: dict[str, Any] = {}
        for column, read in self._readers.items():
            try:
                if column in row:
                    cells[column] = read(row[column], (column,), Reading())
            except RowError as error:
                faults[column].append(error)
        try:
            self.model.model_validate(cells)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                place = detail["loc"]
                is_item = len(place) > 1 and isinstance(place[1], int)  # a union has a fault for each of its members
                if is_item or not faults.get(str(place[0])):
                    faults.setdefault(str(place[0]), []).append(self._make_error(detail, row, cells))
        by_path = {fault.column: fault for column in reversed(faults) for fault in reversed(faults[column])}
        return list(reversed(by_path.values()))

    def read_traced(self, row: Mapping[str, Any], reading: Reading | None = None) -> dict[str, Any]:
        """Return the checked values, with every text traced to its path in the row."""
        reading = Reading() if reading is None else reading
        values = self.read(row, reading)
        return {name: trace_texts(value, self._paths[name], reading.parsed) for name, value in values.items()}

    def _list_unread(self, columns: Iterable[str]) -> list[str]:
        """Return the columns that the template does not declare: one of them may be a missing column."""
        return [column for column in columns if column not in self._readers]

    def _make_error(self, detail: ErrorDetails, row: Mapping[str, Any], cells: dict[str, Any]) -> RowError:
        if detail["type"] == "missing":
            steps, _ = _locate(detail["loc"][:-1], detail["input"], cells)
            unread = () if steps else self._list_unread(map(str, row))
            return missing_column_error(name_cell((*steps, detail["loc"][-1])), unread)
        steps, value = _locate(detail["loc"], detail["input"], cells)
        cell, is_part = name_cell(steps), len(steps) > 1
        if value is None:
            return RowError("is null", code=Code.MISSING_FIELD, column=cell)
        if isinstance(value, str) and is_part and has_surrogate(value):
            return RowError(SURROGATE, code=Code.BAD_TEXT, column=cell, value=value)
        domain = None if is_part else self._domains.get(cell)
        if domain:
            return RowError(f"expected {domain}, got {preview(value)}", code=Code.BAD_LABEL, column=cell, value=value)
        code = Code.BAD_LABEL if detail["type"] in _OUT_OF_DOMAIN else Code.WRONG_TYPE
        expected = detail["msg"].removeprefix("Input should be ").replace("a valid string", "text")
        expected = "an object" if detail["type"] in ("model_type", "dict_type") else expected
        expected = (
            "true or false"
            if detail["type"].startswith("bool")
            else expected.replace("a valid integer", "an integer").replace("a valid ", "a ")
        )
        found = f"{preview(value)}{describe_fix(value)}"
        if detail["type"].startswith("bool") and isinstance(value, str):
            found += "; if the label is text, declare all of its values, as in Literal['good', 'bad'],"
            found += f" and write which one is true: {{{{ {column_of(cell)} == 'good' }}}}"
        return RowError(f"expected {expected}, got {found}", code=code, column=cell, value=value)


def _find_unreadable(values: Mapping[str, Any], paths: Mapping[str, str]) -> list[RowError]:
    faults = []
    for name, value in values.items():
        try:
            _check_readable(value, paths[name])
        except RowError as error:
            faults.append(error)
    return faults


_MAX_FAULTS = 5
"""The most faults of a row that a message names."""


def join_faults(faults: Sequence[RowError]) -> RowError:
    """Return the error for a row with several faults: the first one, whose message also lists the others.

    >>> print(join_faults([RowError("is null", column="a"), RowError("missing", column="b")]))
    column 'a': is null; column 'b': missing
    """
    first, *more = faults
    others = [fault.reason for fault in more[: _MAX_FAULTS - 1]]
    if len(more) >= _MAX_FAULTS:
        others.append(f"and {len(more) - len(others)} more")
    return first.located(others=tuple(others)) if others else first


def _read_record(row: Any) -> Mapping[str, Any]:
    """Return a row as a mapping, converted if another library holds it.

    Raises:
        RowError: `wrong_type`.
    """
    if isinstance(row, dict):
        return row
    for method in ("asDict", "to_dict"):
        if not isinstance(row, Mapping) and hasattr(row, method):
            row = getattr(row, method)()
    if not isinstance(row, Mapping):
        raise RowError(
            f"a row must be a mapping of columns to values, got {preview(row)}", code=Code.WRONG_TYPE, value=row
        )
    return row


_SCALAR_TYPES = frozenset({int, float, bool, type(None)})
"""Types whose values contain neither text nor other values."""


def _check_readable(value: Any, path: str, depth: int = 0) -> None:
    """Reject texts and keys with lone surrogates, and values that are nested too deeply."""
    if depth > MAX_DEPTH:
        raise RowError(f"is nested more than {MAX_DEPTH} deep", code=Code.TOO_DEEP, column=column_of(path))
    if type(value) in _SCALAR_TYPES or (type(value) is str and value.isascii()):
        return
    for text in value if isinstance(value, Mapping) else (value,):
        if isinstance(text, str) and has_surrogate(text):
            raise RowError(SURROGATE, code=Code.BAD_TEXT, column=name_cell(parse_path(path)), value=text)
    for item, place in list_parts(value, path):
        _check_readable(item, place, depth + 1)


def _describe_domain(info: FieldInfo) -> str | None:
    """Describe the domain of a label; return None if its type has none."""
    for item in info.metadata:
        if isinstance(item, Label):
            return item.domain
    if get_origin(info.annotation) is Literal:
        return " or ".join(repr(choice) for choice in get_args(info.annotation))
    bounds = spell_bounds(tuple(info.metadata))
    return f"{getattr(info.annotation, '__name__', '')}{bounds}" if bounds else None


def _locate(location: tuple[int | str, ...], fault: Any, cells: Any) -> tuple[Steps, Any]:
    """Return the steps of a pydantic error's location in the data, and the value there.

    A location also names members of unions and the keys of mappings, which are not steps in the data, although the
    data may have a key of that name. `fault` is the value that pydantic rejects, and identifies the right place.
    """
    places: list[tuple[Steps, Any]] = [((), cells)]
    for step in location:
        steps, value = places[-1]
        if _has_item(value, step):
            places.append(((*steps, step), value[step]))
        elif step == "[key]":  # the key itself is at fault, so the place is that of its mapping
            return places[-2]
        else:
            places.append(places[-1])
    return next((place for place in reversed(places) if place[1] is fault), places[-1])


def _has_item(value: Any, step: int | str) -> bool:
    if isinstance(value, Mapping):
        return step in value
    return isinstance(value, list | tuple) and isinstance(step, int) and step < len(value)
