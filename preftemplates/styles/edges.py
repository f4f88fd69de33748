"""What a layout writes at the edges of a conversation: a BOS before it, a stop and a tail after the last answer."""

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
    """What a style writes at the edges of a conversation that ends with an answer.

    Attributes:
        bos: the BOS; empty if there is none.
        stop: what ends the answer; empty if nothing does.
        tail: what follows the stop, or the answer if it has no stop.
    """

    bos: str
    stop: str
    tail: str


_TOKEN = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
"""A special token as most tokenizers spell them."""


def find_edges(layout: Layout) -> StyleEdges:
    """Return what a layout writes at the edges, found by rendering an answer; all empty if it refuses one."""
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
