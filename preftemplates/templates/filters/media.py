"""Questions about an image, a sound or a film: content in typed parts."""

from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview


@register_filter
def after_media(text: str, kind: str, media: Any) -> list[dict[str, Any]]:
    """Content in two typed parts: what a question is about, under the name of its kind, and the question.

    >>> after_media("What is this?", "image", "pot.png")
    [{'type': 'image', 'image': 'pot.png'}, {'type': 'text', 'text': 'What is this?'}]

    Raises:
        RowError: `missing_field` where there is nothing that the question could be about; `wrong_type` for a number.
    """
    if media is None:
        raise RowError(f"the question has no {kind}", code=Code.MISSING_FIELD)
    if isinstance(media, int | float):
        raise RowError(f"expected {kind}, got {preview(media)}", code=Code.WRONG_TYPE, value=media)
    return [{"type": kind, kind: media}, {"type": "text", "text": text}]


@register_filter
def without_mark(text: str, mark: str) -> str:
    r"""A text without a mark that says where a film or an image belongs, and without the end of the mark's own line.

    >>> without_mark("<video>\nWho sings? ", "<video>"), without_mark(" Who sings?\n<video>", "<video>")
    ('Who sings? ', ' Who sings?')
    """
    return text.replace(f"{mark}\n", "").replace(f"\n{mark}", "").replace(mark, "")


@register_filter
def lone_texts(messages: list[Any]) -> list[Any]:
    """Messages in which a content of one typed part that is a text is that text; other contents stay.

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
