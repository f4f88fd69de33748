"""Labels, several responses, several samples and ties are declared, and what is wrong with them is said at once."""

from typing import Annotated, Any, Literal

import pytest
from declarations import ANSWER, PAIR, Row, declare, refusal
from pydantic import Field

from preftemplates import (
    Index01,
    Index12,
    Ranked,
    RowModel,
    Scored,
    Stepwise,
    Supervised,
    Template,
    Unpaired,
)
from preftemplates.errors import DefinitionError


class Judged(RowModel):
    answers: list[str]
    scores: list[float]
    winner: str
    named: Literal["a", "b"]
    number: Index12
    open: int
    half_open: Annotated[int, Field(ge=0)]
    stars: Annotated[int, Field(ge=0, le=4)]
    maybe: Index01 | None = None
    sure: float
    good: bool
    replies: list[dict[str, Any]]


RANKED = Ranked(prompt="q", completions="{{ answers }}", ranks="{{ scores | ranks }}", scores="{{ scores }}")


def judged(**parts: Any) -> Any:
    return declare(**{"Row": Judged, **parts})


@pytest.mark.parametrize("column", ["winner", "open", "half_open", "maybe", "sure", "answers"])
@pytest.mark.parametrize(
    "chosen",
    [
        "{{ answers[COLUMN] }}", "{{ answers[1 - COLUMN] }}", "{{ {'a': answers[0]}[COLUMN] }}",
        "{{ [answers[COLUMN] | trim] | first }}", "{{ {'a': answers[0]}.get(COLUMN, answers[1]) }}",
        "{{ answers[0] if COLUMN == 'a' else answers[1] }}", "{{ answers[0] if -1 != COLUMN else answers[1] }}",
        "{{ answers[0] if COLUMN | lower in ('a', 'A') else answers[1] }}",
        "{{ answers[1] if COLUMN is eq 1 else answers[0] }}",
    ],
)  # fmt: skip
def test_a_label_without_a_domain_may_not_choose(column, chosen):
    sample = Supervised(prompt="q", completion=chosen.replace("COLUMN", column))
    reason = "any value; declare it as Index01, Index12, FirstIs1, int with ge and le, or Literal of texts"
    if column == "maybe":
        reason = "null, which chooses neither answer; leave out None, and rows with null are rejected"
    assert refusal(Row=Judged, supervised=sample) == (
        f"Mine.supervised.completion chooses by '{column}', whose type allows {reason}"
    )


@pytest.mark.parametrize("part", ["label", "completion", "prompt"])
def test_no_part_of_a_sample_may_choose_by_an_open_label(part):
    fine = {"prompt": "q", "completion": "{{ answers | first }}", "label": "{{ good }}"}
    place = refusal(Row=Judged, unpaired=Unpaired(**{**fine, part: "{{ [good][open] }}"}))
    assert place.startswith(f"Mine.unpaired.{part} chooses by 'open'")


@pytest.mark.parametrize(
    ("chosen", "cell", "wanted"),
    [
        ("{{ answers[number - 1] }}", {"number": 2}, "second"), ("{{ answers[stars] }}", {"stars": 1}, "second"),
        ("{{ {'a': answers[0], 'b': answers[1]}[named] }}", {"named": "b"}, "second"),
        ("{{ answers[good | int] }}", {"good": False}, "first"), ("{{ answers[1] }}", {}, "second"),
    ],
)  # fmt: skip
def test_a_label_with_a_domain_chooses(chosen, cell, wanted):
    template = judged(supervised=Supervised(prompt="q", completion=chosen))
    sample = template.extract({"answers": ["first", "second"], **cell}, "supervised")
    assert sample.completion[0]["content"] == wanted


def test_a_verdict_is_no_comparison_with_an_open_label():
    place = refusal(Row=Judged, unpaired=Unpaired(prompt="q", completion="a", label="{{ winner == 'good' }}"))
    assert place.startswith("Mine.unpaired.label chooses by 'winner'")


@pytest.mark.parametrize(
    "completion",
    [
        "{{ winner if winner != '' else answers[0] }}", "{{ winner if winner else answers[0] }}",
        "{{ answers[0] if answers | length == 1 else answers[1] }}", "{{ answers[0] if 'x' else winner }}",
        "{{ answers[0] if named == 'a' else answers[1] }}", "{{ answers[0] if stars in (0, 1) else answers[1] }}",
        "{{ winner if winner == answers[0] else answers[1] }}", "{{ winner if maybe is none else answers[0] }}",
        "{{ winner if maybe == none else answers[0] }}",
    ],
)  # fmt: skip
def test_what_no_other_value_inverts_may_be_compared(completion):
    judged(supervised=Supervised(prompt="{{ 'A' if winner == 'x' else 'B' }}", completion=completion))


def test_a_label_is_one_expression_and_its_columns_are_read():
    template = judged(ranked=RANKED)
    assert template.columns("ranked") == ["answers", "scores"]
    assert template.labels("ranked") == ("ranks", "scores")
    bare = judged(ranked=Ranked(prompt="q", completions="{{ answers }}", ranks="{{ answers | places }}"))
    assert bare.labels("ranked") == ("ranks",)
    assert (bare.labels("preference"), template.labels("preference")) == ((), ("margin",))


@pytest.mark.parametrize(
    ("format", "sample", "message"),
    [
        ("unpaired", Unpaired(prompt="q", completion="a", label="good"), "Mine.unpaired.label: a label needs exactly"),
        ("unpaired", Unpaired(prompt="q", completion="a", label=True), "Mine.unpaired.label: expected text with"),
        ("unpaired", Unpaired(prompt="q", completion="a", label="{{ good }}!"), "Mine.unpaired.label: a label needs"),
        ("unpaired", Unpaired(prompt="q", completion="a", label="{{ godo }}"), "Mine.unpaired.label reads 'godo'"),
        ("unpaired", Unpaired(prompt="q", completion="a", label="{{ good | x }}"), "Mine.unpaired.label: "),
        ("scored", Scored(prompt="q", completion="a", score="{{ open }}", attributes="{{ non }}"), "Mine.scored.attr"),
        ("ranked", Ranked(prompt="q", completions=["{{ answers }}"], ranks="{{ scores }}"), "Mine.ranked.compl"),
        ("ranked", Ranked(prompt="q", completions="A: {{ answers }}", ranks="{{ scores }}"), "Mine.ranked.compl"),
        ("ranked", Ranked(prompt="q", completions="{{ a }}", ranks="{{ scores }}"), "Mine.ranked.completions reads"),
        ("ranked", Ranked(prompt="q", completions=(), ranks="{{ scores }}"), "Mine.ranked.compl"),
        ("stepwise", Stepwise(prompt="q", completions="{{ answers }}", labels=[True]), "Mine.stepwise.labels: "),
        ("judge", ANSWER, "Mine.judge: expected Judge(...), got Supervised("),
    ],
)  # fmt: skip
def test_a_label_or_a_list_of_responses_that_is_declared_wrongly_is_refused(format, sample, message):
    assert refusal(Row=Judged, **{format: sample}).startswith(message)


@pytest.mark.parametrize(
    ("each", "message"),
    [
        ({"one": "{{ replies }}", "two": "{{ answers }}"}, "Mine.each: expected a name and the expression"),
        (["{{ replies }}"], "Mine.each: expected a name and the expression of its values, got ['{{ replies }}']"),
        ("{{ replies }}", "Mine.each: expected a name and the expression"),
        ({"a reply": "{{ replies }}"}, "Mine.each: 'a reply' is not a name"),
        ({5: "{{ replies }}"}, "Mine.each: 5 is not a name"),
        ({"reply": "replies"}, "Mine.each: each needs exactly one {{ expression }}, got 'replies'"),
        ({"reply": "{{ replies }}{{ answers }}"}, "Mine.each: each needs exactly one {{ expression }}"),
        ({"reply": ["{{ replies }}"]}, "Mine.each: expected text with"),
        ({"reply": "{{ reply }}"}, "Mine.each reads 'reply', which Row does not declare. Did you mean 'replies'?"),
        ({"answers": "{{ replies }}"}, "Mine.each: 'answers' is already a column of Row"),
        (
            {"reply": "{{ replies | good_ones }}"},
            "Mine.each: '{{ replies | good_ones }}' uses an unknown filter 'good_ones'",
        ),
    ],
)
def test_each_is_one_name_and_one_expression_over_columns(each, message):
    sample = Supervised(prompt="q", completion="{{ answers | first }}")
    if isinstance(each, dict) and message.startswith("Mine.each: '{{"):
        with pytest.raises(DefinitionError, match="uses an unknown filter 'good_ones'"):
            judged(supervised=sample, each=each)
        return
    assert refusal(Row=Judged, supervised=sample, each=each).startswith(message)


def test_the_name_of_each_is_read_in_any_sample_and_is_part_of_the_declaration():
    each = {"reply": "{{ replies }}"}
    sample = Supervised(prompt="{{ reply.q }}", completion="{{ reply.a }}")
    template = judged(supervised=sample, each=each)
    row = {"replies": [{"q": "1", "a": "2"}, {"q": "3", "a": "4"}]}
    texts = [
        (one.prompt[0]["content"], one.completion[0]["content"])
        for one in template.extract_all(row, "supervised").samples
    ]
    assert texts == [("1", "2"), ("3", "4")]
    assert template.columns("supervised") == template.columns("prompt_only") == ["replies"]
    assert template.parts.declaration.each == (("reply", "{{ replies }}"),)
    assert "reads 'reply', which Row does not declare" in refusal(Row=Judged, supervised=sample)
    assert judged(supervised=ANSWER, each={}, Row=Row) == declare(supervised=ANSWER)


@pytest.mark.parametrize("ties", ["dropped", "", None, True, ["drop"]], ids=repr)
def test_a_policy_for_ties_is_one_of_three_words(ties):
    assert refusal(preference=PAIR, ties=ties).startswith("ties must be one of drop, half, keep; got ")
    with pytest.raises(DefinitionError, match="ties must be one of drop, half, keep"):
        declare(preference=PAIR).with_ties(ties)


def test_a_class_says_its_policy_for_ties_and_a_subclass_inherits_it():
    class Kept(Template):
        Row = Row
        preference = PAIR
        ties = "keep"

    class Child(Kept):
        pass

    assert [made().parts.ties for made in (Kept, Child)] == ["keep", "keep"]
    assert declare(preference=PAIR).parts.ties == "drop"
    assert Kept() == declare(preference=PAIR).with_ties("keep") != declare(preference=PAIR)


def test_every_format_is_declared_by_its_own_class_and_the_prompt_alone_comes_with_it():
    samples = {
        "unpaired": Unpaired(prompt="q", completion="{{ answers | first }}", label="{{ good }}"),
        "ranked": RANKED,
        "scored": Scored(prompt="q", completion="{{ answers | first }}", score="{{ sure }}"),
        "stepwise": Stepwise(prompt="q", completions="{{ answers }}", labels="{{ [good] * (answers | length) }}"),
    }
    assert judged(**samples).formats == ("prompt_only", "unpaired", "ranked", "scored", "stepwise")
    assert judged(**samples).derived_formats == ("preference", "supervised")
    for format, sample in samples.items():
        row = {"answers": ["a", "b"], "scores": [1.0, 2.0], "sure": 0.5, "good": True}
        template = judged(**{format: sample})
        assert template.formats == ("prompt_only", format)
        assert type(template.extract(row, format)) is type(sample)
