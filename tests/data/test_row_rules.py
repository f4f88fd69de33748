"""Verdicts: what can be formatted and should not be trained on."""

import pytest

from preftemplates import Index01, Preference, Ranked, RowModel, Stepwise, Template, get_template
from preftemplates.data.row_rules import find_skip_reason
from preftemplates.errors import Code, RowError

ROW = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0}


def formatted(template, row, format):
    (sample,) = get_template(template).formatted(row, format).samples
    return sample


@pytest.mark.parametrize("blank", ["", " ", "\n\t\u3000", "\u200b", "\ufeff\u2060 "])
@pytest.mark.parametrize("column", ["prompt", "response_0", "response_1"])
def test_blank_texts_are_empty(column, blank):
    assert find_skip_reason(formatted("PKUSafeRLHF", {**ROW, column: blank}, "preference")) is Code.EMPTY


def test_equal_answers_are_equal_and_answers_that_differ_by_a_blank_are_not():
    assert find_skip_reason(formatted("PKUSafeRLHF", {**ROW, "response_0": "b"}, "preference")) is Code.EQUAL
    assert find_skip_reason(formatted("PKUSafeRLHF", {**ROW, "response_0": "b "}, "preference")) is None
    assert find_skip_reason(formatted("PKUSafeRLHF", ROW, "preference")) is None


def test_a_prompt_of_no_messages_is_no_empty_prompt():
    assert find_skip_reason(formatted("TRL-implicit", {"chosen": "a", "rejected": "b"}, "preference")) is None


def test_an_answer_of_tool_calls_alone_is_not_empty():
    call = [{"role": "assistant", "tool_calls": [{"name": "f"}]}]
    row = {"prompt": [{"role": "user", "content": "q"}], "completion": call}
    assert find_skip_reason(formatted("TRL-messages", row, "supervised")) is None


@pytest.mark.parametrize("completion", [[], [{"role": "user", "content": "q"}]])
def test_a_response_that_is_no_answer_cannot_be_formatted(completion):
    row = {"prompt": [{"role": "user", "content": "q"}], "completion": completion}
    with pytest.raises(RowError) as caught:
        formatted("TRL-messages", row, "supervised")
    assert caught.value.code is Code.BAD_TURNS


# --- ties and steps ------------------------------------------------------------------------------------------------


class Compared(Template):
    class Row(RowModel):
        a: str
        b: str
        by: float | None = None
        sure: float | None = None

    preference = Preference(
        prompt="q", chosen="{{ a }}", rejected="{{ b }}", margin="{{ by }}", probability="{{ sure }}"
    )


class Rated(Template):
    class Row(RowModel):
        answers: list[str]
        scores: list[float]

    ranked = Ranked(prompt="q", completions="{{ answers }}", ranks="{{ scores | ranks }}")


class Steps(Template):
    class Row(RowModel):
        steps: list[str]

    stepwise = Stepwise(prompt="q", completions="{{ steps }}", labels="{{ [true] * (steps | length) }}")


class Named(Template):
    class Row(RowModel):
        a: str
        b: str
        better: Index01

    preference = Preference(prompt="q", chosen="{{ [a, b][better] }}", rejected="{{ [b, a][better] }}")


def only(template, row, format):
    (sample,) = template.with_dialect("text" if format == "stepwise" else "trl").formatted(row, format).samples
    return sample


@pytest.mark.parametrize(
    ("labels", "tie"),
    [
        ({"by": 0.0, "sure": 0.5}, True), ({"by": 0.0, "sure": 0.9}, True), ({"by": 2.0, "sure": 0.5}, True),
        ({"by": 0.25, "sure": 0.51}, False),
    ],
)  # fmt: skip
def test_a_tie_is_a_reason_not_to_train_only_where_ties_are_dropped(labels, tie):
    sample = only(Compared(), {"a": "a", "b": "b", **labels}, "preference")
    assert find_skip_reason(sample) is find_skip_reason(sample, "drop") is (Code.TIE if tie else None)
    assert find_skip_reason(sample, "half") is find_skip_reason(sample, "keep") is None


def test_a_tie_that_is_empty_or_equal_is_that_first():
    labels = {"by": 0.0, "sure": 0.5}
    for ties in ("drop", "half", "keep"):
        assert find_skip_reason(only(Compared(), {"a": "", "b": "b", **labels}, "preference"), ties) is Code.EMPTY
        assert find_skip_reason(only(Compared(), {"a": "b", "b": "b", **labels}, "preference"), ties) is Code.EQUAL


def test_answers_all_on_one_rank_are_a_tie_and_some_of_them_are_not():
    verdicts = [
        find_skip_reason(only(Rated(), {"answers": ["a", "b", "c"], "scores": scores}, "ranked"))
        for scores in ([1, 1, 1], [1, 1, 2], [3, 2, 1])
    ]
    assert verdicts == [Code.TIE, None, None]


def test_of_several_answers_all_must_be_equal_and_one_may_be_empty_for_none():
    rank = {"scores": [1, 2, 3]}
    assert find_skip_reason(only(Rated(), {"answers": ["a", "a", "b"], **rank}, "ranked")) is None
    assert find_skip_reason(only(Rated(), {"answers": ["a", "a", "a"], **rank}, "ranked")) is Code.EQUAL
    assert find_skip_reason(only(Rated(), {"answers": ["a", " ", "b"], **rank}, "ranked")) is Code.EMPTY


def test_steps_may_be_equal_and_not_blank():
    assert find_skip_reason(only(Steps(), {"steps": ["again\n", "again\n"]}, "stepwise")) is None
    assert find_skip_reason(only(Steps(), {"steps": ["one\n", "\n"]}, "stepwise")) is Code.EMPTY


def test_no_label_is_no_tie():
    assert find_skip_reason(only(Named(), {"a": "a", "b": "b", "better": 1}, "preference")) is None
