"""The one hash of canonical data, used for definitions and for rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(kind: str, declared: Any) -> str:
    """Return the SHA-256 of a kind of thing and its canonical data, as 64 hexadecimal digits.

    The digest depends on the data alone, so it is the same in every process and version of Python.

    >>> digest("style", {"stop": "</s>", "opening": ""}) == digest("style", {"opening": "", "stop": "</s>"})
    True
    """
    # JSON escapes a lone surrogate, so it has ASCII bytes; UTF-8 has none for it
    return hashlib.sha256(canonical_json([kind, declared]).encode("ascii")).hexdigest()


def short_digest(value: Any) -> bytes:
    """Return 16 bytes that are equal for equal data; tables that remember many rows use them."""
    # with 128 bits, the chance that any two of a billion rows have the same digest is about 1e-21
    return hashlib.blake2b(canonical_json(value).encode("ascii"), digest_size=16).digest()


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value: keys sorted, ASCII only, no whitespace.

    >>> canonical_json({"b": (1, 2.5, None), "a": "x"})
    '{"a":"x","b":[1,2.5,null]}'
    """
    try:
        return _dump_json(value)
    except TypeError:  # keys that cannot be compared, or values that JSON does not have
        return _dump_json(_replace_unknown_types(value))


def _dump_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _replace_unknown_types(value: Any) -> Any:
    """Convert a value to what JSON can hold: string keys, sets as sorted lists, other objects as their `repr`."""
    if isinstance(value, Mapping):
        return {_spell_key(key): _replace_unknown_types(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_unknown_types(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_replace_unknown_types(item) for item in value), key=_dump_json)
    if value is None or isinstance(value, str | int | float):
        return value
    to_bytes = getattr(value, "tobytes", None)  # arrays and images, whose repr shows only a part of them
    if not callable(to_bytes):
        return repr(value)
    shape = getattr(value, "shape", None) or getattr(value, "size", None)
    return [type(value).__name__, str(shape), hashlib.sha256(to_bytes()).hexdigest()]


def _spell_key(key: Any) -> str:
    # the `repr` of a set, also within a tuple, differs from process to process
    return _dump_json(_replace_unknown_types(key)) if isinstance(key, tuple | frozenset) else str(key)


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, even if they hold arrays, which `==` does not compare as a whole.

    >>> is_same([{"content": "Hi"}], [{"content": "Hi"}]), is_same(["a"], [b"a"])
    (True, False)
    """
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001  another library's object may raise anything
        return short_digest(one) == short_digest(other)
