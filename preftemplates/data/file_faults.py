"""Recognise files that are not what their names say, and tell how to make rows of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from shlex import quote
from typing import IO, TYPE_CHECKING, Any

from preftemplates.errors import FileError, preview

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOKED_AT = 512
"""How many bytes of a file are inspected."""

_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""The first bytes of known kinds of files, longer marks first."""

_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}
"""Separators of values other than commas, with their names."""

_HINTS = {
    ".tsv": "separate the values by commas, and save the file as .csv",
    ".txt": "rename it to match its contents, such as rows.jsonl",
    ".xlsx": "save the sheet as .csv (UTF-8)",
    ".xls": "save the sheet as .csv (UTF-8)",
    ".arrow": "read it with datasets.load_from_disk or Dataset.from_file, and write .parquet",
    ".zst": "decompress it: unzstd FILE",
    ".zip": "unpack it",
    ".pkl": "write .jsonl or .parquet",
}
"""Other endings of files that people keep rows in, and what to do with such a file."""


def spell_ending_hint(path: Path) -> str:
    """Return what to do with a file of another ending, as the end of a sentence; empty if that is unknown.

    >>> from pathlib import Path
    >>> spell_ending_hint(Path("rows.tsv"))
    '; separate the values by commas, and save the file as .csv'
    """
    hint = _HINTS.get(path.suffix.lower())
    return f"; {hint}" if hint else ""


def check_encoding(head: bytes, name: str) -> None:
    """Raise an error for another encoding than UTF-8 that the first bytes show.

    Args:
        head: the beginning of a file.
        name: the file's name.

    Raises:
        FileError: the file is UTF-16 or UTF-32; the message says how to convert it.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    first, second = head[0::2], head[1::2]
    if encoding is None and len(second) > 1:  # Latin text is a letter and a zero byte in turns
        for candidate, zeros, letters in (("UTF-16LE", second, first), ("UTF-16BE", first, second)):
            if zeros.count(0) * 2 > len(zeros) and not letters.count(0):
                encoding = candidate
    if encoding is not None:
        raise FileError(
            f"{name} is {encoding}, expected UTF-8; convert it:"
            f" iconv -f {encoding} -t UTF-8 {quote(name)} > {quote(_spell_new_name(name))}"
        )


def _spell_new_name(name: str) -> str:
    """Return a name, with its ending, for a converted file next to the original."""
    path = Path(name)
    return path.name.replace(".", ".utf8.", 1) if "." in path.name else f"{path.name}.utf8"


def peek(stream: IO[bytes]) -> bytes:
    """Return the first bytes of a seekable stream without consuming them."""
    head = stream.read(_LOOKED_AT)
    stream.seek(0)
    return head


_NAME = r'"?[A-Za-z_][\w .-]*"?'
_CSV_HEADER = re.compile(rf"\s*{_NAME}(?:[,;\t]{_NAME})+\s*")
_JSON_OBJECT = re.compile(r'\s*(\[\s*)?\{\s*"(?:[^"\\]|\\.)*"\s*:')


def looks_like_csv(head: bytes) -> bool:
    r"""Return whether the first line is a list of names as in a CSV, and the second is not an object or a list.

    >>> looks_like_csv(b"prompt,chosen,rejected\nMint?,Yes.,No.\n"), looks_like_csv(b'{"prompt": "Mint?"}\n')
    (True, False)
    """
    first, _, others = head.decode("utf-8-sig", "replace").lstrip().partition("\n")
    return bool(_CSV_HEADER.fullmatch(first)) and others.lstrip()[:1] not in ("", "{", "[")


def check_is_not_json(head: bytes, name: str) -> None:
    """Raise an error for a .csv file that begins with a JSON object, or with a list of them.

    Args:
        head: the beginning of a file.
        name: the file's name.

    Raises:
        FileError: the message says how the name should end.
    """
    found = _JSON_OBJECT.match(head.decode("utf-8-sig", "replace"))
    if found is not None:
        ending = ".json" if found[1] else ".jsonl"
        raise FileError(
            f"{name} is JSON, expected a header with the names of columns; its name should end in {ending}"
        )


def check_first_line(text: str, following: str) -> None:
    """Raise an error if the first line shows that the lines are not one JSON object each.

    Args:
        text: the first line.
        following: the second line; empty if there is none.

    Raises:
        FileError: the message says what the lines are, and how to make lines of objects.
    """
    text = text.strip()
    if text.startswith("["):
        _refuse_list(text, following)
    goes_on = following.strip() and not following.strip().startswith("{")
    if text.startswith("{") and text.endswith(("{", ",", "[")) and goes_on:
        raise FileError("an object spans several lines; write one per line: jq -c . FILE > rows.jsonl", line=1)
    if not following.strip() and text.startswith("{"):
        check_is_not_wrapped(_read(text))


def _refuse_list(text: str, following: str) -> None:
    value = _read(text)
    if isinstance(value, list) and value and not any(isinstance(item, dict) for item in value):
        names = ", ".join(f"NAME{index}: .[{index}]" for index in range(min(len(value), _MAX_NAMES)))
        names += ", ..." if len(value) > _MAX_NAMES else ""
        raise FileError(
            "each line is a list, expected an object with a name for each value:"
            f" jq -c '{{{names}}}' FILE > rows.jsonl",
            line=1,
        )
    if following.strip() and isinstance(value, list):
        fix = "jq -c '.[]' FILE > rows.jsonl"
        raise FileError(f"each line is a list of objects; write one object per line: {fix}", line=1)
    raise FileError("the file is one JSON list, expected one object per line; its name should end in .json")


def check_is_not_wrapped(value: Any) -> None:
    """Raise an error for an object that holds all rows under a key, or a list of values per column.

    Raises:
        FileError: the message says how to take the rows out.
    """
    items = value.items() if isinstance(value, dict) else ()
    if sum(isinstance(item, str) for _, item in items) > 1:  # a real row has several texts
        return
    for key, rows in items:
        if key in _WRAPPERS and isinstance(rows, list) and rows and all(map(_is_row, rows[:3])):
            inner = ".row" if all(isinstance(item.get("row"), dict) for item in rows[:3]) else ""
            path = f".[{json.dumps(key)}][]{inner}"
            raise FileError(
                f"the file is one object whose key {preview(key)} holds the rows; take them out:"
                f" jq -c {quote(path)} FILE > rows.jsonl"
            )


_MAX_NAMES = 5
"""The most values of a list that a fix names."""

_WRAPPERS = ("data", "rows", "examples", "instances", "items", "records", "samples", "train", "test", "validation")
"""Keys under which files hold all their rows."""


def _is_row(value: Any) -> bool:
    """Return whether an item of a list is a row, as opposed to a message."""
    return isinstance(value, dict) and not value.keys() & {"role", "from"}


def describe_object(text: str, position: int) -> FileError:
    """Return the error for a .json file that begins with an object instead of a list of rows.

    Args:
        text: the whole file.
        position: the position at which the object begins.
    """
    try:
        value, end = json.JSONDecoder().raw_decode(text, position)
    except (ValueError, RecursionError):
        return FileError(
            "the file begins with an object, expected a list; if it has one object per line, name it .jsonl"
        )
    if text[end:].strip():
        return FileError("the file has one object per line, expected a list; its name should end in .jsonl")
    try:
        check_is_not_wrapped(value)
    except FileError as error:
        return error
    if value and all(isinstance(item, dict | list) for item in value.values()):
        return FileError(
            "the file is an object of columns, expected a list of rows:"
            " pandas.read_json(FILE).to_json('rows.jsonl', orient='records', lines=True)"
        )
    return FileError("the file is one object, expected a list of rows; put the object in [ ]")


def check_separator(header: Sequence[str]) -> None:
    """Check that the header of a CSV is separated by commas.

    Raises:
        FileError: the message says how to write commas.
    """
    if len(header) != 1:
        return
    for separator, name in _SEPARATORS.items():
        if separator in header[0]:
            columns = ", ".join(header[0].split(separator))
            raise FileError(
                f"the values are separated by {name} ({preview(columns)}), expected commas:"
                f" pandas.read_csv(FILE, sep={separator!r}, dtype=str, keep_default_na=False)"
                ".to_csv('commas.csv', index=False)",
                line=1,
            )


def name_file(error: FileError, name: str) -> FileError:
    """Return an error for a file, with the file's name in its fix.

    >>> print(name_file(FileError("an object spans lines: jq -c . FILE > rows.jsonl"), "my rows.json"))
    my rows.json: an object spans lines: jq -c . 'my rows.json' > rows.jsonl
    """
    message = error.message.replace("(FILE", f"({name!r}").replace(" FILE ", f" {quote(name)} ")
    return FileError(message, **error.facts).located(file=name)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
