"""Special tokens around a text: either the style or the tokenizer writes them, and they must be written once."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from preftemplates.core.messages import Message
from preftemplates.errors import RowError, StyleContractError, preview
from preftemplates.styles.fragments import check_plain_text
from preftemplates.styles.layout import PROBE_TEXT, Layout
from preftemplates.styles.variable_names import is_variable_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def add_special_tokens(layout: Layout, before: str, after: str, style: str) -> Layout:
    """Return the layout with the two tokens at its edges, unless it already writes them.

    Args:
        layout: any layout.
        before: the token at the start.
        after: the token at the end.
        style: the style's name, for errors.

    Raises:
        DefinitionError: a token is not text, or contains Jinja.
        StyleContractError: only some texts of the layout already begin or end with the token.
    """
    check_plain_text("before", before)
    check_plain_text("after", after)
    texts = list(_render_answers(layout))
    opening = "" if _is_written(before, [text.startswith(before) for text in texts], style) else before
    closing = "" if _is_written(after, [_ends_with(text, after) for text in texts], style) else after
    return layout.between(opening + layout.opening, layout.closing + closing)


def _render_answers(layout: Layout) -> Iterator[str]:
    """Yield the texts of typical conversations that end with an answer, except those that the layout rejects."""
    for roles in (("user", "assistant"), ("system", "user", "assistant")):
        messages = [Message(role=role, content=PROBE_TEXT) for role in roles if role in layout.roles]
        with suppress(RowError):
            yield layout.text(messages, add_generation_prompt=False)


def _is_written(token: str, outcomes: Sequence[bool], style: str) -> bool:
    """Return whether all texts have the token; raise an error if only some have it."""
    if len(set(outcomes)) > 1:
        raise StyleContractError(
            f"{preview(token)} is at the edge of some texts but not of others, so it cannot be written exactly once",
            style=style,
        )
    return any(outcomes)


def _ends_with(text: str, token: str) -> bool:
    """Return whether a text ends with the token, or with the token and whitespace."""
    return text.endswith(token) or text.rstrip().endswith(token)


def convert_token(token: Any) -> Any:
    """Return a tokenizer's special token, or its list of them, as text; transformers has classes for them."""
    return [str(item) for item in token] if isinstance(token, list | tuple) else str(token)


def select_read_tokens(source: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the special tokens that a chat template may read: those whose names occur in it.

    Other tokens cannot change a text, so they are not part of a style or its digest.

    >>> select_read_tokens("{{ bos_token }}", {"bos_token": "<s>", "pad_token": "<pad>"})
    {'bos_token': '<s>'}
    """
    words = frozenset(re.findall(r"\w+", source)) if isinstance(source, str) else frozenset()
    return {name: token for name, token in tokens.items() if name in words and is_variable_name(name)}
