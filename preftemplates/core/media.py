"""Media: images, videos and audio in the typed parts of messages, and the marks that stand for them in texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.containers import is_gap, unwrap
from preftemplates.core.json_text import read_json_as
from preftemplates.core.provenance import plain, plain_data
from preftemplates.errors import Code, RowError, preview

if TYPE_CHECKING:
    from preftemplates.core.messages import Message

MEDIA_COLUMNS = {"image": "images", "video": "videos", "audio": "audios"}
"""The kinds of media, as types of parts name them, each with the name of a column that lists them."""

MARKS = {kind: f"<{kind}>" for kind in MEDIA_COLUMNS}
"""What stands for a medium in a text, in the layouts of LLaMA-Factory and ms-swift."""

MEDIA_KEYS = ("images", "videos", "audio", "audios")
"""The keys under which a message may list media next to its content."""


class Medium(NamedTuple):
    """A part of a content that shows an image, a video or audio.

    Attributes:
        kind: `image`, `video` or `audio`.
        value: a path, a URL, the bytes of a file or an object that another library made; None for a placeholder,
            whose medium is in a column.
        others: what the part holds apart from its type and the medium, such as `detail`.
    """

    kind: str
    value: Any
    others: dict[str, Any]


def read_medium(part: Any) -> Medium | None:
    """Return the medium that a typed part shows; None for a part of another type.

    Known are the parts of transformers (`image`, `url`, `path`, `base64`), of OpenAI (`image_url`, `input_audio`), and
    a part of which nothing but the type is given, a placeholder.

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
    if isinstance(rest.get("bytes"), bytes):
        file = {key: rest.pop(key) for key in ("bytes", "path") if key in rest}
        return Medium(kind, file, rest)
    for key in (kind, f"{kind}_url", "url", "path"):
        if key in rest:
            value, others = _open_url(settle_medium(rest.pop(key)))
            return Medium(kind, value, {**rest, **others})
    for key in (f"input_{kind}", "base64", "source", "data"):
        if key in rest:
            return Medium(kind, {key: rest.pop(key)}, rest)
    return Medium(kind, None, rest)


def _open_url(value: Any) -> tuple[Any, dict[str, Any]]:
    """The URL of an object such as OpenAI's `image_url`, and what else it holds."""
    if not isinstance(value, Mapping) or not isinstance(value.get("url"), str):
        return value, {}
    return value["url"], {key: item for key, item in value.items() if key != "url" and item is not None}


def settle_medium(value: Any) -> Any:
    """Return a medium in the one way in which every source gives it: a path alone is a text, and bytes are a file.

    >>> settle_medium({"bytes": None, "path": "pot.png"}), settle_medium({"bytes": b"1", "path": None})
    ('pot.png', {'bytes': b'1', 'path': None})
    """
    value = plain_data(unwrap(value))
    if not isinstance(value, Mapping):
        return value
    if value.get("bytes") is not None:
        return dict(value)
    given = {key: item for key, item in value.items() if item is not None}
    return given["path"] if list(given) == ["path"] else given


def list_media(cell: Any, kind: str) -> list[Any]:
    """Return the media of a cell: a list of them, its JSON text, or one medium; none for null.

    >>> list_media(["a.png", {"bytes": None, "path": "b.png"}], "image"), list_media("a.png", "image")
    (['a.png', 'b.png'], ['a.png'])

    Raises:
        RowError: `missing_field` for a null or an empty text in a list; `wrong_type` for a number, or a list where a
            medium is expected, except for a video, which may be a list of its frames.
    """
    cell = unwrap(cell)
    if isinstance(cell, str):
        cell = read_json_as(plain(cell), list) if cell.lstrip()[:1] == "[" else cell
    if is_gap(cell) or (isinstance(cell, str | Mapping) and not cell):
        return []
    items = list(cell) if isinstance(cell, list | tuple) else [cell]
    return [_check_medium(settle_medium(item), kind) for item in items]


def _check_medium(value: Any, kind: str) -> Any:
    if is_gap(value) or value == "" or value == {}:
        raise RowError(f"{MEDIA_COLUMNS[kind]}: an item is {preview(value)}", code=Code.MISSING_FIELD)
    frames = kind == "video" and isinstance(value, list)
    if isinstance(value, int | float | tuple) or (isinstance(value, list) and not frames):
        found = preview(value)
        raise RowError(f"{MEDIA_COLUMNS[kind]}: expected {kind} data, got {found}", code=Code.WRONG_TYPE, value=value)
    return value


def iter_media(messages: Iterable[Message]) -> Iterator[Medium]:
    """Yield the media that messages show in the parts of their contents and list next to these, in order."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            medium = read_medium(part)
            if medium is not None:
                yield medium
        if len(message) > 2:  # more than a role and a content
            yield from _iter_listed(message)


def _iter_listed(message: Mapping[str, Any]) -> Iterator[Medium]:
    for key in MEDIA_KEYS:
        listed = message.get(key)
        for value in listed if isinstance(listed, list | tuple) else [listed] * (listed is not None):
            yield Medium(key.removesuffix("s"), value, {})
