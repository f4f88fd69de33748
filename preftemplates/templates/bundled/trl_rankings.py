"""Ranked and scored answers in the columns of the dialects `trl` and `text`.

Source: these dialects. TRL itself has no trainer that reads such rows. The lowest rank and the highest score are the
best.
"""

from typing import Any

from preftemplates import MediaColumns, Message, Ranked, RowModel, Scored, Template, messages, register_template

SHOWN = messages("{{ prompt | show_media(images, videos, audios, image) }}")


@register_template("TRL-ranked", style="plain", dialect="trl-text")
class TRLRanked(Template):
    """A prompt, completions, and a rank for each, as text."""

    class Row(RowModel):
        prompt: str
        completions: list[str]
        ranks: list[float]
        scores: list[float] | None = None

    ranked = Ranked(prompt="{{ prompt }}", completions="{{ completions }}", ranks="{{ ranks }}", scores="{{ scores }}")
    example = {"prompt": "Two and two?", "completions": ["Four.", "Five."], "ranks": [0, 1]}


@register_template("TRL-ranked-messages", style="chatml", dialect="trl")
class TRLRankedMessages(Template):
    """A prompt, completions, and a rank for each, as messages."""

    class Row(MediaColumns):
        prompt: list[Message]
        completions: list[list[Message]]
        ranks: list[float]
        scores: list[float] | None = None
        tools: list[dict[str, Any]] | str | None = None

    ranked = Ranked(
        prompt=SHOWN,
        completions="{{ completions }}",
        ranks="{{ ranks }}",
        scores="{{ scores }}",
        tools="{{ tools | tool_list }}",
    )
    example = {
        "prompt": [{"role": "user", "content": "Two and two?"}],
        "completions": [[{"role": "assistant", "content": "Four."}], [{"role": "assistant", "content": "Five."}]],
        "ranks": [0, 1],
    }


@register_template("TRL-scored", style="plain", dialect="trl-text")
class TRLScored(Template):
    """A prompt, a completion, and its score, as text."""

    class Row(RowModel):
        prompt: str
        completion: str
        score: float
        attributes: dict[str, float] | None = None

    scored = Scored(
        prompt="{{ prompt }}", completion="{{ completion }}", score="{{ score }}", attributes="{{ attributes }}"
    )
    example = {"prompt": "Two and two?", "completion": "Four.", "score": 1.0}


@register_template("TRL-scored-messages", style="chatml", dialect="trl")
class TRLScoredMessages(Template):
    """A prompt, a completion, and its score, as messages."""

    class Row(MediaColumns):
        prompt: list[Message]
        completion: list[Message]
        score: float
        attributes: dict[str, float] | None = None
        tools: list[dict[str, Any]] | str | None = None

    scored = Scored(
        prompt=SHOWN,
        completion=messages("{{ completion }}"),
        score="{{ score }}",
        attributes="{{ attributes }}",
        tools="{{ tools | tool_list }}",
    )
    example = {
        "prompt": [{"role": "user", "content": "Two and two?"}],
        "completion": [{"role": "assistant", "content": "Four."}],
        "score": 1.0,
    }
