"""Lengths: count samples that are too long, and cut the oldest turns of prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

from preftemplates.data.sample_ids import TextSample
from preftemplates.data.token_lengths import shorten_prompt

if TYPE_CHECKING:
    from preftemplates import Message, Sample, Style
    from preftemplates.data.sample_ids import SampleEncoder, SampleIds


@dataclass
class LengthReport:
    """The counts of samples: samples = kept + too_long + equal + unencodable.

    Attributes:
        samples: all samples.
        kept: the samples that remain.
        too_long: dropped because an answer does not fit.
        equal: dropped because both texts of a pair have the same token ids.
        unencodable: dropped because a custom template writes the pad token, or the tokenizer can encode a character
            only as a control token.
        cut: kept, with a shorter prompt.
        control_text: kept, with content that spells a control token; the content is encoded as plain text.
    """

    samples: int = 0
    kept: int = 0
    too_long: int = 0
    equal: int = 0
    unencodable: int = 0
    cut: int = 0
    control_text: int = 0


class CutTexts(NamedTuple):
    """The texts of a sample whose prompt was cut.

    Attributes:
        prompt: the text of the prompt.
        responses: the whole text of each response, prompt included.
        encoded: the ids of the responses.
    """

    prompt: str
    responses: list[str]
    encoded: SampleIds


def cut_prompt(
    sample: Sample[list[Message]], encoder: SampleEncoder, max_length: int, style: Style
) -> CutTexts | None:
    """Render a sample without its oldest turns, as few as possible, so that all its texts fit.

    Returns:
        None if the texts do not fit even without them.
    """
    style = style.with_tools(cast("str | None", sample.tools))
    for prompt in shorten_prompt(sample.prompt):
        prompt_text, texts = style.texts(prompt, sample.responses.values())
        (encoded,) = encoder.encode([TextSample(texts, replace(sample, prompt=prompt))])
        if encoded is not None and max(map(len, encoded.responses)) <= max_length:
            return CutTexts(prompt_text, texts, encoded)
    return None
