"""Write rows so that a file appears complete or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import IO, TYPE_CHECKING, Any, Protocol

from preftemplates.core.extras import import_extra
from preftemplates.data.reading import find_file_kind, make_ending_error
from preftemplates.errors import FileError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from preftemplates.data.result_slice import ResultSlice


class RowWriter(Protocol):
    """Takes results one by one."""

    def write(self, result: Mapping[str, Any]) -> None:
        """Add one row to the file."""

    def write_slice(self, results: ResultSlice) -> None:
        """Add several rows to the file."""


@contextmanager
def open_writer(path: str | Path, schema: Any = None) -> Iterator[RowWriter]:
    """Open a file to write rows to: it appears under its name when the block ends, unless the block raises an error.

    Args:
        path: a name ending in .jsonl, .json or .csv (lists as JSON), each also with .gz, or in .parquet. If the schema
            of a .parquet file has text for a value that is not text, the value is written as JSON.
        schema: a `pyarrow.Schema` for .parquet; None to infer it from the first thousand rows.

    Raises:
        FileError: the ending is unknown, or the path cannot be written to.
    """
    path = Path(path)
    kind = find_file_kind(path)
    if kind is None:
        raise make_ending_error(path)
    with _write_whole(path) as raw, _open_row_writer(kind, path.suffix == ".gz", raw, schema) as writer:
        yield writer


def write_text(path: Path, text: str) -> None:
    """Write a complete text file.

    Raises:
        FileError: the path cannot be written to.
    """
    write_pieces(path, [text])


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Write a complete text file piece by piece.

    Raises:
        FileError: the path cannot be written to.
    """
    with _write_whole(path) as raw:
        for piece in pieces:
            raw.write(piece.encode())


@contextmanager
def _write_whole(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file under a temporary name, which gets its final name when the block ends."""
    check_writable(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as raw:
            yield raw
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # the error raised above says more
            partial.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Check that a path can be written to, before there is anything to write.

    Raises:
        FileError: its directory does not exist, it is a directory or a device, or no file can have that name.
    """
    try:
        if not os.path.isdir(path.absolute().parent):
            raise FileError(f"{path} cannot be written: there is no directory {path.parent}")
        if not S_ISREG(path.stat().st_mode):  # a rename would replace a device by a file
            kind = "a directory" if path.is_dir() else "a pipe or a device"
            raise FileError(f"{path} cannot be written: it is {kind}; name a file")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{one_line(str(path))} cannot be written: {reason}") from error


@contextmanager
def _open_row_writer(kind: str, compressed: bool, raw: IO[bytes], schema: Any) -> Iterator[RowWriter]:
    if kind == ".parquet":
        with _ParquetWriter(raw, schema) as writer:
            yield writer
        return
    # the time and name that gzip stores would make equal rows into unequal bytes
    stream: Any = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if compressed else raw
    text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=False)
    with {".csv": _CSVWriter, ".json": _JSONListWriter}.get(kind, _JSONLinesWriter)(text) as writer:
        yield writer
    text.flush()
    text.detach()
    if compressed:
        stream.close()


class _TextWriter:
    """A writer over a text stream, with something at its start and end."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self.text = text
        self.written = 0

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.finish()

    def finish(self) -> None:
        """Write the end of the file."""

    def write(self, result: Mapping[str, Any]) -> None:
        """Add one row."""
        raise NotImplementedError

    def write_slice(self, results: ResultSlice) -> None:
        """Add several rows, one by one."""
        for result in results.results():
            self.write(result)


class _JSONLinesWriter(_TextWriter):
    """Writes one JSON object per line."""

    def write_slice(self, results: ResultSlice) -> None:
        """Add several lines; those of columns are written all at once."""
        if results.columns is None:
            super().write_slice(results)
            return
        from preftemplates.data.columnar.json_output import write_json_lines

        lines: list[bytes] = [b""] * len(results)
        for place, line in zip(results.places, write_json_lines(results.columns), strict=True):
            lines[place] = line
        for place, result in results.others:
            lines[place] = f"{json.dumps(result, ensure_ascii=False)}\n".encode()
        self.text.flush()
        self.text.buffer.write(b"".join(lines))

    def write(self, result: Mapping[str, Any]) -> None:
        """Add one line."""
        self.text.write(json.dumps(result, ensure_ascii=False) + "\n")


class _JSONListWriter(_TextWriter):
    """Writes one JSON list, one object per line."""

    def write(self, result: Mapping[str, Any]) -> None:
        """Add one item."""
        self.text.write((",\n" if self.written else "[\n") + json.dumps(result, ensure_ascii=False))
        self.written += 1

    def finish(self) -> None:
        """Close the list."""
        self.text.write("\n]\n" if self.written else "[]\n")


class _CSVWriter(_TextWriter):
    """Writes a header, and one line per row; values that are not text are written as JSON."""

    header: tuple[str, ...] = ()

    def write(self, result: Mapping[str, Any]) -> None:
        """Add one line, after the header if it is the first.

        Raises:
            FileError: the result has other keys than the first one.
        """
        writer = csv.writer(self.text, lineterminator="\n")
        if not self.written:
            self.header = tuple(result)
            writer.writerow(result)
        if tuple(result) != self.header:
            raise FileError(
                f"got the columns {list(result)}, expected those of the first row of the CSV, {list(self.header)};"
                " write .jsonl"
            )
        self.written += 1
        writer.writerow(
            cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False) for cell in result.values()
        )


class _ParquetWriter:
    """Writes Parquet, in row groups of a thousand rows or of one slice."""

    _GROUP_ROWS = 1000

    def __init__(self, raw: IO[bytes], schema: Any) -> None:
        self._raw, self._schema = raw, schema
        self._arrow = import_extra("pyarrow", "the output is Parquet")
        self._parquet = import_extra("pyarrow.parquet", "the output is Parquet")
        from preftemplates.data.arrow import write_nested_as_json

        self._write_nested_as_json = write_nested_as_json
        self._file: Any = None
        self._rows: list[Mapping[str, Any]] = []

    def write(self, result: Mapping[str, Any]) -> None:
        """Add one row."""
        if self._schema is not None:
            result = self._write_nested_as_json(result, self._schema)
        self._rows.append(result)
        if len(self._rows) >= self._GROUP_ROWS:
            self._flush()

    def write_slice(self, results: ResultSlice) -> None:
        """Add several rows; if all of them are columns, they stay columns."""
        if results.columns is None or results.columns.schema != self._schema:
            for result in results.results():
                self.write(result)
            return
        others = [self._write_nested_as_json(result, self._schema) for _, result in results.others]
        rows = self._arrow.RecordBatch.from_pylist(others, schema=self._schema)
        places = [*results.places, *(place for place, _ in results.others)]
        both = self._arrow.Table.from_batches([results.columns, rows])
        if self._rows:
            self._flush()
        self._open().write_table(both.take(sorted(range(len(places)), key=places.__getitem__)) if others else both)

    def _open(self) -> Any:
        if self._file is None:
            self._file = self._parquet.ParquetWriter(self._raw, self._schema)
        return self._file

    def _flush(self) -> None:
        if self._file is None:
            self._schema = self._schema or self._arrow.Table.from_pylist(self._rows).schema
        self._open().write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def __enter__(self) -> _ParquetWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._flush()
        if self._file is not None:
            self._file.close()
