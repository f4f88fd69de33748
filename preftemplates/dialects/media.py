"""Media in a dialect: how messages spell them, and whether a result keeps every medium of a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from preftemplates.core.containers import list_strings
from preftemplates.core.digest import is_same
from preftemplates.core.media import (
    MARKS,
    MEDIA_COLUMNS,
    MEDIA_KEYS,
    Medium,
    check_medium,
    has_medium_word,
    iter_media,
    list_spare_sources,
    read_medium,
)
from preftemplates.errors import Code, RowError, preview

if TYPE_CHECKING:
    from preftemplates.core.messages import Message
    from preftemplates.core.samples import Sample

MediaSpelling = Literal["inline", "parts", "marks"]
"""How messages of a dialect show a medium: in a typed part, by an empty typed part, or by a mark in the text."""


class MediaView(NamedTuple):
    """A form in which a table may ask for the media of messages.

    Attributes:
        kind: the kind of media.
        is_list: whether the value is a list of media, or a single medium.
    """

    kind: str
    is_list: bool

    @property
    def part(self) -> str:
        """Return the plural name that columns and `Template.with_parts` use for the kind."""
        return MEDIA_COLUMNS[self.kind]

    def build(self, messages: Iterable[Message]) -> Any:
        """Return the media of messages, in order.

        Raises:
            RowError: `unsupported_content` for a medium that cannot be a value under a key, and for several media
                where the table asks for one.
        """
        values = [_check_value(medium) for medium in iter_media(messages) if medium.kind == self.kind]
        if self.is_list:
            return values
        if len(values) > 1:
            fault = f"the dialect has a key for only one {self.kind}, got {len(values)}"
            raise RowError(fault, code=Code.UNSUPPORTED_CONTENT, value=values)
        return values[0] if values else None


MEDIA_VIEWS = {
    **{column: MediaView(kind, True) for kind, column in MEDIA_COLUMNS.items()},
    **{kind: MediaView(kind, False) for kind in MEDIA_COLUMNS},
}
"""The views by the names that tables give them after a dot: `prompt.images`, `prompt.video`."""


def _check_value(medium: Medium) -> Any:
    """Return a medium as a value of a column: a path, a URL, the bytes of a file or an object of another library."""
    value = medium.value
    if isinstance(value, Mapping) and not (value.keys() <= {"bytes", "path"} or "array" in value):
        raise RowError(
            f"expected a path, URL or file in the list of {MEDIA_COLUMNS[medium.kind]}, got {preview(dict(value))}",
            code=Code.UNSUPPORTED_CONTENT, value=value,
        )  # fmt: skip
    return value


def spell_media(message: Mapping[str, Any], spelling: MediaSpelling, *, as_text: bool) -> Mapping[str, Any]:
    """Return a message for a framework that finds the media of the sample under a key of the row.

    Args:
        message: the message.
        spelling: how the dialect shows media.
        as_text: whether the table asks for text instead of messages; text then stays text.

    Raises:
        RowError: `unsupported_content` for media next to the content or in a tool's result, for content that a mark
            cannot stand for, and for text that spells a mark.
    """
    if spelling == "inline":
        return message
    for key in MEDIA_KEYS:
        if message.get(key) is not None:
            raise _make_error(
                f"media under {key!r} of a message; move them to typed parts of its content", message[key]
            )
    if spelling == "marks" and len(message) > 2:
        others = (value for key, value in message.items() if key not in ("role", "content"))
        for text in list_strings(list(others)):
            _check_unmarked(text)
    content = message.get("content")
    if content is None or (spelling == "parts" and as_text):
        return message
    return {**message, "content": _SPELLERS[spelling](message, content)}


_DOCUMENTS = ("document", "file", "input_file")
"""Types of parts that show something other than image, video or audio."""


def check_parts_are_known(message: Mapping[str, Any]) -> None:
    """Reject a part such as `{"type": "document"}`, whose contents no key would hold.

    Raises:
        RowError: `unsupported_content`.
    """
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        kind = str(part.get("type"))
        if read_medium(part) is None and (kind in _DOCUMENTS or any(map(has_medium_word, (kind, *part)))):
            raise _make_error(f"a part such as {preview(dict(part))}", part)


def join_text_parts(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message without media for a framework whose contents are text: its text parts are joined."""
    content = message.get("content")
    if not isinstance(content, list) or not all(set(part) == {"type", "text"} for part in content):
        return message
    return {**message, "content": "".join(part["text"] for part in content)}


def _spell_parts(message: Mapping[str, Any], content: Any) -> list[Any]:
    """Return a content as a list of typed parts, with placeholders for media."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    media = [(part, read_medium(part)) for part in content]
    if message.get("role") == "tool" and any(medium for _, medium in media):
        raise _make_error("media in the result of a tool", content)
    return [_make_placeholder(medium) if medium else part for part, medium in media]


def _make_placeholder(medium: Medium) -> dict[str, Any]:
    spare = list_spare_sources(medium)
    if spare:
        raise _make_error(f"two media in one part; the other one is in {spare[0]!r}", medium.others)
    return {"type": medium.kind, **medium.others}


def _spell_marks(message: Mapping[str, Any], content: Any) -> str:
    """Return a content as text, with marks for media."""
    if isinstance(content, str):
        return _check_unmarked(content)
    if message.get("role") == "system" and any(map(read_medium, content)):
        raise _make_error("media in the system message", content)
    return "".join(map(_spell_mark, content))


def _spell_mark(part: Mapping[str, Any]) -> str:
    medium = read_medium(part)
    if medium and not medium.others:
        return MARKS[medium.kind]
    if part.get("type") == "text" and set(part) == {"type", "text"}:
        return _check_unmarked(part["text"])
    keys = ", ".join(medium.others if medium else part)
    raise _make_error(f"a part with more than a text or a medium: {keys}", part)


def _check_unmarked(text: str) -> str:
    for mark in MARKS.values():
        if mark in text:
            raise _make_error(f"the text {mark!r}, which it would read as a medium", text)
    return text


_SPELLERS: dict[str, Callable[[Mapping[str, Any], Any], Any]] = {"parts": _spell_parts, "marks": _spell_marks}


def _make_error(what: str, value: Any) -> RowError:
    return RowError(f"the dialect does not support {what}", code=Code.UNSUPPORTED_CONTENT, value=value)


def find_media(sample: Sample[list[Message]]) -> dict[str, list[Medium]]:
    """Return the media of the prompt and of each response of a sample, for those that show any."""
    parts = {"prompt": sample.prompt, **sample.responses}
    return {name: media for name, messages in parts.items() if (media := list(iter_media(messages)))}


def find_kinds(sample: Sample[list[Message]]) -> tuple[str, ...]:
    """Return the plural names of the kinds of media in a sample."""
    kinds: dict[str, None] = {}
    for messages in (sample.prompt, *sample.responses.values()):
        for message in messages:
            if len(message) > 2 or message.get("content").__class__ is list:  # rare: most messages are a role and text
                kinds |= {MEDIA_COLUMNS[medium.kind]: None for medium in iter_media([message])}
    return tuple(kinds)


def check_media_are_kept(sample: Sample[list[Message]], places: Places, dialect: str) -> None:
    """Reject media that no key of a result holds, and placeholders without a medium.

    Responses that share a key share the media under it, so they must show the same media.

    Args:
        sample: the sample.
        places: the kinds of media that the result has, by the part of the sample.
        dialect: the dialect's name, for errors.

    Raises:
        RowError: `unsupported_content` for media without a key; `media_mismatch` for a placeholder without a medium.
    """
    media = find_media(sample)
    if places.has_messages:
        _check_places_are_filled(media)
    for kind in dict.fromkeys(medium.kind for shown in media.values() for medium in shown if medium.value is not None):
        shown = {name: [medium for medium in media.get(name, ()) if medium.kind == kind] for name in sample.responses}
        kept = [name for name in shown if places.keeps(kind, _find_part(name, sample.several))]
        lost = [
            name for name in shown if name not in kept and not is_same(shown[name], shown[kept[0]] if kept else [])
        ]
        if not places.keeps(kind, "prompt") and any(medium.kind == kind for medium in media.get("prompt", ())):
            lost = ["the prompt"]
        if lost:
            what = f"the dialect {dialect} has no key for" if places.has_messages else "a text cannot show"
            raise RowError(
                f"{what} the {MEDIA_COLUMNS[kind]} of {lost[0]}",
                code=Code.UNSUPPORTED_CONTENT, value=[medium.value for shown in media.values() for medium in shown],
            )  # fmt: skip


def _check_places_are_filled(media: Mapping[str, list[Medium]]) -> None:
    """Reject placeholders without a medium, and values that are not media.

    Raises:
        RowError: `media_mismatch`; as in `check_medium`.
    """
    for name, shown in media.items():
        for medium in shown:
            if medium.value is not None:
                check_medium(medium.value, medium.kind)
                continue
            others = f" (it has {', '.join(medium.others)})" if medium.others else ""
            message = f"{name} has a place for {medium.kind} data{others}, but no column fills it"
            raise RowError(message, code=Code.MEDIA_MISMATCH)


def _find_part(response: str, several: str | None) -> str:
    """Return the part of the sample that a response belongs to: `completions` for `completions[0]`."""
    return several if several is not None and response.startswith(f"{several}[") else response


class Places(NamedTuple):
    """The media that a result has, as pairs of a kind and a part of the sample.

    Attributes:
        kept: the pairs of a kind and a part.
        has_messages: whether the result has messages, and not only texts.
    """

    kept: frozenset[tuple[str, str]]
    has_messages: bool

    def keeps(self, kind: str, part: str) -> bool:
        """Return whether the result has the media of a kind that a part of the sample shows."""
        return (kind, part) in self.kept
