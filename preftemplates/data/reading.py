"""Read rows from files, with the physical line of each row, and from datasets."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.containers import find_repeated
from preftemplates.core.extras import import_extra as import_extra
from preftemplates.core.extras import spell_install as spell_install  # the trainer imports both from here
from preftemplates.data.csv_rows import MAX_COLUMNS, CellParsers, check_column_count, read_csv
from preftemplates.data.dataset_sources import (
    DatasetChoice,
    count_rows,
    describe_foreign_error,
    is_saved_dataset,
    keep_media,
    load_folder,
    load_hub_dataset,
    load_saved_dataset,
)
from preftemplates.data.file_faults import (
    check_encoding,
    check_is_not_json,
    describe_object,
    looks_like_csv,
    name_file,
    peek,
    spell_ending_hint,
)
from preftemplates.data.folders import find_csv_options, plan_folder
from preftemplates.data.json_lines import ObjectDecoder, make_json_error, read_json_lines
from preftemplates.data.table_rows import SLICE_ROWS, list_rows
from preftemplates.errors import Code, FileError, RowError, did_you_mean, one_line, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_PACKED_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv")
_ENDINGS = (*_PACKED_ENDINGS, ".parquet")
_MAGIC = {b"\x1f\x8b": "gzip; its name should end in .gz", b"PAR1": "Parquet; its name should end in .parquet"}


MAX_LIST_BYTES = 1 << 30
"""The most bytes of a JSON list, which is read as a whole."""


_LIKE_A_FILE = re.compile(r"\.[A-Za-z]{2,5}")
"""An ending that no dataset on the hub has."""


class Record(NamedTuple):
    """One row of a source.

    Attributes:
        row: its number, from 0.
        line: the physical line on which it begins, from 1; None if the file format has no lines.
        cells: the values by column, or the error that explains why there are none.
        is_table: whether a null may have been filled in by a table, as in Parquet, so that nobody wrote it.
    """

    row: int
    line: int | None
    cells: Mapping[str, Any] | RowError
    is_table: bool = False


@dataclass
class RowSource:
    """The rows of a file or dataset.

    Attributes:
        name: the name of the source, for messages.
        records: the rows, which can be read once.
        fraction: how much of the source was read so far, from 0 to 1; None if that is unknown.
        are_texts: whether all values are texts, as in a CSV, except for those that `cell_parsers` parse.
    """

    name: str
    records: Iterator[Record]
    fraction: Callable[[], float | None]
    are_texts: bool = field(default=False, kw_only=True)

    def __iter__(self) -> Iterator[Record]:
        """Yield the rows; raise an error if there are none, and reject a row with too many columns."""
        record = None
        for record in self.records:
            if not isinstance(record.cells, RowError) and len(record.cells) > MAX_COLUMNS:
                message = f"the row has {len(record.cells):,} columns, more than the limit of {MAX_COLUMNS:,}"
                yield record._replace(cells=RowError(message, code=Code.TOO_WIDE))
            else:
                yield record
        if record is None:
            raise FileError(f"{self.name} has no rows")


def open_rows(
    source: str | Path,
    *,
    split: str | None = None,
    name: str | None = None,
    data_dir: str | None = None,
    revision: str | None = None,
    cell_parsers: CellParsers | None = None,
) -> RowSource:
    """Open a file of rows by its ending, a dataset directory, or a dataset on the hub.

    Args:
        source: a path ending in .jsonl, .json (one list) or .csv, each also with .gz, or in .parquet; a directory that
            `datasets` saved or can load; or a name on the hub, which is streamed.
        split: the split of a dataset; train by default.
        name: the configuration, if a dataset has several.
        data_dir: the folder of a dataset that contains its files.
        revision: the version of a dataset on the hub.
        cell_parsers: the functions that parse CSV values which are not text.

    Raises:
        FileError: the file or dataset does not exist, holds no rows, is not what its name says, or has no such split.
    """
    path, choice = Path(source), DatasetChoice(split, name, data_dir, revision)
    if _is_directory(path):
        datasets = import_extra("datasets", f"{path} is a directory")
        if is_saved_dataset(path):
            return _make_dataset_source(str(path), load_saved_dataset(path, choice, datasets), split)
        plan = plan_folder(path, choice, datasets)
        if plan.files:
            return _open_files(str(path), plan.files, cell_parsers or {})
        return _make_dataset_source(str(path), load_folder(path, choice, datasets, plan.options), split)
    kind = find_file_kind(path)
    if kind is None and not path.exists() and not _LIKE_A_FILE.fullmatch(path.suffix):
        datasets = import_extra("datasets", f"{source} is not a file here, so it is read as a dataset on the hub")
        return _make_dataset_source(
            str(source), load_hub_dataset(str(source), choice, datasets, find_csv_options), split
        )
    _check_readable(path, kind)
    if split or choice.options:
        raise FileError(f"{path} is a file; only a dataset has splits, configurations, folders and revisions")
    if kind == ".parquet":
        return _open_parquet(path)
    raw = path.open("rb")
    size = max(1, path.stat().st_size)
    stream: IO[bytes] = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw  # type: ignore[assignment]
    head = b""
    try:
        head = peek(stream)
        check_encoding(head, str(path))
        if kind == ".csv":
            check_is_not_json(head, str(path))
    except FileError:
        raw.close()
        raise
    except (OSError, EOFError, zlib.error):  # damage is reported while the rows are read
        pass
    records: Iterator[Record]
    if kind == ".csv":
        records = (Record(*row) for row in read_csv(stream, cell_parsers or {}))
    elif kind == ".json":
        records = _read_json_list(stream)
    else:
        records = (Record(*row) for row in read_json_lines(stream))
        records = _refuse_csv(records) if looks_like_csv(head) else records
    closing = _close_after(raw, records, str(path))
    return RowSource(str(path), closing, lambda: 1.0 if raw.closed else raw.tell() / size, are_texts=kind == ".csv")


def _open_files(name: str, files: Sequence[Path], parsers: CellParsers) -> RowSource:
    """Open the files of a folder, all CSV or all JSON lines, to be read one after the other."""
    filled = [file for file in files if file.stat().st_size] or files[:1]  # a shard may hold nothing
    if len(filled) == 1:
        return open_rows(filled[0], cell_parsers=parsers)
    sequence = _FileSequence(Path(name), filled, parsers)
    are_texts = all(find_file_kind(file) == ".csv" for file in files)
    return RowSource(name, sequence.read(), sequence.find_fraction, are_texts=are_texts)


class _FileSequence:
    """Several files of rows, of which one is open at a time."""

    def __init__(self, folder: Path, files: Sequence[Path], parsers: CellParsers) -> None:
        self._folder = folder
        self._files = [(file, file.stat().st_size) for file in files]
        self._parsers = parsers
        self._done = 0
        self._open: tuple[RowSource, int] | None = None

    def read(self) -> Iterator[Record]:
        """Yield the rows of all files, numbered from 0; the messages of errors about lines name the file and line."""
        row = 0
        for file, size in self._files:
            source = open_rows(file, cell_parsers=self._parsers)
            self._open = source, size
            for record in source.records:
                cells = record.cells
                if isinstance(cells, RowError):
                    name = file.relative_to(self._folder) if file.is_relative_to(self._folder) else file
                    place = one_line(str(name)) + (f" line {record.line}" if record.line else "")
                    cells = RowError(f"{place}: {cells.message}", **cells.facts)
                yield Record(row, None, cells)  # a line alone would not tell in which file it is
                row += 1
            self._open, self._done = None, self._done + size

    def find_fraction(self) -> float:
        """Return the share of the bytes that was read."""
        source, size = self._open or (None, 0)
        within = 0.0 if source is None else (source.fraction() or 0.0) * size
        return (self._done + within) / max(1, sum(size for _, size in self._files))


def _is_directory(path: Path) -> bool:
    """Return whether a path is a directory.

    Raises:
        FileError: no file can have that name, or it is neither a file nor a directory.
    """
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        name = one_line(str(path))
        raise FileError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not (S_ISDIR(kind) or S_ISREG(kind)):
        raise FileError(f"{path} is a pipe or a device, but rows are read more than once; write them to a file")
    return S_ISDIR(kind)


def find_file_kind(path: Path) -> str | None:
    """Return the ending that tells the kind of a file, without .gz; None if it is unknown, or Parquet with .gz."""
    is_packed = path.suffix == ".gz"
    ending = (Path(path.stem).suffix if is_packed else path.suffix).lower()
    return ending if ending in (_PACKED_ENDINGS if is_packed else _ENDINGS) else None


def make_ending_error(path: Path) -> FileError:
    """Return the error for a file whose name does not tell its kind."""
    if path.name.lower().endswith(".parquet.gz"):
        return FileError(f"{path}: Parquet is compressed inside, without .gz; name it .parquet")
    *others, last = _PACKED_ENDINGS
    endings = f"{', '.join(others)} or {last}, each also with .gz, or .parquet"
    return FileError(f"{path}: unknown file name ending, expected {endings}{spell_ending_hint(path)}")


def _check_readable(path: Path, kind: str | None) -> None:
    if kind is None:
        raise make_ending_error(path)
    if not path.exists():
        names = [neighbour.name for neighbour in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileError(f"{path} does not exist." + did_you_mean(path.name, names))
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise FileError(f"{path} is empty")
    if path.suffix == ".gz":
        if head[:2] != b"\x1f\x8b":
            raise FileError(f"{path} is not gzip, though its name ends in .gz")
        return
    for magic, what in _MAGIC.items():
        if head.startswith(magic) and not (kind == ".parquet" and magic == b"PAR1"):
            raise FileError(f"{path} is {what}")


def _close_after(raw: IO[bytes], records: Iterator[Record], name: str) -> Iterator[Record]:
    with raw:
        try:
            yield from records
        except (EOFError, OSError, zlib.error) as error:
            raise FileError(f"{name} is damaged, or cannot be read to its end: {one_line(str(error), 200)}") from error
        except UnicodeDecodeError as error:
            raise FileError(f"{name} is not UTF-8: {error.reason} at byte {error.start}") from error
        except FileError as error:
            raise name_file(error, name) from error.__cause__


_RECOGNISED_BY = 1_000
"""How many lines of a file that begins like a CSV are read before it is taken for one."""


def _refuse_csv(records: Iterator[Record]) -> Iterator[Record]:
    """Yield the rows of a file that begins like a CSV; raise an error if no line at its start is JSON."""
    first = list(islice(records, _RECOGNISED_BY))
    if len(first) > 1 and all(isinstance(one.cells, RowError) and one.cells.code is Code.BAD_JSON for one in first):
        raise FileError("the file is a CSV, expected one JSON object per line; its name should end in .csv")
    yield from first
    yield from records


def _read_json_list(stream: IO[bytes]) -> Iterator[Record]:
    raw = stream.read(MAX_LIST_BYTES + 1)
    if len(raw) > MAX_LIST_BYTES:
        raise FileError(f"the list has more than {MAX_LIST_BYTES >> 30} GiB; write one object per line, as .jsonl")
    text = raw.decode("utf-8-sig")
    at = _skip_whitespace(text, 0)
    if text[at : at + 1] == "{":
        raise describe_object(text, at)
    if text[at : at + 1] != "[":
        raise FileError("the file is not a JSON list of objects")
    at, line, counted, row = _skip_whitespace(text, at + 1), 1, 0, 0
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        decoder = ObjectDecoder()
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise FileError(make_json_error(error).message, line=line) from None
        yield Record(row, line, decoder.to_row(value))
        row, at = row + 1, _skip_whitespace(text, at)
        if text[at : at + 1] == ",":
            at = _skip_whitespace(text, at + 1)
        elif text[at : at + 1] != "]":
            raise FileError("not JSON: a ',' or the list's ']' is missing", line=line + text.count("\n", counted, at))
    if _skip_whitespace(text, at + 1) < len(text):
        raise FileError("not JSON: there is more text after the list", line=line)


def _skip_whitespace(text: str, at: int) -> int:
    """Return the next position without whitespace."""
    while text[at : at + 1] in (" ", "\n", "\r", "\t") and at < len(text):
        at += 1
    return at


def _open_parquet(path: Path) -> RowSource:
    parquet = import_extra("pyarrow.parquet", f"{path} is Parquet")
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:
        raise FileError(f"{path} is not Parquet: {one_line(str(error), 200)}") from error
    names = file.schema_arrow.names
    if (repeated := find_repeated(names)) is not None:
        raise FileError(f"{path} has two columns named {preview(repeated)}; rename one")
    check_column_count(len(names), str(path))
    total, done = max(1, file.metadata.num_rows), [0]

    def records() -> Iterator[Record]:
        with file:
            for batch in file.iter_batches(batch_size=_choose_batch_size(file.metadata)):
                for cells in list_rows(batch):
                    yield Record(done[0], None, cells, is_table=True)
                    done[0] += 1

    return RowSource(str(path), _wrap_errors(records(), str(path), done), lambda: done[0] / total)


_BATCH_BYTES = 32 << 20
"""How many bytes of a table are read at once."""


def _choose_batch_size(metadata: Any) -> int:
    """Return how many rows are read at once: fewer if they are long, such as images."""
    size = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    return int(max(16, min(SLICE_ROWS, _BATCH_BYTES * metadata.num_rows // max(1, size))))


def _make_dataset_source(name: str, dataset: Iterable[Mapping[str, Any]], split: str | None) -> RowSource:
    dataset = keep_media(dataset)
    done, total = [0], count_rows(dataset, split)

    def records() -> Iterator[Record]:
        for row, cells in enumerate(dataset):
            done[0] = row + 1
            yield Record(row, None, cells, is_table=True)

    return RowSource(name, _wrap_errors(records(), name, done), lambda: done[0] / total if total else None)


def _wrap_errors(records: Iterator[Record], name: str, done: list[int]) -> Iterator[Record]:
    """Yield the same rows; turn errors of other libraries, such as a lost connection, into this library's."""
    try:
        yield from records
    except Exception as error:
        raise FileError(f"{name} cannot be read after row {done[0]}: {describe_foreign_error(error)}") from error
