"""Labelled tokens: encode samples, keep those that fit, and group those of one row."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from preftemplates.data.sample_ids import SampleIds, TextSample
from preftemplates_train.data.lengths import LengthReport, cut_prompt
from preftemplates_train.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from preftemplates import Style
    from preftemplates.data.sample_ids import SampleEncoder
    from preftemplates_train.data.labelled_texts import LabelledTexts
    from preftemplates_train.settings.run_settings import LengthPolicy

SAMPLES_PER_CALL = 1000
"""The number of samples per call of the encoder: fast tokenizers encode many texts at once."""


class LabelledTokens(NamedTuple):
    """The token ids of one sample.

    Attributes:
        sample: the texts.
        ids: the ids of each whole text, special tokens included.
        labels: the labels for the loss: those of the sample, with scores in standard deviations.
    """

    sample: LabelledTexts
    ids: tuple[list[int], ...]
    labels: Mapping[str, float]


TokenGroup = tuple[LabelledTokens, ...]
"""Samples that are trained on together."""


def group_by_row(samples: Iterable[LabelledTokens]) -> list[TokenGroup]:
    """Group the samples of the same row and prompt, such as the pairs of a ranking, in order."""
    groups: dict[tuple[str, int, str], list[LabelledTokens]] = {}
    for one in samples:
        groups.setdefault((one.sample.source, one.sample.row, one.sample.prompt), []).append(one)
    return [tuple(group) for group in groups.values()]


def encode_labelled_texts(
    samples: Iterable[LabelledTexts],
    encoder: SampleEncoder,
    *,
    max_length: int,
    pad_id: int,
    policy: LengthPolicy = "drop",
    style: Style | None = None,
) -> tuple[list[LabelledTokens], LengthReport]:
    """Encode samples and keep those that fit; a prompt is cut in the same way for all texts of a sample.

    Args:
        samples: the samples.
        encoder: encodes them.
        max_length: the most ids that a text may have.
        pad_id: the id of the pad token, which no text may contain: a framework may ignore the text after it.
        policy: how a sample with a longer text is handled.
        style: renders the texts again when a prompt is cut.
    """
    kept: list[LabelledTokens] = []
    report = LengthReport()
    for sample, encoded in track(_encode_all(samples, encoder), "encoding samples"):
        report.samples += 1
        if policy == "cut_prompt" and style and sample.messages and encoded and _is_too_long(encoded, max_length):
            shorter = cut_prompt(sample.messages, encoder, max_length, style)
            if shorter is not None:
                report.cut += 1
                sample = sample._replace(prompt=shorter.prompt, texts=tuple(shorter.responses), ids=None)
                encoded = shorter.encoded
        if encoded is not None and _is_too_long(encoded, max_length):
            report.too_long += 1
        elif encoded is None or any(pad_id in ids for ids in encoded.responses):
            report.unencodable += 1
        elif len(encoded.responses) == 2 and encoded.responses[0] == encoded.responses[1]:
            report.equal += 1
        else:
            report.kept += 1
            report.control_text += encoded.control_text
            kept.append(LabelledTokens(sample, tuple(encoded.responses), sample.labels))
    return kept, report


def _encode_all(
    samples: Iterable[LabelledTexts], encoder: SampleEncoder
) -> Iterator[tuple[LabelledTexts, SampleIds | None]]:
    """Yield each sample with its ids; samples without ids are encoded."""
    remaining = iter(samples)
    while batch := list(islice(remaining, SAMPLES_PER_CALL)):
        to_encode = [
            TextSample(sample.texts, sample.messages, sample.contents) for sample in batch if sample.ids is None
        ]
        encoded = iter(encoder.encode(to_encode))
        for sample in batch:
            yield sample, next(encoded) if sample.ids is None else SampleIds(sample.ids)


def _is_too_long(encoded: SampleIds, max_length: int) -> bool:
    return max(map(len, encoded.responses)) > max_length
