"""Pairs as token ids: pairs that fit are kept, and the pairs of one row form a group."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from preftemplates_train.data.lengths import LengthReport, cut_prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preftemplates import Style
    from preftemplates_train.data.pairs import TextPair
    from preftemplates_train.data.tokenizer import TextEncoder
    from preftemplates_train.settings.run_settings import LengthPolicy

PAIRS_PER_CALL = 1000
"""How many pairs are encoded at a time: fast tokenizers take many texts at once."""


class TokenPair(NamedTuple):
    """A pair as token ids.

    Attributes:
        pair: the texts.
        chosen_ids, rejected_ids: the ids of the whole texts, special tokens included.
    """

    pair: TextPair
    chosen_ids: list[int]
    rejected_ids: list[int]


TokenGroup = tuple[TokenPair, ...]
"""Pairs that are trained on together."""


def group_by_row(pairs: Iterable[TokenPair]) -> list[TokenGroup]:
    """Group the pairs that one row gives of one prompt, such as those of a ranking, in the order of their first."""
    groups: dict[tuple[str, int, str], list[TokenPair]] = {}
    for pair in pairs:
        groups.setdefault((pair.pair.source, pair.pair.row, pair.pair.prompt), []).append(pair)
    return [tuple(group) for group in groups.values()]


def encode_pairs(
    pairs: Iterable[TextPair],
    encode: TextEncoder,
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
        pad_id: the id that no text may hold, since nothing after it would be read.
        policy: how a pair with a longer text is handled.
        style: writes the text again when a prompt is cut.
    """
    kept: list[TokenPair] = []
    report = LengthReport()
    for token_pair in _encode_all(pairs, encode):
        pair = token_pair.pair
        report.pairs += 1
        if policy == "cut_prompt" and style and pair.messages and _count_longest(token_pair) > max_length:
            shorter = cut_prompt(pair.messages, encode, max_length, style)
            if shorter is not None:
                report.cut += 1
                chosen, rejected = shorter.responses
                pair = pair._replace(prompt=shorter.prompt, chosen=chosen, rejected=rejected)
                token_pair = TokenPair(pair, *shorter.ids)
        if _count_longest(token_pair) > max_length:
            report.too_long += 1
        elif pad_id in token_pair.chosen_ids or pad_id in token_pair.rejected_ids:
            report.control += 1
        elif token_pair.chosen_ids == token_pair.rejected_ids:
            report.equal += 1
        else:
            report.kept += 1
            kept.append(token_pair)
    return kept, report


def _encode_all(pairs: Iterable[TextPair], encode: TextEncoder) -> Iterator[TokenPair]:
    remaining = iter(pairs)
    while batch := list(islice(remaining, PAIRS_PER_CALL)):
        ids = encode([text for pair in batch for text in (pair.chosen, pair.rejected)])
        yield from map(TokenPair, batch, ids[::2], ids[1::2])


def _count_longest(pair: TokenPair) -> int:
    return max(len(pair.chosen_ids), len(pair.rejected_ids))
