"""Lengths: the counts of pairs that are too long, and prompts that lose their oldest turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from preftemplates import Message, Sample, Style
    from preftemplates_train.data.tokenizer import TextEncoder


@dataclass
class LengthReport:
    """What became of the pairs: pairs = kept + too_long + equal + control.

    Attributes:
        pairs: how many there were.
        kept: how many remain.
        too_long: dropped because an answer does not fit.
        equal: dropped because both sides are the same tokens.
        control: dropped because a text spells the pad token.
        cut: kept, with a shorter prompt.
    """

    pairs: int = 0
    kept: int = 0
    too_long: int = 0
    equal: int = 0
    control: int = 0
    cut: int = 0


class CutTexts(NamedTuple):
    """The texts of a sample whose prompt was cut.

    Attributes:
        prompt: the text of the prompt.
        responses: the whole text of each response, prompt included.
        ids: the ids of these texts.
    """

    prompt: str
    responses: list[str]
    ids: list[list[int]]


def cut_prompt(sample: Sample[list[Message]], encode: TextEncoder, max_length: int, style: Style) -> CutTexts | None:
    """Write a sample without the fewest of its oldest turns, so that all its texts fit.

    Returns:
        None if they never do.
    """
    style = style.with_tools(cast("str | None", sample.tools))
    for prompt in shorten_prompt(sample.prompt):
        prompt_text, texts = style.texts(prompt, sample.responses.values())
        ids = encode(texts)
        if max(map(len, ids)) <= max_length:
            return CutTexts(prompt_text, texts, ids)
    return None


def shorten_prompt(prompt: Sequence[Message]) -> Iterable[list[Message]]:
    """Yield the prompt without more and more of its oldest turns; system messages stay, and a user's turn comes first.

    >>> turns = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    >>> [[message["role"] for message in shorter] for shorter in shorten_prompt(turns)]
    [['system', 'user']]
    """
    system = [message for message in prompt if message["role"] in ("system", "developer")]
    turns: list[Any] = [message for message in prompt if message["role"] not in ("system", "developer")]
    for start in range(1, len(turns)):
        if turns[start]["role"] == "user":
            yield system + turns[start:]
