"""Questions about images, videos or audio: contents of typed parts, and columns of media that fill their places."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from preftemplates import register_filter
from preftemplates.core.digest import is_same
from preftemplates.core.media import MARKS, MEDIA_COLUMNS, list_media, read_medium
from preftemplates.errors import Code, RowError


@register_filter
def after_media(text: str, kind: str, media: Any) -> list[dict[str, Any]]:
    """Return a content of two typed parts: the medium of a question, under the name of its kind, and the question.

    >>> after_media("What is this?", "image", "pot.png")
    [{'type': 'image', 'image': 'pot.png'}, {'type': 'text', 'text': 'What is this?'}]

    Raises:
        RowError: `missing_field` if there is no medium; `media_mismatch` if there are several; as in `list_media`.
    """
    listed = list_media(media, kind)
    if not listed:
        raise RowError(f"the question has no {kind}", code=Code.MISSING_FIELD)
    if len(listed) > 1:
        raise RowError(
            f"expected one {kind} for the question, got {len(listed)}", code=Code.MEDIA_MISMATCH, value=media
        )
    return [{"type": kind, kind: listed[0]}, {"type": "text", "text": text}]


@register_filter
def without_mark(text: str, mark: str) -> str:
    r"""Return a text without the first mark for a video or an image, and without the newline of the mark's own line.

    Further marks are text, since there is only one medium.

    >>> without_mark("<video>\nWho sings? ", "<video>"), without_mark(" Who sings?\n<video>", "<video>")
    ('Who sings? ', ' Who sings?')
    """
    start = text.find(mark)
    if start < 0:
        return text
    end = start + len(mark)
    if text.startswith("\n", end):
        return text[:start] + text[end + 1 :]
    start -= text.endswith("\n", 0, start)
    return text[:start] + text[end:]


@register_filter
def lone_texts(messages: list[Any]) -> list[Any]:
    """Replace a content of one text part by its text; other contents stay unchanged.

    >>> lone_texts([{"role": "user", "content": [{"type": "text", "text": "Hi", "image": None}]}])
    [{'role': 'user', 'content': 'Hi'}]
    """
    return [_with_lone_text(message) for message in messages]


def _with_lone_text(message: Any) -> Any:
    content = message.get("content")
    if not isinstance(content, list) or len(content) != 1:
        return message
    (part,) = content
    text = part.get("text")
    others = [key for key, value in part.items() if value is not None and key not in ("type", "text")]
    if part.get("type") != "text" or not isinstance(text, str) or others:
        return message
    return {**message, "content": text}


@register_filter
def show_media(shown: Any, images: Any = None, videos: Any = None, audios: Any = None, image: Any = None) -> Any:
    """Fill the places for media in messages, or in the text of a user, with the media of columns, in order.

    A place is a typed part without a medium, such as `{"type": "image"}`. If messages have neither such a part nor a
    medium of the kind, the marks `<image>`, `<video>` and `<audio>` in their texts are the places: those of users and
    tools if their number matches the media, otherwise also those of assistants. Without any mark, the media come
    before the text of the first user. In all other cases a mark is text. Without media, nothing changes.

    Args:
        shown: messages, or the text of a user.
        images: a list of images, its JSON text, one image, or None.
        videos: likewise.
        audios: likewise.
        image: a single image, if the row has no list of images.

    Sources: TRL's `prepare_multimodal_messages`, LLaMA-Factory's data/README.md and ms-swift's "Custom dataset".

    Raises:
        RowError: `media_mismatch` if there are more or fewer media of a kind than places; as in `list_media`.

    >>> show_media("<image>What is this?", ["pot.png"])
    [{'type': 'image', 'image': 'pot.png'}, {'type': 'text', 'text': 'What is this?'}]
    >>> show_media([{"role": "user", "content": [{"type": "image"}]}], "pot.png")
    [{'role': 'user', 'content': [{'type': 'image', 'image': 'pot.png'}]}]
    """
    columns = zip(MEDIA_COLUMNS, (_join_images(images, image), videos, audios), strict=True)
    given = {kind: media for kind, cell in columns if (media := list_media(cell, kind))}
    if not given or not isinstance(shown, str | list | tuple):
        return shown
    messages = [{"role": "user", "content": shown}] if isinstance(shown, str) else list(shown)
    filled = _fill_places(_open_places(messages, {kind: len(media) for kind, media in given.items()}), given)
    return filled[0]["content"] if isinstance(shown, str) else filled


def _join_images(images: Any, image: Any) -> Any:
    """Return the images of a column of lists and a column of single images, which must not contradict each other."""
    listed, single = list_media(images, "image"), list_media(image, "image")
    if listed and single and not is_same(listed, single):
        raise RowError(
            "the columns images and image hold different images; leave one out",
            code=Code.MEDIA_MISMATCH, value=single,
        )  # fmt: skip
    return listed or single


def _open_places(messages: list[Any], counts: Mapping[str, int]) -> list[Any]:
    """Return the messages with typed parts for media whose places are only marked, or not marked at all."""
    shown = {medium.kind for part in _iter_parts(messages) if (medium := read_medium(part))}
    unplaced: list[str] = []
    for kind in (kind for kind in counts if kind not in shown):
        asked = sum(text.count(MARKS[kind]) for text in _iter_texts(messages, _ASKING))
        answered = sum(text.count(MARKS[kind]) for text in _iter_texts(messages, _ANSWERING))
        if not asked + answered:
            unplaced.append(kind)
            continue
        # the marks of users and tools are places only if their number matches; an answer may quote a mark
        roles = _ASKING if asked == counts[kind] else (*_ASKING, *_ANSWERING)
        marks = re.compile(MARKS[kind])
        messages = [_split_at_marks(one, marks) if _get_role(one) in roles else one for one in messages]
    parts = [{"type": kind} for kind in unplaced for _ in range(counts[kind])]
    return _open_before_first_user(messages, parts) if parts else messages


_ASKING = ("user", "tool")
_ANSWERING = ("assistant",)


def _get_role(message: Any) -> Any:
    return message.get("role") if isinstance(message, Mapping) else None


def _iter_parts(messages: list[Any]) -> Iterator[Any]:
    for message in messages:
        content = message.get("content") if isinstance(message, Mapping) else None
        yield from content if isinstance(content, list | tuple) else ()


def _iter_texts(messages: list[Any], roles: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts of messages with some roles, including those of typed parts."""
    for message in messages:
        if _get_role(message) in roles:
            content = message.get("content")
            if isinstance(content, str):
                yield content
            yield from (part["text"] for part in _iter_parts([message]) if _is_text(part))


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _split_at_marks(message: Any, marks: re.Pattern[str]) -> Any:
    """Return a message with a typed part for each mark, and with the texts between them as parts."""
    content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(content, str):
        parts = list(_split_text({"type": "text", "text": content}, marks)) if marks.search(content) else content
    elif isinstance(content, list | tuple):
        parts = [piece for part in content for piece in (_split_text(part, marks) if _is_text(part) else [part])]
    else:
        return message
    return {**message, "content": parts}


def _split_text(part: Mapping[str, Any], marks: re.Pattern[str]) -> Iterator[dict[str, Any]]:
    text, end = part["text"], 0
    for match in marks.finditer(text):
        if match.start() > end:
            yield {**part, "text": text[end : match.start()]}
        yield {"type": match[0][1:-1]}
        end = match.end()
    if end < len(text):
        yield {**part, "text": text[end:]}


def _open_before_first_user(messages: list[Any], parts: list[dict[str, Any]]) -> list[Any]:
    for index, message in enumerate(messages):
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content") or []
            after = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
            return [*messages[:index], {**message, "content": [*parts, *after]}, *messages[index + 1 :]]
    raise RowError(
        f"the row has {len(parts)} media, but no user turn for them", code=Code.MEDIA_MISMATCH, value=len(parts)
    )


def _fill_places(messages: list[Any], given: Mapping[str, list[Any]]) -> list[Any]:
    places = [medium.kind for part in _iter_parts(messages) if (medium := read_medium(part)) and medium.value is None]
    for kind, media in given.items():
        if places.count(kind) != len(media):
            column, count = MEDIA_COLUMNS[kind], places.count(kind)
            raise RowError(
                f"{column}: the row has {len(media)}, but its messages have {count} places",
                code=Code.MEDIA_MISMATCH,
                value=media,
            )
    rest = {kind: iter(media) for kind, media in given.items()}
    return [_fill_message(message, rest) for message in messages]


def _fill_message(message: Any, rest: Mapping[str, Iterator[Any]]) -> Any:
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, list | tuple):
        return message
    return {**message, "content": [_fill_part(part, rest) for part in content]}


def _fill_part(part: Any, rest: Mapping[str, Iterator[Any]]) -> Any:
    medium = read_medium(part)
    if medium is None or medium.value is not None or medium.kind not in rest:
        return part
    return {**part, "type": medium.kind, medium.kind: next(rest[medium.kind])}
