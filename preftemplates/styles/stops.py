"""The texts that end an assistant's turn in a chat template, found by rendering short conversations."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from preftemplates.core.messages import CONTENT_TOKENS
from preftemplates.errors import RowError
from preftemplates.styles.layout import PROBE_TEXT

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

CONTROL_TAG = re.compile(r"<[^<>\s]{1,60}>|\[/?[A-Z_]{2,}\]|\[\|[^\[\]\s]{1,60}\|\]")
"""Matches text that looks like a control token."""

CALL_STOP = re.compile(r"<[|｜][^<>\s]{1,60}[|｜]>\Z")
"""Matches the control token at the end of a turn that calls tools."""

_NEXT_TEXT = "n5Wd1rHj"
"""The content of the turn after the answer; no layout writes it by itself."""

_ASKED = {"role": "user", "content": "Hi"}
_ANSWER = {"role": "assistant", "content": PROBE_TEXT}

if TYPE_CHECKING:

    class _Renderer(Hashable, Protocol):
        """A layout as far as this module renders it."""

        def render_source(self, messages: Any, add_generation_prompt: bool) -> str:
            """Return the text without opening and closing."""


@lru_cache(maxsize=256)
def probe_stop(layout: _Renderer) -> str:
    """Return the text after the last answer, without whitespace at its end."""
    text = _render(layout, [_ASKED, _ANSWER])
    # after the last occurrence, since a template may print a content more than once
    return text.rpartition(PROBE_TEXT)[2].rstrip() if PROBE_TEXT in text else ""


@lru_cache(maxsize=256)
def probe_stops(layout: _Renderer) -> tuple[str, ...]:
    """Return all texts that end an answer: that of the last answer, then those before a turn of another role.

    Before another turn, it is the first control token after the answer. If nothing else ends an answer, this is the
    token that begins the next turn, as in GLM.
    """
    last = probe_stop(layout)
    stops = [last] if last else []
    for role in ("user", "tool", "assistant", "system"):
        stops += [stop for stop in _find_stop_before(layout, role, last) if stop not in stops]
    return tuple(stops)


def _find_stop_before(layout: _Renderer, role: str, last: str) -> Iterator[str]:
    """Yield the text that ends an answer before a turn of this role, if it differs from the end of the last answer."""
    text = _render(layout, [_ASKED, _ANSWER, {"role": role, "content": _NEXT_TEXT}])
    between, following, _ = text.partition(PROBE_TEXT)[2].partition(_NEXT_TEXT)
    tag = re.compile(rf"\s*({CONTROL_TAG.pattern})").match(between)
    if not following or not tag or tag[1] in CONTENT_TOKENS or (last and between.startswith(last)):
        return
    if not (last and _begins_turns(layout, tag[1])):
        yield tag[0]  # with the whitespace before it, which a mask of the answer would miss: `\n<|end|>`


def _begins_turns(layout: _Renderer, tag: str) -> bool:
    """Return whether the tag also begins an assistant's turn, and thus does not end one."""
    prompt, asked = _render(layout, [_ASKED], add_generation_prompt=True), _render(layout, [_ASKED])
    return prompt.removeprefix(asked).lstrip().startswith(tag)


def _render(layout: _Renderer, messages: list[Any], *, add_generation_prompt: bool = False) -> str:
    """Return the text of messages, or an empty text if the layout rejects them."""
    try:
        return layout.render_source(messages, add_generation_prompt=add_generation_prompt)
    except RowError:
        return ""
