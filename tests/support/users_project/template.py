"""A user's templates: columns and parts of all kinds, a dataset type of one's own, a class with its own methods."""

# pyright: strict

from typing import Any, Literal

from dataset_type import Triple
from filter import first_line as first_line  # the expressions below name it
from pydantic import Field

from preftemplates import (
    FirstIs1,
    Index01,
    Index12,
    Message,
    Preference,
    Probability,
    PromptOnly,
    Ranked,
    RowModel,
    Strength,
    Supervised,
    Template,
    Unpaired,
    messages,
    register_template,
)


class Answer(RowModel):
    text: str
    stars: int = Field(ge=1, le=5)


@register_template("Garden", style="chatml", dialect="text", aliases=["garden"])
class Garden(Template):
    class Row(RowModel):
        class Author(RowModel):
            name: str

        question: str
        history: list[Message]
        answers: list[Answer]
        better: Index01 = Field(alias="better-id")
        author: Author | None = None
        score_a: float | None = Field(None, alias="score-A")
        second_better: Index12 | None = None
        first_is_1: FirstIs1 | None = None
        strength: Strength | None = None
        probability: Probability | None = None
        language: Literal["de", "en"] = Field(alias="lang")
        extra: dict[str, Any] | None = None

    preference = Preference(
        prompt=[
            {"role": "system", "content": "You garden."},
            messages("{{ history }}"),
            "{{ question | first_line }}",
        ],
        chosen="{{ answers[better].text }}",
        rejected="{{ answers[1 - better].text }}",
        margin="{{ (answers[0].stars - answers[1].stars) | abs }}",
    )
    ties = "half"
    dataset = "example/garden"
    licence = "CC0-1.0"
    verified = False
    example = {
        "question": "Sun for mint?",
        "history": [],
        "answers": [{"text": "Sun.", "stars": 1}, {"text": "Half shade.", "stars": 4}],
        "better-id": 1,
        "lang": "en",
    }


class Tastes(RowModel):
    dish: str
    cooks: list[str]
    votes: list[int]


@register_template("Tasting", dialect="trl")
class Tasting(Template):
    Row = Tastes
    prompt_only = PromptOnly(prompt="{{ dish }}")
    ranked = Ranked(prompt="{{ dish }}", completions="{{ cooks }}", ranks="{{ votes | ranks }}", scores="{{ votes }}")
    example = {"dish": "Soup for a cold evening?", "cooks": ["Lentil.", "Pea.", "Hay."], "votes": [7, 3, 1]}


@register_template("Tasting-alone", dialect="trl")
class TastingAlone(Template):
    Row = Tastes
    each = {"cook": "{{ cooks }}"}
    supervised = Supervised(prompt="{{ dish }}", completion="{{ cook }}")
    unpaired = Unpaired(prompt="{{ dish }}", completion="{{ cook }}", label="{{ votes[0] > 3 }}")


@register_template("Tasting-triple", dialect="triples")
class TastingTriple(Template):
    Row = Tastes
    triple = Triple(
        prompt="{{ dish }}",
        good="{{ cooks | pick(0) }}",
        middling="{{ cooks | pick(1) }}",
        bad="{{ cooks | pick(2) }}",
    )


@register_template("Handmade")
class Handmade(Template):
    system_prompt: str = "BEGINNING OF CONVERSATION: "
    user_prompt: str = "USER: {input} "
    assistant_prompt: str = "ASSISTANT:{output}"
    split_token: str = "ASSISTANT:"
    separator: str = ""

    def format_supervised_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        prompt = self.system_prompt + self.user_prompt.format(input=raw_sample["prompt"])
        return {"text": prompt + self.assistant_prompt.format(output=raw_sample["answer"]), "prompt": prompt}

    def format_preference_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        prompt = self.system_prompt + self.user_prompt.format(input=raw_sample["prompt"])
        answers = [self.assistant_prompt.format(output=raw_sample[name]) for name in ("good", "bad")]
        return {"better_text": prompt + answers[0], "worse_text": prompt + answers[1]}

    def check_equal(self, raw_sample: dict[str, Any]) -> bool:
        return bool(raw_sample["good"] == raw_sample["bad"])

    def format_prompt_only_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        return {"text": self.system_prompt + self.user_prompt.format(input=raw_sample["prompt"])}
