"""Read rows of CSV files; a damaged record is one rejected row."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from preftemplates.core.containers import find_repeated
from preftemplates.core.messages import has_surrogate
from preftemplates.data.file_faults import check_separator
from preftemplates.errors import Code, FileError, RowError, preview

CellParsers = Mapping[str, Callable[[str], Any]]
"""For each column that is not text, the function that parses its values."""

MAX_RECORD = 64 << 20
"""The most characters of a record that is read."""

MAX_COLUMNS = 10_000
"""The most columns of a row that is read: every template looks each column up, and unread ones are reported."""

_CHUNK = 1 << 20

_CELL = r'(?:"(?:[^"]|"")*"|[^",\r\n]*)'
_WELL_FORMED = re.compile(rf"{_CELL}(?:,{_CELL})*[\r\n]*")


def read_csv(stream: IO[bytes], parsers: CellParsers) -> Iterator[tuple[int, int, Mapping[str, Any] | RowError]]:
    """Yield each row's number, from 0, the number of its first line, from 1, and its values or its error.

    A damaged record costs only itself: reading continues with its second line.

    Args:
        stream: the bytes of the file.
        parsers: the functions that parse values which are not text.

    Raises:
        FileError: the header is damaged or repeats a column.
    """
    csv.field_size_limit(sys.maxsize)
    lines = _CSVLines(io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline=""))
    header = _read_header(lines)
    reader, row, is_sure = csv.reader(lines, strict=True), 0, True
    while True:
        line = lines.begin_record()
        try:
            cells = next(reader, None)
        except csv.Error as error:  # the record's end is unknown, so continue with its second line
            yield (row, line, RowError(f"not CSV: {error}", code=Code.BAD_CSV))
            reader, row, is_sure = csv.reader(lines, strict=True), row + 1, False
            lines.put_back()
            continue
        if cells is None:
            return
        if cells:
            is_sure = is_sure or (len(cells) == len(header) and lines.is_well_formed)
            yield (row, line, _read_csv_row(header, cells, parsers, is_sure=is_sure))
            row += 1


class _CSVLines:
    """The lines of a CSV; the lines of a damaged record can be read again."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._record: list[str] = []
        self._again: list[str] = []
        self._characters = 0
        self._number = 0

    def begin_record(self) -> int:
        """Start the next record, and return the number of its first line, from 1."""
        self._record.clear()
        self._characters = 0
        return self._number + 1

    @property
    def is_well_formed(self) -> bool:
        """Return whether all quotes in the record enclose whole values."""
        return _WELL_FORMED.fullmatch("".join(self._record)) is not None

    def put_back(self) -> None:
        """Return all lines of the record except the first to the input."""
        self._number -= len(self._record) - 1
        self._again += reversed(self._record[1:])
        self._record.clear()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else self._text.readline(MAX_RECORD + 1)
        if not line:
            raise StopIteration
        self._characters += len(line)
        self._number += 1
        is_long = len(line) > MAX_RECORD
        while is_long and line and not line.endswith(("\n", "\r")):
            line = self._text.readline(_CHUNK)
        self._record.append(line)
        if self._characters > MAX_RECORD:
            raise csv.Error(f"a record has more than {MAX_RECORD >> 20} Mi characters")
        return line


def _read_header(lines: _CSVLines) -> list[str]:
    try:
        header = next(csv.reader(lines, strict=True), [])
    except csv.Error as error:
        raise FileError(f"not CSV: {error}", line=1) from error
    if any(map(has_surrogate, header)):
        raise FileError("the header is not UTF-8; save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8", line=1)
    check_separator(header)
    if (repeated := find_repeated(header)) is not None:
        raise FileError(f"the header has the column {preview(repeated)} twice; rename one", line=1)
    check_column_count(len(header), "the header")
    return header


def check_column_count(count: int, name: str) -> None:
    """Check that a table does not have too many columns.

    Raises:
        FileError: it has more columns than are read.
    """
    if count > MAX_COLUMNS:
        raise FileError(f"{name} has {count:,} columns, more than the limit of {MAX_COLUMNS:,}")


def _read_csv_row(
    header: list[str], cells: list[str], parsers: CellParsers, *, is_sure: bool
) -> Mapping[str, Any] | RowError:
    """Return the values by column.

    Args:
        header: the names of the columns.
        cells: the values.
        parsers: the functions that parse values which are not text.
        is_sure: whether a record certainly begins here, and not inside a damaged one.
    """
    if len(cells) > len(header):
        return RowError(f"got {len(cells)} values for {len(header)} columns", code=Code.BAD_CSV)
    if not is_sure:
        return RowError("this record may be part of the damaged one before it", code=Code.BAD_CSV)
    if damaged := next((name for name, cell in zip(header, cells, strict=False) if has_surrogate(cell)), None):
        fix = "save the file as UTF-8, as iconv -f WINDOWS-1252 -t UTF-8 does"
        return RowError(f"holds bytes that are not UTF-8; {fix}", code=Code.BAD_ENCODING, column=damaged)
    return parse_cells(dict(zip(header, cells, strict=False)), parsers)


def parse_cells(cells: Mapping[str, Any], parsers: CellParsers) -> dict[str, Any]:
    """Return the values of a row of texts, with those of other types parsed."""
    return {name: parsers[name](cell) if name in parsers else cell for name, cell in cells.items()}
