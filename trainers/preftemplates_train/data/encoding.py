"""Pairs as token ids: pairs that fit are kept, and the pairs of one row form a group."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from preftemplates.data.sample_ids import SampleIds, TextSample
from preftemplates_train.data.lengths import LengthReport, cut_prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preftemplates import Style
    from preftemplates.data.sample_ids import SampleEncoder
    from preftemplates_train.data.pairs import TextPair
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
    encoder: SampleEncoder,
    *,
    max_length: int,
    pad_id: int,
    policy: LengthPolicy = "drop",
    style: Style | None = None,
) -> tuple[list[TokenPair], LengthReport]:
    """Encode pairs and keep those that fit; both sides of a pair are cut alike.

    Args:
        pairs: the pairs.
        encoder: encodes them.
        max_length: the most ids that a text may have.
        pad_id: the id that no text may hold, since nothing after it would be read.
        policy: how a pair with a longer text is handled.
        style: writes the text again when a prompt is cut.
    """
    kept: list[TokenPair] = []
    report = LengthReport()
    for pair, encoded in _encode_all(pairs, encoder):
        report.pairs += 1
        if policy == "cut_prompt" and style and pair.messages and encoded and _is_too_long(encoded, max_length):
            shorter = cut_prompt(pair.messages, encoder, max_length, style)
            if shorter is not None:
                report.cut += 1
                chosen, rejected = shorter.responses
                pair = pair._replace(prompt=shorter.prompt, chosen=chosen, rejected=rejected, ids=None)
                encoded = shorter.encoded
        if encoded is not None and _is_too_long(encoded, max_length):
            report.too_long += 1
        elif encoded is None or any(pad_id in ids for ids in encoded.responses):
            report.unencodable += 1
        elif encoded.responses[0] == encoded.responses[1]:
            report.equal += 1
        else:
            report.kept += 1
            report.control_text += encoded.control_text
            kept.append(TokenPair(pair, *encoded.responses))
    return kept, report


def _encode_all(pairs: Iterable[TextPair], encoder: SampleEncoder) -> Iterator[tuple[TextPair, SampleIds | None]]:
    """Yield each pair with its ids, and encode those that have none yet."""
    remaining = iter(pairs)
    while batch := list(islice(remaining, PAIRS_PER_CALL)):
        samples = [
            TextSample((pair.chosen, pair.rejected), pair.messages, pair.contents)
            for pair in batch
            if pair.ids is None
        ]
        encoded = iter(encoder.encode(samples))
        for pair in batch:
            yield pair, next(encoded) if pair.ids is None else SampleIds(pair.ids)


def _is_too_long(encoded: SampleIds, max_length: int) -> bool:
    return max(map(len, encoded.responses)) > max_length
