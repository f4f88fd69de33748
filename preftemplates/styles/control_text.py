"""The texts by which a style tells turns apart, and contents that spell one of them.

Where a text is tokenised by somebody else, such a content can end its turn and begin another. `tokenize` encodes it as
the text that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache

from preftemplates.core.messages import CONTENT_TOKENS, Message
from preftemplates.errors import RowError
from preftemplates.styles.style import Style

TAG = re.compile(r"<[^<>\s]{1,60}>|\[/?[A-Z_]{2,}\]|\[\|[^\[\]\s]{1,60}\|\]")


@lru_cache(maxsize=64)
def control_texts(style: Style) -> tuple[str, ...]:
    r"""What the style writes between contents: of each text its tags, or the whole of it where it has none.

    Tags that an answer may hold itself, such as `<think>`, tell no turns apart.

    >>> from preftemplates import get_style
    >>> control_texts(get_style("chatml"))
    ('<|im_end|>', '<|im_start|>')
    >>> control_texts(get_style("human-assistant"))
    ('\n\nAssistant:', '\n\nHuman:')
    >>> control_texts(get_style("openchat"))
    ('<s>', '<|end_of_turn|>', 'GPT4 Correct Assistant:', 'GPT4 Correct System:', 'GPT4 Correct User:')
    """
    found = {text for literal in _literals(style) for text in TAG.findall(literal) or [literal.strip(" ").rstrip()]}
    return tuple(sorted(found - {"", *CONTENT_TOKENS}))


def _literals(style: Style) -> Iterable[str]:
    """What stands between the contents of a usual conversation."""
    roles = [role for role in ("system", "user", "assistant") if role in style.accepted_roles]
    for turns in (roles, [role for role in roles if role != "system"]):
        messages = [{"role": role, "content": "q8Zk3vXw"} for role in [*turns, *turns[-2:]]]
        with suppress(RowError):
            rendered = style.render(messages)
            yield from (
                rendered.text[span.start : span.end] for span in rendered.spans if span.kind in ("scaffold", "stop")
            )


def spelled(messages: Iterable[Message], style: Style) -> str | None:
    """The first text of the style's own that a content spells; None if there is none."""
    known = control_texts(style)
    for message in messages:
        content = message.get("content")
        parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content or ()]
        found = next((text for text in known for part in parts if text in part), None)
        if found is not None:
            return found
    return None
