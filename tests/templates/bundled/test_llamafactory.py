"""LLaMA-Factory's layouts: tool calls that keep their values, and rows that are refused where peers fail on them."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import outcome, real_rows, texts

from preftemplates import get_template
from preftemplates.core.message_values import drop_nulls
from preftemplates.core.provenance import Piece, Traced
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError
from preftemplates.templates.filters.sharegpt import tool_calls


def converted(file, name, format):
    conversion = Conversion(real_rows(f"llamafactory/{file}"), get_template(name), format, on_error="skip")
    return list(conversion), conversion.report


# --- totals of real rows -------------------------------------------------------------------------------------------

REAL = {
    "dpo_en_demo.json": ("LLaMA-Factory-sharegpt-ranking", "preference", 300),
    "dpo_zh_demo.json": ("LLaMA-Factory-sharegpt-ranking", "preference", 300),
    "kto_en_demo.json": ("LLaMA-Factory-kto", "unpaired", 300),
    "glaive_toolcall_en_demo.json": ("LLaMA-Factory-toolcall", "supervised", 300),
    "reason_tool_use_demo_50.jsonl": ("LLaMA-Factory-reasoning-tools", "supervised", 50),
    "v1_dpo_demo.jsonl": ("LLaMA-Factory-v1-pairs", "preference", 10),
}


@pytest.mark.parametrize(("file", "name", "format", "count"), [(file, *reads) for file, reads in REAL.items()])
def test_all_real_rows_format(file, name, format, count):
    results, report = converted(file, name, format)
    assert (report.rows, report.formatted, len(results)) == (count, count, count)
    assert (report.skipped, report.rejected) == ([], [])


def test_half_of_the_real_verdicts_are_good():
    results, _ = converted("kto_en_demo.json", "LLaMA-Factory-kto", "unpaired")
    assert [sum(result["label"] is label for result in results) for label in (True, False)] == [150, 150]


def test_a_text_style_refuses_the_153_real_conversations_with_tool_calls_and_loses_none_in_silence():
    rows = real_rows("llamafactory/glaive_toolcall_en_demo.json")
    template = get_template("LLaMA-Factory-toolcall").with_dialect("text")
    called = [row for row in rows if any(turn["from"] == "function_call" for turn in row["conversations"])]
    assert len(called) == 153
    for style in ("chatml", "llama3"):
        conversion = Conversion(called, template.with_style(style), "supervised", on_error="skip")
        assert list(conversion) == []
        assert {refusal.code for refusal in conversion.report.rejected} == {Code.UNSUPPORTED_CONTENT}


def test_a_style_with_tools_writes_all_of_them():
    rows = real_rows("llamafactory/glaive_toolcall_en_demo.json")
    results = list(Conversion(rows, get_template("LLaMA-Factory-toolcall").with_dialect("text"), "supervised"))
    assert len(results) == 300
    assert sum('<tool_call>\n{"name": "' in result["prompt"] + result["completion"] for result in results) == 153
    assert sum("<tools>\n{" in result["prompt"] for result in results) == 191


# --- pairs ---------------------------------------------------------------------------------------------------------


def pair(**cells):
    said = {"chosen": {"from": "gpt", "value": "Yes."}, "rejected": {"from": "gpt", "value": "No."}}
    return {"conversations": [{"from": "human", "value": "Mint?"}], **said} | cells


@given(texts(), texts())
def test_the_columns_say_which_answer_is_chosen(one, other):
    row = pair(chosen={"from": "gpt", "value": one}, rejected={"from": "gpt", "value": other})
    sample = get_template("LLaMA-Factory-sharegpt-ranking").extract(row, "preference")
    assert sample.prompt == [{"role": "user", "content": "Mint?"}]
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [one, other]


def test_fault_8_a_ranking_row_without_its_columns_is_refused_by_their_name():
    row = pair()
    del row["chosen"]
    with pytest.raises(RowError) as caught:
        get_template("LLaMA-Factory-sharegpt-ranking").format(row, "preference")
    assert (caught.value.code, caught.value.column) == (Code.MISSING_FIELD, "chosen")


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_fault_10_an_answer_that_is_a_text_is_refused_and_the_question_does_not_become_the_answer(side):
    with pytest.raises(RowError) as caught:
        get_template("LLaMA-Factory-sharegpt-ranking").format(pair(**{side: "Yes."}), "preference")
    assert (caught.value.code, caught.value.column) == (Code.WRONG_TYPE, side)


def test_an_answer_that_a_human_gives_is_refused():
    with pytest.raises(RowError) as caught:
        get_template("LLaMA-Factory-sharegpt-ranking").format(
            pair(chosen={"from": "human", "value": "?"}), "preference"
        )
    assert caught.value.code == Code.BAD_TURNS


@pytest.mark.parametrize("file", ["dpo_en_demo.json", "dpo_zh_demo.json"])
def test_fault_9_no_system_text_is_added_to_real_pairs(file):
    template = get_template("LLaMA-Factory-sharegpt-ranking")
    differing = []
    for index, row in enumerate(real_rows(f"llamafactory/{file}")):
        sample = template.extract(row, "preference")
        said = [message["content"] for message in (*sample.prompt, *sample.chosen, *sample.rejected)]
        if said != [turn["value"] for turn in (*row["conversations"], row["chosen"], row["rejected"])]:
            differing.append(index)
    assert differing == []


# --- verdicts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [True, False])
def test_the_label_is_kept_as_it_is(label):
    talk = [{"role": "user", "content": "Mint?"}, {"role": "assistant", "content": "Yes."}]
    sample = get_template("LLaMA-Factory-kto").extract({"messages": talk, "label": label}, "unpaired")
    assert (sample.prompt, sample.completion, sample.label) == (talk[:1], talk[1:], label)


@pytest.mark.parametrize("label", [2, 0.5, "true", None])
def test_what_is_no_truth_value_is_refused(label):
    row = {**get_template("LLaMA-Factory-kto").example, "label": label}
    with pytest.raises(RowError) as caught:
        get_template("LLaMA-Factory-kto").extract(row, "unpaired")
    assert caught.value.column == "label"


# --- tool calls ----------------------------------------------------------------------------------------------------

CALL = '{"name": "water", "arguments": {"herb": "mint"}}'

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
    max_leaves=6,
)


def function(name, arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


@given(st.lists(st.tuples(texts(), st.dictionaries(texts(), JSON, max_size=3)), min_size=1, max_size=3))
def test_the_values_of_calls_and_the_texts_of_tools_come_through_json_lines(calls):
    written = json.dumps([{"name": name, "arguments": arguments} for name, arguments in calls])
    turns = [("human", "Mint?"), ("function_call", written), ("observation", written), ("gpt", "Yes.")]
    tools = json.dumps([{"name": name} for name, _ in calls])
    row = {"conversations": [{"from": speaker, "value": value} for speaker, value in turns], "tools": tools}
    line = json.dumps(get_template("LLaMA-Factory-toolcall").format(row, "supervised"), ensure_ascii=False)
    _, call, result = json.loads(line)["prompt"]
    functions = [function(name, drop_nulls(arguments, Counter())) for name, arguments in calls]
    assert call == {"role": "assistant", "content": None, "tool_calls": functions}
    assert result == {"role": "tool", "content": written}


def test_the_calls_and_results_of_real_rows_come_through_json_lines():
    template = get_template("LLaMA-Factory-toolcall")
    calls, differing = 0, []
    for index, row in enumerate(real_rows("llamafactory/glaive_toolcall_en_demo.json")):
        result = json.loads(json.dumps(template.format(row, "supervised")))
        for turn, message in zip(row["conversations"], [*result["prompt"], *result["completion"]], strict=True):
            if turn["from"] == "function_call":
                calls += 1
                same = [each["function"] for each in message["tool_calls"]] == [json.loads(turn["value"])]
            else:
                same = message["content"] == turn["value"]
            differing += [] if same else [index]
    assert (calls, differing) == (211, [])


def test_arguments_that_are_json_text_once_more_become_an_object():
    call = json.dumps({"name": "water", "arguments": '{"herb": "dill", "cups": 2}'})
    assert tool_calls(call) == [function("water", {"herb": "dill", "cups": 2})]


def test_a_call_without_arguments_has_none():
    assert tool_calls('{"name": "rain"}') == [function("rain", {})]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("water the dill", Code.WRONG_TYPE),
        ("", Code.WRONG_TYPE),
        ("[]", Code.WRONG_TYPE),
        ("3", Code.WRONG_TYPE),
        ('{"arguments": {}}', Code.WRONG_TYPE),
        ('{"name": 3, "arguments": {}}', Code.WRONG_TYPE),
        ('{"name": "water", "arguments": [1]}', Code.WRONG_TYPE),
        ('{"name": "water", "arguments": null}', Code.WRONG_TYPE),
        ('{"name": "water", "arguments": "dill"}', Code.WRONG_TYPE),
        ('{"name": "water", "parameters": {"herb": "dill"}}', Code.WRONG_TYPE),
        ('{"name": "water", "arguments": {"cups": NaN}}', Code.WRONG_TYPE),
        ('{"name": "water", "arguments": {"cups": 1' + "0" * 5000 + "}}", Code.WRONG_TYPE),
        ('{"name": "water", "arguments": {"cups": 1, "cups": 2}}', Code.DUPLICATE_KEY),
        ('{"name": "water", "arguments": {"cups": 1e999}}', Code.WRONG_TYPE),
        ('{"name": "water", "arguments": {"herb": "\\ud800"}}', Code.BAD_TEXT),
        ('{"name": "water", "arguments": {"\\udfff": 1}}', Code.BAD_TEXT),
        ('{"name": "water", "arguments": {"cups": ' + "[" * 300 + "]" * 300 + "}}", Code.TOO_DEEP),
        ('{"name": "water", "arguments": {"cups": ' + "[" * 100_000 + "]" * 100_000 + "}}", Code.TOO_DEEP),
    ],
    ids=range(18),
)
def test_a_call_that_would_lose_something_is_refused(text, code):
    row = {"conversations": [{"from": "human", "value": "Mint?"}, {"from": "function_call", "value": text}]}
    for name, cells in (("LLaMA-Factory-toolcall", {"tools": "[]"}), ("ShareGPT", {})):
        with pytest.raises(RowError) as caught:
            get_template(name).extract({**row, **cells}, "supervised")
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("tools", "code"),
    [
        ('[{"name": "water"}]', None),
        ('[{"name": "rain"}, {"type": "function", "function": {"name": "water"}}]', None),
        ('[{"name": "rain"}]', Code.BAD_TURNS),
        ("[]", Code.BAD_TURNS),
        ("", Code.BAD_TURNS),
        ("water", Code.WRONG_TYPE),
        ('{"name": "water"}', Code.WRONG_TYPE),
        ('["water"]', Code.WRONG_TYPE),
        ('[{"function": "water"}]', Code.WRONG_TYPE),
        ('[{"name": 3}]', Code.WRONG_TYPE),
    ],
)
def test_a_call_of_a_tool_that_is_not_offered_is_refused(tools, code):
    said = [("human", "Mint?"), ("function_call", CALL), ("observation", "Done."), ("gpt", "Yes.")]
    row = {"conversations": [{"from": speaker, "value": value} for speaker, value in said], "tools": tools}
    told = outcome(get_template("LLaMA-Factory-toolcall").extract, row, "supervised")
    assert getattr(told, "code", None) == code


def test_a_conversation_without_calls_needs_no_tools():
    said = [{"from": "human", "value": "Mint?"}, {"from": "gpt", "value": "Yes."}]
    row = {"conversations": said, "tools": ""}
    assert len(get_template("LLaMA-Factory-toolcall").extract(row, "supervised").completion) == 1


def test_what_a_call_says_is_derived_from_its_cell():
    (call,) = tool_calls(Traced.whole(CALL, "cell"))
    called = call["function"]
    assert [text.pieces for text in (called["name"], called["arguments"]["herb"])] == [
        (Piece(0, 5, "cell", None),),
        (Piece(0, 4, "cell", None),),
    ]


# --- messages of typed parts ---------------------------------------------------------------------------------------


def answer(*parts):
    content = [{"type": kind, "value": value} for kind, value in parts]
    ask = {"role": "user", "content": [{"type": "text", "value": "Mint?"}]}
    row = {"messages": [ask, {"role": "assistant", "content": content}], "tools": '[{"name": "water"}]'}
    return get_template("LLaMA-Factory-reasoning-tools").extract(row, "supervised").completion[0]


def test_each_kind_of_part_has_its_own_key():
    assert answer(("reasoning", "Dry."), ("text", "Wait."), ("tool_call", CALL), ("tool_call", CALL)) == {
        "role": "assistant",
        "reasoning_content": "Dry.",
        "content": "Wait.",
        "tool_calls": [function("water", {"herb": "mint"})] * 2,
    }


def test_several_texts_stay_parts():
    parts = [{"type": "text", "text": text} for text in ("Wait", "ing.")]
    assert answer(("text", "Wait"), ("text", "ing.")) == {"role": "assistant", "content": parts}


@pytest.mark.parametrize(
    "kinds", [("image_url",), ("text", "reasoning"), ("reasoning", "reasoning"), ("tool_call", "text")]
)
def test_parts_that_a_message_has_no_place_for_are_refused(kinds):
    with pytest.raises(RowError) as caught:
        answer(*[(kind, CALL) for kind in kinds])
    assert caught.value.code == Code.UNSUPPORTED_CONTENT


def test_the_parts_of_real_rows_come_through():
    template = get_template("LLaMA-Factory-reasoning-tools")
    kinds = dict.fromkeys(("reasoning", "text", "tool_call"), 0)
    differing = []
    for index, row in enumerate(real_rows("llamafactory/reason_tool_use_demo_50.jsonl")):
        result = json.loads(json.dumps(template.format(row, "supervised")))
        for before, after in zip(row["messages"], [*result["prompt"], *result["completion"]], strict=True):
            said = [(part["type"], part["value"]) for part in before["content"]]
            calls = [("tool_call", each["function"]) for each in after.get("tool_calls", [])]
            kept = [("reasoning", after.get("reasoning_content")), ("text", after.get("content"))]
            kept = [(kind, value) for kind, value in kept if value is not None] + calls
            wanted = [(kind, json.loads(value) if kind == "tool_call" else value) for kind, value in said]
            differing += [] if (before["role"], wanted) == (after["role"], kept) else [index]
            for kind, _ in said:
                kinds[kind] += 1
    assert (differing, kinds) == ([], {"reasoning": 112, "text": 221, "tool_call": 68})


def test_pairs_of_typed_messages_are_cut_where_they_part():
    row = get_template("LLaMA-Factory-v1-pairs").example
    sample = get_template("LLaMA-Factory-v1-pairs").extract(row, "preference")
    exchanged = {"chosen_messages": row["rejected_messages"], "rejected_messages": row["chosen_messages"]}
    other = get_template("LLaMA-Factory-v1-pairs").extract(exchanged, "preference")
    assert sample.prompt == other.prompt == [{"role": "user", "content": "Which knife for bread?"}]
    assert (sample.chosen, sample.rejected) == (other.rejected, other.chosen)
    assert sample.rejected == [{"role": "assistant", "content": "None."}]


def test_real_pairs_of_typed_messages_part_at_the_last_answer():
    differing = []
    for index, row in enumerate(real_rows("llamafactory/v1_dpo_demo.jsonl")):
        sample = get_template("LLaMA-Factory-v1-pairs").extract(row, "preference")
        sides = (row["chosen_messages"], row["rejected_messages"])
        for side, own in zip(sides, (sample.chosen, sample.rejected), strict=True):
            said = [(message["role"], message["content"]) for message in [*sample.prompt, *own]]
            wanted = [(message["role"], message["content"][0]["value"]) for message in side]
            differing += [] if (said, len(own)) == (wanted, 1) else [index]
    assert differing == []
