import re
from html import escape
from typing import Annotated, Any, Literal

import pytest
from hypothesis import Phase, given, settings
from planted import HH, PKU
from pydantic import Field

from preftemplates import Index01, Message, Preference, RowModel, Style, Supervised, Template, register_filter
from preftemplates.core.messages import ROLES
from preftemplates.errors import RowError
from preftemplates.templates.row_validation import RowValidator
from preftemplates.templates.turns import messages
from preftemplates.testing import NASTY, check_laws, conversations, nasty_text, rows


class Forum(Template):
    """A template as a user writes it: a title and a body, two comments, and which of them got more votes."""

    class Row(RowModel):
        title: str
        body: str | None = None
        comments: list[str]
        votes: list[int]
        winner: Index01 = Field(alias="more-votes")
        summary: str

    preference = Preference(
        prompt=[
            {"role": "system", "content": "You are on a forum."},
            "{{ title }}{{ '\n\n' ~ body if body else '' }}",
        ],
        chosen="{{ comments[winner] }}",
        rejected="{{ comments[1 - winner] }}",
    )
    supervised = Supervised(prompt=preference.prompt, completion="{{ summary }}")
    example = {
        "title": "Why is the sky blue?",
        "body": "My child asks.",
        "comments": ["It scatters light.", "It is not."],
        "votes": [10, 1],
        "more-votes": 0,
        "summary": "Scattering.",
    }


class Lines(Style):
    system = "% {{ content }}\n"
    user = "> {{ content }}\n"
    assistant = "< {{ content }}\n"
    stop = "\n"


def test_a_template_of_a_user_keeps_the_laws():
    check_laws(Forum, max_examples=8)
    check_laws(Forum().with_style(Lines()).with_dialect("align-anything"), max_examples=4)


def test_a_style_of_a_user_keeps_the_laws():
    check_laws(Lines, max_examples=8)


def test_a_wrong_template_of_a_user_is_told_which_law_it_breaks():
    @register_filter
    def tidy(text, seen={}):  # noqa: B006
        return seen.setdefault(len(text), text)

    class Wrong(Forum):
        preference = Preference(
            prompt=Forum.preference.prompt,
            chosen="{{ comments[winner] | tidy }}",
            rejected="{{ comments[1 - winner] }}",
        )
        example = Forum.example

    with pytest.raises(AssertionError) as caught:
        check_laws(Wrong, max_examples=50)
    assert re.match("[a-z ]+: does not hold for <Template unnamed> with .*'comments'", str(caught.value))


def test_a_wrong_style_of_a_user_is_told_which_law_it_breaks():
    wrong = Style.from_chat_template("{% for m in messages %}{{ m.role }}: {{ m.content | escape }}\n{% endfor %}")
    with pytest.raises(AssertionError, match="no content is executed escaped or trimmed: does not hold"):
        check_laws(wrong, max_examples=50)


def test_rows_that_are_all_refused_show_nothing():
    class NoExample(Template):
        class Row(RowModel):
            chosen: str
            rejected: str

        preference = Preference(
            prompt=messages(
                "{{ chosen | human_assistant_turns | before_last_answer(rejected | human_assistant_turns) }}"
            ),
            chosen="{{ (chosen | human_assistant_turns | last).content }}",
            rejected="{{ (rejected | human_assistant_turns | last).content }}",
        )
        example = None

    with pytest.raises(AssertionError, match=r"not tested for .* a template needs an `example` row"):
        check_laws(NoExample, max_examples=8)


class ByHand(Template):
    example = None

    def format_supervised_sample(self, raw_sample):
        return {"text": f"USER: {raw_sample['q']} ASSISTANT:{raw_sample['a']}", "prompt": raw_sample["q"]}


def test_a_template_without_an_example_has_none():
    class NoExample(Template):
        class Row(RowModel):
            prompt: str
            answer: str

        supervised = Supervised(prompt="{{ prompt }}", completion="{{ answer }}")

    assert NoExample().example is None
    check_laws(NoExample, max_examples=8)


class ByHandWithExample(ByHand):
    example = {"q": "Tea?", "a": "Yes."}


class Escaping(ByHandWithExample):
    def format_supervised_sample(self, raw_sample):
        return {"text": escape(raw_sample["q"]), "prompt": raw_sample["q"]}


def test_a_class_that_formats_by_hand_keeps_the_laws_that_speak_of_results():
    check_laws(ByHandWithExample, max_examples=8)
    with pytest.raises(AssertionError, match="without an example row, so no rows can be drawn"):
        check_laws(ByHand, max_examples=20)
    with pytest.raises(AssertionError, match="no cell is executed or escaped: does not hold"):
        check_laws(Escaping, max_examples=20)


class Cell(RowModel):
    text: str = Field(alias="the text")
    kind: Literal["a", "b"] | None = None


class Every(Template):
    class Row(RowModel):
        text: str
        count: int = Field(ge=3, lt=6)
        share: float = Field(gt=0, le=1)
        flag: bool
        side: Index01
        sides: list[Index01]
        kind: Literal["good", "bad"]
        anything: Any
        facts: dict[str, int | None]
        cell: Cell
        turn: Message
        history: list[Message]
        absent: str | None = None

    supervised = Supervised(
        prompt="{{ text ~ count ~ share ~ flag ~ side ~ sides ~ kind ~ anything ~ facts ~ cell ~ absent }}",
        completion=messages("{{ history + [turn] }}"),
    )
    example = None


READER = RowValidator(Every.Row, Every.Row.model_fields)


@given(rows(Every(), "supervised"))
def test_a_drawn_row_is_of_the_types_of_its_columns(row):
    READER.read(row)


def drawn(strategy, count=400):
    """Some examples, always the same."""
    examples = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate])
    @given(strategy)
    def draw(example):
        examples.append(example)

    draw()
    return examples


CASES = [
    lambda row: row["side"] == 0,
    lambda row: row["side"] == 1,
    lambda row: row["count"] == 5,
    lambda row: row["share"] < 0.5,
    lambda row: "absent" not in row,
    lambda row: row.get("absent", "") is None,
    lambda row: row.get("absent"),
    lambda row: row["cell"]["the text"] and row["cell"].get("kind") == "b",
    lambda row: row["facts"] and len(row["history"]) > 1,
    lambda row: isinstance(row["anything"], dict),
]


class Between(Template):
    class Row(RowModel):
        text: str
        count: int = Field(gt=0, lt=3)
        least: int = Field(gt=-2, le=0)
        share: float = Field(gt=0, lt=1)
        perhaps: Annotated[int, Field(gt=1, lt=3)] | None = None
        each: list[Annotated[int, Field(ge=7, lt=9)]]

    supervised = Supervised(prompt="{{ text ~ count ~ least ~ perhaps }}", completion="{{ text ~ share ~ each }}")
    example = {"text": "a", "count": 1, "least": 0, "share": 0.5, "perhaps": 2, "each": [7]}


def test_a_drawn_number_is_within_its_bounds_and_at_none_that_is_not_of_the_domain():
    examples = drawn(rows(Between(), "supervised"))
    assert {row["count"] for row in examples} == {1, 2}
    assert {row["least"] for row in examples} == {-1, 0}
    assert {row.get("perhaps") for row in examples} == {None, 2}
    assert {number for row in examples for number in row["each"]} == {7, 8}
    assert all(0 < row["share"] < 1 for row in examples)
    for row in examples:
        Between().format(row, "supervised")


def test_a_drawn_row_can_be_any():
    examples = drawn(rows(Every(), "supervised"))
    assert [index for index, case in enumerate(CASES) if not any(map(case, examples))] == []


def test_rows_made_of_an_example_are_transcripts_with_nasty_texts():
    examples = [row for row in drawn(rows(HH, "preference"), 600) if formats(row)]
    samples = [HH.extract(row, "preference") for row in examples]
    usual = HH.extract(HH.example, "preference")
    assert len(examples) > 60
    assert any(row["chosen"].startswith(HH.example["chosen"]) and len(row["chosen"]) > 90 for row in examples)
    assert any(sample.prompt[:1] and sample.prompt[0] != usual.prompt[0] for sample in samples)
    assert any(sample.chosen != usual.chosen and sample.prompt == usual.prompt for sample in samples)


def formats(row):
    try:
        return HH.format(row, "preference")
    except RowError:
        return None


def test_nasty_texts_hold_every_piece_and_every_plane():
    texts = drawn(nasty_text(), 2000)
    assert "" in texts
    assert [piece for piece in NASTY if not any(piece in text for text in texts)] == []
    assert {ord(char) >> 16 for text in texts for char in text} > {0, 1}


@given(nasty_text())
def test_nasty_texts_are_unicode(text):
    assert text.encode().decode() == text


def test_conversations_have_the_roles_that_the_style_accepts():
    assert {each["role"] for messages in drawn(conversations(PKU.style)) for each in messages} == {"user", "assistant"}
    assert {each["role"] for messages in drawn(conversations()) for each in messages} == {*ROLES}
