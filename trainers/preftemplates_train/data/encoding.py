"""Lengths: texts as token ids, and what becomes of pairs that are too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, cast

from preftemplates.samples import Message, Sample
from preftemplates.style import Style
from preftemplates_train.settings.config import LengthPolicy

Encode = Callable[[Sequence[str]], list[list[int]]]
"""From texts to the ids of each, special tokens included."""

AT_ONCE = 1000
"""How many pairs are encoded at a time: fast tokenizers take many texts at once."""


class Pair(NamedTuple):
    """Two texts of which the first is preferred, with where they came from.

    Attributes:
        source: the name of the data.
        row: the row's number in it, from 0.
        prompt: the prompt's text, by which data is split; empty if a class that formats by hand writes none.
        chosen, rejected: the whole texts.
        first_listed: whether the chosen answer is the one that the row lists first; None if that cannot be known.
        messages: the sample with messages, from which a prompt can be cut; None if the template formats by hand.
        margin: by how much the chosen answer is better, in the dataset's own units, if that is known.
        probability: how probable it is that it is the better one, likewise.
    """

    source: str
    row: int
    prompt: str
    chosen: str
    rejected: str
    first_listed: bool | None
    messages: Sample[list[Message]] | None
    margin: float | None = None
    probability: float | None = None


class TokenPair(NamedTuple):
    """A pair as token ids.

    Attributes:
        pair: the texts.
        chosen_ids, rejected_ids: the ids of the whole texts, special tokens included.
    """

    pair: Pair
    chosen_ids: list[int]
    rejected_ids: list[int]


Group = tuple[TokenPair, ...]
"""Pairs that are trained on together."""


def by_row(pairs: Iterable[TokenPair]) -> list[Group]:
    """The pairs that one row gives of one prompt together, such as those of a ranking, in the order of their first."""
    groups: dict[tuple[str, int, str], list[TokenPair]] = {}
    for one in pairs:
        groups.setdefault((one.pair.source, one.pair.row, one.pair.prompt), []).append(one)
    return [tuple(group) for group in groups.values()]


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


def encode_pairs(
    pairs: Iterable[Pair],
    encode: Encode,
    *,
    max_length: int,
    pad_id: int,
    policy: LengthPolicy = "drop",
    style: Style | None = None,
) -> tuple[list[TokenPair], LengthReport]:
    """Encode pairs and keep those that fit; both sides of a pair are cut alike.

    Args:
        pairs: the pairs.
        encode: from texts to the ids of each.
        max_length: the most ids that a text may have.
        pad_id: the id that no text may hold, since what follows it would not be read.
        policy: what becomes of a pair with a text that is longer.
        style: writes the text again when a prompt is cut.
    """
    kept: list[TokenPair] = []
    report = LengthReport()
    for encoded in _encoded(pairs, encode):
        pair = encoded.pair
        report.pairs += 1
        if policy == "cut_prompt" and style and pair.messages and _longest(encoded) > max_length:
            shorter = cut_prompt(pair.messages, encode, max_length, style)
            if shorter is not None:
                report.cut += 1
                prompt, (chosen, rejected), ids = shorter
                encoded = TokenPair(pair._replace(prompt=prompt, chosen=chosen, rejected=rejected), *ids)
        if _longest(encoded) > max_length:
            report.too_long += 1
        elif pad_id in encoded.chosen_ids or pad_id in encoded.rejected_ids:
            report.control += 1
        elif encoded.chosen_ids == encoded.rejected_ids:
            report.equal += 1
        else:
            report.kept += 1
            kept.append(encoded)
    return kept, report


def _encoded(pairs: Iterable[Pair], encode: Encode) -> Iterator[TokenPair]:
    remaining = iter(pairs)
    while some := list(islice(remaining, AT_ONCE)):
        ids = encode([text for pair in some for text in (pair.chosen, pair.rejected)])
        yield from map(TokenPair, some, ids[::2], ids[1::2])


def _longest(pair: TokenPair) -> int:
    return max(len(pair.chosen_ids), len(pair.rejected_ids))


def cut_prompt(
    sample: Sample[list[Message]], encode: Encode, max_length: int, style: Style
) -> tuple[str, list[str], list[list[int]]] | None:
    """The texts of prompt and responses, and these' ids, with the fewest of the oldest turns gone so that all fit.

    Returns:
        None if they never do.
    """
    style = style.with_tools(cast("str | None", sample.tools))
    for prompt in shorter_prompts(sample.prompt):
        texts = [style.text([*prompt, *own], add_generation_prompt=False) for own in sample.responses.values()]
        ids = encode(texts)
        if max(map(len, ids)) <= max_length:
            return style.text(prompt, add_generation_prompt=True), texts, ids
    return None


def shorter_prompts(prompt: Sequence[Message]) -> Iterable[list[Message]]:
    """The prompt with ever more of its oldest turns gone; system messages stay, and it begins with a user's turn.

    >>> turns = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    >>> [[message["role"] for message in shorter] for shorter in shorter_prompts(turns)]
    [['system', 'user']]
    """
    lead = [message for message in prompt if message["role"] in ("system", "developer")]
    turns: list[Any] = [message for message in prompt if message["role"] not in ("system", "developer")]
    for begin in range(1, len(turns)):
        if turns[begin]["role"] == "user":
            yield lead + turns[begin:]
