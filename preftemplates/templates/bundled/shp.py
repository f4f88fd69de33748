"""SHP: a Reddit post, two comments, and which of them has more votes.

Source: stanfordnlp/SHP (Reddit's terms apply to its texts). `labels` is 1 if the first comment, A, is better: the
reverse of an index. `score_ratio` is the better comment's votes divided by the other's.
"""

from pydantic import Field

from preftemplates import FirstIs1, Preference, RowModel, Template, register_template


@register_template("SHP", style="chatml", dialect="trl")
class SHP(Template):
    """SHP: a post and two comments; the margin is the relative lead in votes of the better one, and 0 is a tie."""

    ignored = ("score_A", "score_B")

    class Row(RowModel):
        history: str
        human_ref_A: str  # noqa: N815  the dataset's column
        human_ref_B: str  # noqa: N815  the dataset's column
        labels: FirstIs1
        score_ratio: float = Field(ge=1)

    preference = Preference(
        prompt="{{ history }}",
        chosen="{{ [human_ref_B, human_ref_A][labels] }}",
        rejected="{{ [human_ref_A, human_ref_B][labels] }}",
        margin="{{ score_ratio - 1 }}",
    )
    ties = "drop"
    dataset = "stanfordnlp/SHP"
    licence = "Reddit's terms"
    example = {
        "history": "How do you keep bread fresh for a week?",
        "human_ref_A": "Slice it and freeze it. A slice thaws in the toaster.",
        "human_ref_B": "I do not.",
        "labels": 1,
        "score_ratio": 2.5,
    }
