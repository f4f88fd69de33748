"""WebGPT: a question, and two answers written with quotes from the web, each with a score from -1 to 1.

Source: openai/webgpt_comparisons (licence unknown). Each answer has its own quotes, so a prompt with quotes would
differ between the sides. The prompt is therefore the question alone, and the quotes are left out; marks such as [1]
in an answer stay.
"""

from pydantic import Field

from preftemplates import Preference, RowModel, Template, register_template


class Question(RowModel):
    full_text: str


@register_template("WebGPT", style="chatml", dialect="trl")
class WebGPT(Template):
    """WebGPT: a question and two answers; the answer with the higher score is better, and equal scores are a tie."""

    class Row(RowModel):
        question: Question
        answer_0: str
        answer_1: str
        score_0: float = Field(ge=-1, le=1)
        score_1: float = Field(ge=-1, le=1)

    preference = Preference(
        prompt="{{ question.full_text }}",
        chosen="{{ ([answer_0, answer_1] | better_first(score_1 - score_0))[0] }}",
        rejected="{{ ([answer_0, answer_1] | better_first(score_1 - score_0))[1] }}",
        margin="{{ (score_1 - score_0) | abs }}",
    )
    ties = "drop"
    dataset = "openai/webgpt_comparisons"
    licence = "unknown"
    example = {
        "question": {"full_text": "Why do onions make us cry?"},
        "answer_0": "They are sad.",
        "answer_1": "A cut onion gives off a gas that stings the eyes [1].",
        "score_0": -0.5,
        "score_1": 0.5,
    }
