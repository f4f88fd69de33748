"""Nectar: a transcript that asks for an answer, and several answers with their ranks; rank 1 is the best.

Source: berkeley-nest/Nectar (Apache-2.0; some answers come under terms that forbid commercial use). Answers are in any
order. Some contain "Human: " or "Assistant: ", which stay part of the answer.
"""

from pydantic import Field

from preftemplates import Ranked, RowModel, Template, messages, register_template


class Answer(RowModel):
    answer: str
    rank: float = Field(ge=1)


@register_template("Nectar", style="human-assistant", dialect="trl")
class Nectar(Template):
    """Nectar: a transcript that ends with "Assistant:", and answers with ranks, of which 1 is the best."""

    ignored = ("turns", "num_responses")

    class Row(RowModel):
        prompt: str
        answers: list[Answer]

    ranked = Ranked(
        prompt=messages("{{ prompt | with_whole_marks | human_assistant_turns | before_open_answer }}"),
        completions="{{ answers | map(attribute='answer') | list }}",
        ranks="{{ answers | map(attribute='rank') | list }}",
    )
    dataset = "berkeley-nest/Nectar"
    licence = "Apache-2.0"
    example = {
        "prompt": "\n\nHuman: Which herb grows in shade?\n\nAssistant: ",
        "answers": [
            {"answer": "Mint, chervil and wild garlic do.", "rank": 1.0},
            {"answer": "Mint.", "rank": 2.0},
            {"answer": "None at all.", "rank": 3.0},
        ],
    }
