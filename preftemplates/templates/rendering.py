"""Rendering: the messages of a sample in a style, as text alone or with spans."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from preftemplates.core.provenance import concat
from preftemplates.core.spans import Rendered, Span
from preftemplates.errors import Code, RowError
from preftemplates.styles.environment import FixedMoment

if TYPE_CHECKING:
    from preftemplates.core.messages import Message
    from preftemplates.core.samples import Sample
    from preftemplates.styles.style import Style


def render_texts(sample: Sample[list[Message]], style: Style) -> Sample[str]:
    """Render a sample to text: a prompt ends with the generation prompt, and a response includes its prompt.

    Raises:
        RowError: the style cannot spell the messages.
    """
    prompt, style = sample.prompt, style.with_tools(cast("str | None", sample.tools))
    if sample.pieces:
        return render_sample(sample, style).map(lambda rendered: rendered.text, lambda rendered: rendered.text)
    return sample.refilled(*style.texts(prompt, sample.responses.values()))


def render_sample(sample: Sample[list[Message]], style: Style) -> Sample[Rendered]:
    """Render a sample to text with spans.

    Raises:
        RowError: as in `render_texts`.
    """
    prompt, style = sample.prompt, style.with_tools(cast("str | None", sample.tools))
    with FixedMoment():  # a response must begin with its prompt, even if midnight passes in between
        if sample.pieces:
            asked = style.render_normal(prompt, add_generation_prompt=True)
            return sample.refilled(asked, _render_pieces(sample, style))
        return sample.map(
            lambda messages: style.render_normal(messages, add_generation_prompt=True),
            lambda response: style.render_normal([*prompt, *response], add_generation_prompt=False),
        )


def _render_pieces(sample: Sample[list[Message]], style: Style) -> list[Rendered]:
    """Return the text up to the end of each step of the answer; for the last step, the whole text."""
    contents = [_require_text(step) for step in sample.responses.values()]
    answer = cast("Message", {"role": "assistant", "content": concat(contents)})
    whole = style.render_normal([*sample.prompt, answer], add_generation_prompt=False)
    at = len(sample.prompt)
    starts = [span.start for span in whole.spans if span.message == at and span.field == "content"]
    start = min(starts, default=0)
    if not starts or not whole.text.startswith("".join(contents), start):
        raise RowError("the style does not print the steps unchanged", code=Code.REFUSED_BY_STYLE)
    ends = [start + end for end in accumulate(map(len, contents))]
    return [_cut(whole, end) for end in ends[:-1]] + [whole]


def _require_text(step: list[Message]) -> str:
    content: Any = step[0].get("content")
    if len(step) != 1 or not isinstance(content, str) or set(step[0]) != {"role", "content"}:
        raise RowError("a step must be one text", code=Code.UNSUPPORTED_CONTENT, value=content)
    return content


def _cut(rendered: Rendered, end: int) -> Rendered:
    """Return the beginning of a rendered text."""

    def spans() -> tuple[Span, ...]:
        return tuple([span._replace(end=min(span.end, end)) for span in rendered.spans if span.start < end])

    return Rendered(rendered.text[:end], spans, find_stops=rendered.find_stops, message_count=rendered.message_count)
