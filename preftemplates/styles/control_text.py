"""Control texts: the texts by which a style tells turns apart, and contents that spell one of them.

If another program tokenises the text, such a content can end its turn and begin another. `tokenize` encodes it as
plain text.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from preftemplates.core.messages import CONTENT_TOKENS, Message
from preftemplates.errors import RowError
from preftemplates.styles.layout import PROBE_TEXT
from preftemplates.styles.stops import CONTROL_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preftemplates.styles.style import Style


@lru_cache(maxsize=64)
def list_control_texts(style: Style) -> tuple[str, ...]:
    r"""Return the texts that a style writes between contents: their control tags, or the whole text if it has no tag.

    Tags that an answer itself may contain, such as `<think>`, are left out.

    >>> from preftemplates import get_style
    >>> list_control_texts(get_style("chatml"))
    ('<|im_end|>', '<|im_start|>')
    >>> list_control_texts(get_style("human-assistant"))
    ('\n\nAssistant:', '\n\nHuman:')
    >>> list_control_texts(get_style("openchat"))
    ('<s>', '<|end_of_turn|>', 'GPT4 Correct Assistant:', 'GPT4 Correct System:', 'GPT4 Correct User:')
    """
    texts = {
        text
        for literal in _render_template_texts(style)
        for text in CONTROL_TAG.findall(literal) or [literal.strip(" ").rstrip()]
    }
    return tuple(sorted(texts - {"", *CONTENT_TOKENS}))


def _render_template_texts(style: Style) -> Iterable[str]:
    """Yield the texts between the contents of typical conversations."""
    roles = [role for role in ("system", "user", "assistant") if role in style.accepted_roles]
    for turns in (roles, [role for role in roles if role != "system"]):
        messages = [{"role": role, "content": PROBE_TEXT} for role in [*turns, *turns[-2:]]]
        with suppress(RowError):
            rendered = style.render(messages)
            yield from (
                rendered.text[span.start : span.end] for span in rendered.spans if span.kind in ("scaffold", "stop")
            )


def find_control_text(messages: Iterable[Message], style: Style) -> str | None:
    """Return the first control text of the style that a content spells; None if there is none."""
    control_texts = list_control_texts(style)
    for message in messages:
        content = message.get("content")
        parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content or ()]
        forged = next((text for text in control_texts for part in parts if text in part), None)
        if forged is not None:
            return forged
    return None
