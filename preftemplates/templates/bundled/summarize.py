"""Summaries and continuations that OpenAI's labellers compared: of Reddit posts, news articles and short texts.

Sources: openai/summarize_from_feedback (licence unknown), its configurations comparisons and axis; and
openai/lm-human-preferences (licence unknown). The prompt has the subreddit and title of a post, but not the title of
an article. The summary follows "TL;DR:" unchanged.
"""

from pydantic import Field

from preftemplates import Index01, Preference, Ranked, RowModel, Scored, Template, register_template


class Info(RowModel):
    """The columns of a batch: post, title and subreddit from Reddit, or article from CNN/DM."""

    post: str | None = None
    title: str | None = None
    subreddit: str | None = None
    article: str | None = None


class Summary(RowModel):
    text: str


class Axes(RowModel):
    overall: int = Field(ge=1, le=7)


class RatedSummary(RowModel):
    text: str
    axes: Axes


@register_template("TLDR-comparisons", style="plain", dialect="trl")
class TLDRComparisons(Template):
    """TL;DR comparisons: a post or an article, two summaries, and the index of the better one, counted from 0."""

    class Row(RowModel):
        info: Info
        summaries: list[Summary]
        choice: Index01

    preference = Preference(
        prompt="{{ info | to_summarise }}",
        chosen="{{ (summaries | two)[choice].text }}",
        rejected="{{ (summaries | two)[1 - choice].text }}",
    )
    dataset = "openai/summarize_from_feedback"
    licence = "unknown"
    example = {
        "info": {
            "post": "My neighbour gave me a sack of quinces. I have never cooked one. What can I make of them?",
            "title": "A sack of quinces",
            "subreddit": "Cooking",
        },
        "summaries": [{"text": " I like fruit."}, {"text": " What can I cook with a sack of quinces?"}],
        "choice": 1,
    }


@register_template("TLDR-axis", style="plain", dialect="trl")
class TLDRAxis(Template):
    """TL;DR ratings: a post or an article, a summary, and its overall rating from 1 to 7.

    The bounds of the rating are not confirmed by a source.
    """

    class Row(RowModel):
        info: Info
        summary: RatedSummary

    scored = Scored(
        prompt="{{ info | to_summarise }}", completion="{{ summary.text }}", score="{{ summary.axes.overall }}"
    )
    dataset = "openai/summarize_from_feedback"
    licence = "unknown"
    example = {
        "info": {"article": "The old mill opens its doors on Sunday. Visitors may grind their own flour."},
        "summary": {"text": " The old mill is open to visitors on Sunday.", "axes": {"overall": 6}},
    }


@register_template("LM-human-preferences", style="plain", dialect="trl")
class LMHumanPreferences(Template):
    """Four continuations of a text, and the index of the best one, counted from 0; the other three are tied.

    The dataset's own rows hold ids of GPT-2's tokeniser, which no template can read, so they are rejected. Decode
    query, sample0, sample1, sample2 and sample3 first, under the same names.
    """

    class Row(RowModel):
        query: str
        sample0: str
        sample1: str
        sample2: str
        sample3: str
        best: int = Field(ge=0, le=3)

    ranked = Ranked(
        prompt="{{ query }}",
        completions="{{ [sample0, sample1, sample2, sample3] }}",
        ranks="{{ best | one_best(4) }}",
    )
    dataset = "openai/lm-human-preferences"
    licence = "unknown"
    example = {
        "query": "The garden was quiet. Then",
        "sample0": " nothing happened.",
        "sample1": " a blackbird began to sing, and another answered.",
        "sample2": " then then.",
        "sample3": " it ended.",
        "best": 1,
    }
