"""Prepare the `tokenizer.json` of a tokenizer for engines, with a token for each byte."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preftemplates.errors import DefinitionError, one_line
from preftemplates.tokens.engines.tokenizer_checks import check_tokenizer_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN_BYTES = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
"""The bytes that a byte-level vocabulary spells as the character with the same number."""


def list_byte_characters() -> list[str]:
    """Return the characters with which byte-level vocabularies spell the 256 bytes, in the order of the bytes.

    >>> [list_byte_characters()[byte] for byte in b" a"]
    ['Ġ', 'a']
    """
    # the table of `bytes_to_unicode` in GPT-2's encoder.py, which all byte-level vocabularies use
    hidden = [byte for byte in range(256) if byte not in _SHOWN_BYTES]
    return [chr(byte if byte in _SHOWN_BYTES else 0x100 + hidden.index(byte)) for byte in range(256)]


def is_byte_level(description: dict[str, Any]) -> bool:
    """Return whether a tokenizer's parts spell texts as bytes before its model sees them.

    >>> is_byte_level({"pre_tokenizer": {"type": "ByteLevel"}}), is_byte_level({"pre_tokenizer": None})
    (True, False)
    """
    parts = [description.get("normalizer"), description.get("pre_tokenizer")]
    while parts:
        part = parts.pop() or {}
        if part.get("type") == "ByteLevel":
            return True
        parts += [*part.get("normalizers", ()), *part.get("pretokenizers", ())]
    return False


def prepare_tokenizer_json(tokenizer_json: str) -> tuple[str, int | None]:
    """Return the `tokenizer.json` for an engine, and the first id that the tokenizer itself does not have.

    Truncation, padding and the post-processor are removed. If a byte-level vocabulary lacks bytes, a token is added
    for each of them, because some engines fail without it. The ids of these tokens start at the second result, which
    is None if no byte is missing. The default engine must encode any text with such an id: it drops the byte and
    merges its neighbours.

    Raises:
        DefinitionError: the text is not the JSON of a tokenizer.

    Example:
        >>> text = '{"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "ByteLevel"}}'
        >>> prepared, first_id = prepare_tokenizer_json(text)
        >>> first_id, len(json.loads(prepared)["model"]["vocab"])
        (1, 256)
    """
    description = read_tokenizer_json(tokenizer_json)
    description |= {"truncation": None, "padding": None, "post_processor": None}
    model, first_id = description["model"], None
    if model.get("type") == "BPE" and is_byte_level(description):
        vocabulary: dict[str, int] = model["vocab"]
        missing = [character for character in list_byte_characters() if character not in vocabulary]
        if missing:
            for token in description.get("added_tokens") or ():  # or their ids would follow the larger vocabulary
                vocabulary.setdefault(token["content"], token["id"])
            first_id = max(vocabulary.values(), default=-1) + 1  # above all, so one comparison finds these ids
            vocabulary.update(zip(missing, range(first_id, first_id + len(missing)), strict=True))
    return write_tokenizer_json(description), first_id


def read_tokenizer_json(tokenizer_json: str) -> dict[str, Any]:
    """Parse a `tokenizer.json`.

    Raises:
        DefinitionError: the text is not the JSON of a tokenizer (`check_tokenizer_json`).

    Example:
        >>> read_tokenizer_json('{"model": {"type": "BPE", "vocab": {}}}')["model"]["type"]
        'BPE'
    """
    try:
        description = json.loads(tokenizer_json)
        is_tokenizer = isinstance(description["model"]["vocab"], dict | list)
    except (KeyError, TypeError, ValueError, RecursionError) as error:  # RecursionError: "[" * 10**6
        reason = one_line(f"{type(error).__name__}: {error}", 200)
        fault = f"the text is not the JSON of a tokenizer ({reason}); pass the text of tokenizer.json"
        raise DefinitionError(fault) from error
    if not is_tokenizer:
        raise DefinitionError("the text is not the JSON of a tokenizer (its model has no vocabulary)")
    result: dict[str, Any] = description
    check_tokenizer_json(result)
    return result


def write_tokenizer_json(description: dict[str, Any]) -> str:
    """Return the text of a `tokenizer.json`.

    Raises:
        DefinitionError: the object is nested too deeply.

    Example:
        >>> write_tokenizer_json({"model": {"type": "BPE", "vocab": {"é": 0}}})
        '{"model": {"type": "BPE", "vocab": {"é": 0}}}'
    """
    try:
        return json.dumps(description, ensure_ascii=False)
    except RecursionError as error:  # it may be read just within the limit, and written a few calls deeper
        raise DefinitionError(
            "the JSON of a tokenizer is nested too deeply; pass the text of tokenizer.json"
        ) from error


@contextmanager
def temporary_json_file(tokenizer_json: str) -> Iterator[str]:
    """Write a `tokenizer.json` to a temporary file, yield its path, and remove the file afterwards.

    >>> with temporary_json_file("{}") as path:
    ...     Path(path).read_text()
    '{}'
    """
    # a folder, since Windows cannot open a `NamedTemporaryFile` a second time
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(tokenizer_json, encoding="utf-8")
        yield str(path)
