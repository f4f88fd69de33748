"""The edges of a conversation in a layout: a BOS at the start, and a stop and a tail after the last answer."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from preftemplates.core.messages import Message
from preftemplates.errors import RowError
from preftemplates.styles.layout import PROBE_TEXT

if TYPE_CHECKING:
    from preftemplates.styles.layout import Layout


class StyleEdges(NamedTuple):
    """The text that a style writes at the edges of a conversation that ends with an answer.

    Attributes:
        bos: the BOS; empty if there is none.
        stop: the end-of-turn token; empty if nothing ends an answer.
        tail: the text after the stop, or after the answer if there is no stop.
    """

    bos: str
    stop: str
    tail: str


_TOKEN = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
"""Matches a special token as most tokenizers spell them."""


def find_edges(layout: Layout) -> StyleEdges:
    """Return the edges of a layout, found by rendering an answer; all are empty if it rejects one."""
    text = PROBE_TEXT
    for roles in (("user", "assistant"), ("system", "user", "assistant")):
        with suppress(RowError):
            text = layout.text([Message(role=role, content=PROBE_TEXT) for role in roles], False)
            break
    after = text.rpartition(PROBE_TEXT)[2]
    stop = layout.stop if after.startswith(layout.stop) else ""
    opening = layout.opening if _TOKEN.fullmatch(layout.opening) else ""
    candidates = (layout.variables.get("bos_token"), opening)
    bos = next((token for token in candidates if isinstance(token, str) and token and text.startswith(token)), "")
    return StyleEdges(bos, stop, after[len(stop) :])
