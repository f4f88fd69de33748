"""Images, videos and audio in the typed parts of messages, and the marks that stand for them in texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.containers import is_gap, unwrap
from preftemplates.core.json_text import read_json_as
from preftemplates.core.provenance import plain, plain_data
from preftemplates.errors import Code, RowError, preview

if TYPE_CHECKING:
    from preftemplates.core.messages import Message

MEDIA_COLUMNS = {"image": "images", "video": "videos", "audio": "audios"}
"""The kinds of media as parts name them in `type`, each with the name of the column that lists such media."""

MARKS = {kind: f"<{kind}>" for kind in MEDIA_COLUMNS}
"""The mark for each kind of medium in a text, as LLaMA-Factory and ms-swift write it."""

MEDIA_KEYS = ("image", "images", "video", "videos", "audio", "audios")
"""The keys under which a message may list media next to its content."""


_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_MEDIUM_WORD = re.compile(
    r"(?:image|img|picture|pic|photo|video|audio|sound|clip|frame|pixel|media|wav|mp3|mp4|png|jpe?g)s?"
)


def has_medium_word(name: str) -> bool:
    """Return whether a word in the name of a column or key refers to media.

    >>> [has_medium_word(name) for name in ("image_path", "imgUrl", "imagine", "profile")]
    [True, True, False, False]
    """
    return any(_MEDIUM_WORD.fullmatch(word.lower()) for word in _WORDS.findall(name))


class Medium(NamedTuple):
    """An image, video or audio that a part of a content shows.

    Attributes:
        kind: `image`, `video` or `audio`.
        value: a path, a URL, the bytes of a file or an object of another library; None for a placeholder, whose medium
            is in a column.
        others: what else the part holds besides its type and the medium, such as `detail`.
    """

    kind: str
    value: Any
    others: dict[str, Any]


def read_medium(part: Any) -> Medium | None:
    """Return the medium that a typed part shows; None for a part of another type.

    Recognises the parts of transformers (`image`, `url`, `path`, `base64`), OpenAI (`image_url`, `input_audio`) and
    Anthropic (`source`). A part with only a type is a placeholder.

    >>> read_medium({"type": "image_url", "image_url": {"url": "pot.png", "detail": "low"}})
    Medium(kind='image', value='pot.png', others={'detail': 'low'})
    >>> read_medium({"type": "image"}), read_medium({"type": "text", "text": "Hi"})
    (Medium(kind='image', value=None, others={}), None)
    """
    name = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(name, str):
        return None
    kind = name.removeprefix("input_").removesuffix("_url")
    if kind not in MEDIA_COLUMNS:
        return None
    rest = {key: value for key, value in part.items() if key != "type" and value is not None}
    sources = [key for key in _list_sources(kind) if key in rest]
    source = next((key for key in sources if not is_empty(rest[key])), sources[0] if sources else None)
    if source is None:
        return Medium(kind, None, rest)
    if source == "bytes":
        file = {key: rest.pop(key) for key in ("bytes", "path") if key in rest}
        return Medium(kind, file, rest)
    written = source in _ENCODED or source == f"input_{kind}"
    value, others = ({source: rest.pop(source)}, {}) if written else _open_url(settle_medium(rest.pop(source)))
    return Medium(
        kind, value, {**{key: item for key, item in rest.items() if not _is_spare(key, item, sources)}, **others}
    )


_ENCODED = ("base64", "source", "data")
"""The keys of a medium that is spelled out in the part, for example in base64."""


def _list_sources(kind: str) -> tuple[str, ...]:
    """Return the keys of a part that may hold the medium, in the order in which they are tried."""
    return ("bytes", kind, f"{kind}_url", "url", "path", f"input_{kind}", *_ENCODED)


def _is_spare(key: str, value: Any, sources: list[str]) -> bool:
    """Return whether a key is an empty alternative to the one that holds the medium."""
    return key in sources and is_empty(value)


def list_spare_sources(medium: Medium) -> list[str]:
    """Return the keys under which a part holds a second medium."""
    return [key for key in _list_sources(medium.kind) if key in medium.others]


def is_empty(value: Any) -> bool:
    """Return whether a medium is null, or an empty text, list or object."""
    return value is None or (isinstance(value, str | bytes | list | tuple | Mapping) and not value)


def _open_url(value: Any) -> tuple[Any, dict[str, Any]]:
    """Return the URL in an object such as OpenAI's `image_url`, and the object's other members."""
    if not isinstance(value, Mapping) or not isinstance(value.get("url"), str):
        return value, {}
    return value["url"], {key: item for key, item in value.items() if key != "url" and item is not None}


def settle_medium(value: Any) -> Any:
    """Return a medium in canonical form, the same for every source: a lone path as a string, bytes as a file object.

    >>> settle_medium({"bytes": None, "path": "pot.png"}), settle_medium({"bytes": b"1", "path": None})
    ('pot.png', {'bytes': b'1', 'path': None})
    """
    value = unwrap(value)
    if isinstance(value, PurePath | memoryview):
        return str(value) if isinstance(value, PurePath) else bytes(value)
    value = plain_data(value)
    if not isinstance(value, Mapping):
        return value
    if value.get("bytes"):
        return dict(value)
    given = {key: item for key, item in value.items() if item is not None and item != b""}
    return given["path"] if list(given) == ["path"] else given


def list_media(cell: Any, kind: str) -> list[Any]:
    """Return the media in a value: a list of media, its JSON text, or one medium; none for null.

    >>> list_media(["a.png", {"bytes": None, "path": "b.png"}], "image"), list_media("a.png", "image")
    (['a.png', 'b.png'], ['a.png'])

    Raises:
        RowError: `missing_field` if a list holds null or an empty string; `wrong_type` for a number, or for a list
            where one medium is expected. A video may be a list of its frames.
    """
    cell = unwrap(cell)
    if isinstance(cell, str):
        cell = _read_cell(plain(cell), kind)
    if is_gap(cell) or is_empty(cell):
        return []
    items = list(cell) if isinstance(cell, list | tuple) else [cell]
    return [check_medium(settle_medium(item), kind) for item in items]


def _read_cell(text: str, kind: str) -> Any:
    """Return the list or object that a string spells as JSON; any other string is a path."""
    opening = text.lstrip()[:1]
    if opening not in ("[", "{"):
        return text
    value = read_json_as(text, list if opening == "[" else dict)
    if isinstance(value, str) and opening == "[" and text.rstrip().endswith("]"):
        raise _make_type_error(text, kind)
    return value


def check_medium(value: Any, kind: str) -> Any:
    """Check that a value can be a medium, and return it.

    Raises:
        RowError: as for `list_media`.
    """
    if is_gap(value) or is_empty(value):
        raise RowError(
            f"{MEDIA_COLUMNS[kind]}: expected a path, URL or file for each item, got {preview(value)}",
            code=Code.MISSING_FIELD,
        )
    frames = kind == "video" and isinstance(value, list)
    if isinstance(value, int | float | tuple | set | frozenset) or (isinstance(value, list) and not frames):
        raise _make_type_error(value, kind)
    if isinstance(value, Mapping) and not isinstance(value.get("bytes"), bytes | None):
        raise _make_type_error(value, kind)
    return value


def _make_type_error(value: Any, kind: str) -> RowError:
    message = f"{MEDIA_COLUMNS[kind]}: expected paths, URLs or files, got {preview(value)}"
    return RowError(message, code=Code.WRONG_TYPE, value=value)


def iter_media(messages: Iterable[Message]) -> Iterator[Medium]:
    """Yield the media of messages in order: those that contents show in parts, and those listed next to a content."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            medium = read_medium(part)
            if medium is not None:
                yield medium
        if len(message) > 2:  # more keys than role and content
            yield from _iter_listed(message)


def _iter_listed(message: Mapping[str, Any]) -> Iterator[Medium]:
    for key in MEDIA_KEYS:
        listed = message.get(key)
        for value in listed if isinstance(listed, list | tuple) else [listed] * (listed is not None):
            yield Medium(key.removesuffix("s"), value, {})
