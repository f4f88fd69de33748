"""ColossalChat's layout of a conversation: turns with `from` and `content`."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, did_you_mean, preview

ROLES = {"system": "system", "human": "user", "user": "user", "assistant": "assistant"}
"""The role of each of ColossalChat's speakers."""


@register_filter
def colossalchat_turns(turns: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the messages of turns with a speaker, `from_`, and `content`.

    >>> from types import SimpleNamespace
    >>> colossalchat_turns([SimpleNamespace(from_="human", content="Hi")])
    [{'role': 'user', 'content': 'Hi'}]

    Raises:
        RowError: `bad_role` if a speaker is unknown.
    """
    return [{"role": _role(str(turn.from_)), "content": turn.content} for turn in turns]


def _role(speaker: str) -> str:
    if speaker not in ROLES:
        guess = did_you_mean(speaker, ROLES)
        raise RowError(f"unknown speaker {preview(speaker)}.{guess}", code=Code.BAD_ROLE, value=speaker)
    return ROLES[speaker]
