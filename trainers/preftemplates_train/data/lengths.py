"""Lengths: the counts of samples that are too long, and prompts that lose their oldest turns."""

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
    """What became of the samples: samples = kept + too_long + equal + unencodable.

    Attributes:
        samples: how many there were.
        kept: how many remain.
        too_long: dropped because an answer does not fit.
        equal: dropped because both texts of a pair are the same tokens.
        unencodable: dropped because a custom template writes the pad token, or the tokenizer has nothing but a control
            token for a character.
        cut: kept, with a shorter prompt.
        control_text: kept, with content that spells a control token, which is encoded as the text that it is.
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
    """Write a sample without the fewest of its oldest turns, so that all its texts fit.

    Returns:
        None if they never do.
    """
    style = style.with_tools(cast("str | None", sample.tools))
    for prompt in shorten_prompt(sample.prompt):
        prompt_text, texts = style.texts(prompt, sample.responses.values())
        (encoded,) = encoder.encode([TextSample(texts, replace(sample, prompt=prompt))])
        if encoded is not None and max(map(len, encoded.responses)) <= max_length:
            return CutTexts(prompt_text, texts, encoded)
    return None
