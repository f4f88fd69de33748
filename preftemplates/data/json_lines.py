"""Read rows from JSON lines: their physical lines, and what is wrong with lines that are not rows.

Lines are parsed by orjson if it is installed. It gives the same rows as the standard library except for what it
rejects (NaN, long numbers, lone surrogates) and for a key that an object repeats, of which it keeps the last value.
The standard library parses both kinds of lines again and reports what is wrong with them.
"""

from __future__ import annotations

import json
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any

from preftemplates.core.containers import find_repeated
from preftemplates.data.file_faults import check_first_line
from preftemplates.errors import Code, RowError, preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

try:
    import orjson
except ImportError:  # it is installed with the extra `arrow`
    orjson = None  # type: ignore[assignment]

MAX_LINE_BYTES = 64 << 20
"""The most bytes of a line that is read."""

CHUNK_BYTES = 1 << 20
"""How many bytes are read at once."""

_LOOKED_AT = 4
"""How many lines are inspected to recognise the kind of file, blank lines included."""


def read_json_lines(stream: IO[bytes]) -> Iterator[tuple[int, int, Mapping[str, Any] | RowError]]:
    """Yield each row's number, from 0, the number of its line, from 1, and its values or its error.

    Raises:
        FileError: the first lines show that the file is not one object per line.
    """
    row, lines = 0, _read_lines(stream)
    first = list(islice(lines, _LOOKED_AT))
    _check_first_lines([line for line in first if line is None or line.strip()][:2])
    for number, line in enumerate(chain(first, lines), start=1):
        if line is None:
            yield row, number, _make_length_error()
            row += 1
            continue
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if line and not line.isspace():
            yield row, number, _read_line(line)
            row += 1


def _check_first_lines(lines: Sequence[bytes | None]) -> None:
    """Raise an error if the first two lines show that the file is not one object per line."""
    texts = [(line or b"").removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace") for line in lines]
    if None not in lines:
        check_first_line(*[*texts, "", ""][:2])


def _read_lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """Yield the lines of a stream; None for a line that is too long, which is skipped without holding it in memory."""
    begun, size = list[bytes](), 0
    while chunk := stream.read(CHUNK_BYTES):
        first, *others = chunk.split(b"\n")
        size += len(first)
        if size <= MAX_LINE_BYTES:
            begun.append(first)
        else:
            begun.clear()
        for other in others:
            yield b"".join(begun) if size <= MAX_LINE_BYTES else None
            begun, size = [other], len(other)
    if size:
        yield b"".join(begun) if size <= MAX_LINE_BYTES else None


def _make_length_error() -> RowError:
    return RowError(f"the line has more than {MAX_LINE_BYTES >> 20} MiB", code=Code.LINE_TOO_LONG)


def _read_line(line: bytes) -> Mapping[str, Any] | RowError:
    if orjson is not None:
        try:
            value = orjson.loads(line)
            if type(value) is dict and 2 * _count_texts(value) == _count_quotes(line):
                return value
        except (orjson.JSONDecodeError, RecursionError):
            pass
    return _read_exactly(line)


def _count_quotes(line: bytes) -> int:
    """Return how many quotes delimit strings, including the keys that a parser would drop."""
    if b"\\\\" in line:
        line = line.replace(b"\\\\", b"")
    return line.count(b'"') - line.count(b'\\"')


_TOO_LARGE = float(2**63)
"""A whole number this large, read as a float, has lost digits."""


def _count_texts(value: dict[str, Any] | list[Any]) -> int:
    """Return how many strings, keys included, a value holds; negative if a number may have lost digits."""
    items: Any = value
    count = 0
    if type(value) is dict:
        items, count = value.values(), len(value)
    for item in items:
        kind = type(item)
        if kind is str:
            count += 1
        elif kind is dict or kind is list:
            count += _count_texts(item)
        elif kind is float and abs(item) >= _TOO_LARGE:
            return -_MANY
    return count


_MANY = 1 << 60


def _read_exactly(line: bytes) -> Mapping[str, Any] | RowError:
    """Parse a line with the standard library, and return its values or what is wrong with it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return RowError(f"byte {error.start} of the line is not UTF-8", code=Code.BAD_ENCODING)
    decoder = ObjectDecoder()
    try:
        value = decoder.decode(text)
    except (ValueError, RecursionError) as error:
        return make_json_error(error)
    return decoder.to_row(value)


class ObjectDecoder(json.JSONDecoder):
    """Parses JSON and remembers a key that an object repeats."""

    def __init__(self) -> None:
        self.repeated: str | None = None
        super().__init__(object_pairs_hook=self._object)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        items = dict(pairs)
        if len(items) < len(pairs):
            self.repeated = find_repeated(key for key, _ in pairs)
        return items

    def to_row(self, value: Any) -> Mapping[str, Any] | RowError:
        """Return the value as a row, or the reason why it is not one."""
        if self.repeated is not None:
            return RowError("an object has this key twice", code=Code.DUPLICATE_KEY, column=self.repeated)
        if not isinstance(value, dict):
            return RowError(f"expected an object, got {preview(value)}", code=Code.BAD_JSON, value=value)
        return value


def make_json_error(error: Exception) -> RowError:
    """Return the error for a text that is not JSON, or that cannot be read."""
    if isinstance(error, RecursionError):
        return RowError("JSON is nested too deeply", code=Code.TOO_DEEP)
    if isinstance(error, json.JSONDecodeError):
        quotes = "; it looks like a Python literal: write json.dumps(row)" if error.doc.lstrip()[:2] == "{'" else ""
        reason = error.msg.removesuffix(" at")  # "Unterminated string starting at"
        return RowError(f"not JSON: {reason} at character {error.pos}{quotes}", code=Code.BAD_JSON)
    return RowError("a number has too many digits", code=Code.BAD_NUMBER)
