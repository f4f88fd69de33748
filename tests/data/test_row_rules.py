"""Verdicts: what can be formatted and should not be trained on."""

import pytest

from preftemplates import Index01, Preference, Ranked, RowModel, Stepwise, Template, get_template
from preftemplates.data import row_rules
from preftemplates.data.check import check
from preftemplates.data.convert import Conversion
from preftemplates.data.skips import find_skip_reason
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


JSON_TEXTS = [
    '[{"role": "user", "content": "Is dill a herb?"}]',
    ' {"role": "assistant", "content": "Yes."}\n',
    '[{"from": "human", "value": "Is dill a herb?"}, {"from": "gpt", "value": "Yes."}]',
]


@pytest.mark.parametrize("text", JSON_TEXTS)
@pytest.mark.parametrize("column", ["prompt", "chosen"])
def test_json_text_of_messages_in_a_column_of_text_is_flagged(column, text):
    template = get_template("TRL")
    row = {"prompt": "q", "chosen": "a", "rejected": "b", column: text}
    conversion = Conversion([row], template, "preference")
    assert len(list(conversion)) == 1
    assert [issue.code for issue in conversion.report.flagged] == [Code.JSON_TEXT]
    assert check([row], template, "preference").counts() == {"json_text": 1}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("prompt", "[1, 2]"), ("prompt", "{}"), ("prompt", "[]"), ("prompt", "[role]"), ("prompt", '"role"'),
        ("prompt", '[{"name": "dill"}]'), ("prompt", '{"role": "cook"}'), ("chosen", '["dill", "mint"]'),
        ("chosen", 'a [{"role": "user", "content": "q"}]'),
    ],
)  # fmt: skip
def test_other_json_in_a_text_is_not_flagged_and_a_list_of_texts_is_where_a_user_speaks(column, text):
    row = {"prompt": "q", "chosen": "a", "rejected": "b", column: text}
    assert check([row], get_template("TRL"), "preference").counts() == {}
    if column == "chosen" and text.startswith("["):
        assert check([{**row, "prompt": text}], get_template("TRL"), "preference").counts() == {"json_text": 1}


@pytest.mark.parametrize("prompt", ["", " ", [], [{"role": "user", "content": ""}]], ids=str)
def test_an_empty_list_of_messages_is_as_empty_as_an_empty_text(prompt):
    name = "TRL" if isinstance(prompt, str) else "TRL-messages"
    answers = {
        side: side if name == "TRL" else [{"role": "assistant", "content": side}]
        for side in ("chosen", "rejected", "completion")
    }
    for format in ("preference", "supervised", "prompt_only"):
        row = {"prompt": prompt, **answers}
        assert find_skip_reason(formatted(name, row, format)) is Code.EMPTY


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


# --- thinking -------------------------------------------------------------------------------------------------------

BALANCED = [
    "b", "<think>a</think>b", "\n<think>\na\n</think>\n\nb", "x <think>a</think> b", "<think></think>b",
    "<think>a</think>b<think>c</think>d", "<think>a</think>", "<thinking>a", "think>",
]  # fmt: skip
UNBALANCED = [
    "a</think>b", "</think>b", "<think>a", "b<think>", "<think>a</think>b</think>c", "<think>a<think>b</think>c",
    "<think>a<think>b</think></think>c", "<think>a</think>b<think>c", "</think>a<think>",
]  # fmt: skip


def place(content, where):
    """A pair of conversations with the content in one of its messages."""
    texts = {"asked": "q", "history": "h", "again": "r", "chosen": "y", "rejected": "z", where: content}
    turns = [("user", "asked"), ("assistant", "history"), ("user", "again")]
    return {
        "prompt": [{"role": role, "content": texts[name]} for role, name in turns],
        "chosen": [{"role": "assistant", "content": texts["chosen"]}],
        "rejected": [{"role": "assistant", "content": texts["rejected"]}],
    }


def flags(row):
    """The codes by which a row is flagged, by `convert` and by `check`; they agree."""
    template = get_template("TRL-messages")
    conversion = Conversion([row], template, "preference")
    assert len(list(conversion)) == 1
    codes = [issue.code for issue in conversion.report.flagged]
    assert codes == [finding.code for finding in check([row], template).findings if finding.code in codes]
    return codes


@pytest.mark.parametrize("where", ["history", "chosen", "rejected"])
@pytest.mark.parametrize("content", [*BALANCED, *UNBALANCED])
def test_an_answer_whose_thought_is_not_closed_or_not_opened_is_flagged(content, where):
    assert flags(place(content, where)) == [Code.UNBALANCED_THINKING] * (content in UNBALANCED)


@pytest.mark.parametrize("where", ["asked", "again"])
@pytest.mark.parametrize("content", UNBALANCED)
def test_a_question_may_name_the_tags(content, where):
    assert flags(place(content, where)) == []


@pytest.mark.parametrize("key", ["reasoning_content", "thinking", "reasoning"])
@pytest.mark.parametrize("thought", ["a</think>", "<think>a</think>", "<think>a"])
def test_a_tag_in_a_thought_of_its_own_key_is_flagged(key, thought):
    row = place("b", "chosen")
    row["chosen"][0][key] = thought
    assert flags(row) == [Code.UNBALANCED_THINKING]
    assert flags(place("b", "chosen") | {"chosen": [{"role": "assistant", "content": "b", key: "a"}]}) == []


def test_tags_are_balanced_over_all_parts_of_an_answer():
    parts = [{"type": "text", "text": "<think>a"}, {"type": "text", "text": "</think>b"}]
    assert flags(place(parts, "chosen")) == []
    assert flags(place(parts[1:], "chosen")) == [Code.UNBALANCED_THINKING]


def test_the_tests_on_thinking_see_a_rule_that_looks_at_the_number_of_tags_only(monkeypatch):
    def count(message):
        text = str(message["content"])
        return "unequal" if text.count("<think>") != text.count("</think>") else None

    monkeypatch.setattr(row_rules, "_describe_unbalanced_thinking", count)
    seen = {content: flags(place(content, "chosen")) == [] for content in UNBALANCED}
    assert any(seen.values())
    assert not all(seen.values())
