"""No template drops a prompt: it is read, or the row is refused."""

import pytest

from preftemplates import check, get_template
from preftemplates.errors import Code, RowError

QUESTION, YES, NO = "Is dill a herb?", "Yes.", "No."
ASKED = [{"role": "user", "content": QUESTION}]
SYSTEM = [{"role": "system", "content": "Be brief."}]


def answer(text):
    return [{"role": "assistant", "content": text}]


PAIR = {"chosen": answer(YES), "rejected": answer(NO)}


@pytest.mark.parametrize("prompt", [QUESTION, ASKED], ids=["text", "messages"])
@pytest.mark.parametrize("made", [str, answer], ids=["text", "messages"])
def test_prompts_and_answers_are_text_or_messages_each_on_its_own(prompt, made):
    name = {
        (True, True): "TRL",
        (True, False): "TRL-text-to-messages",
        (False, True): "TRL-messages-to-text",
        (False, False): "TRL-messages",
    }[isinstance(prompt, str), made is str]
    template = get_template(name).with_dialect("trl")
    row = {"prompt": prompt, "chosen": made(YES), "rejected": made(NO), "completion": made(YES), "label": True}
    assert template.format(row, "preference") == {"prompt": ASKED, **PAIR}
    assert template.format(row, "supervised") == {"prompt": ASKED, "completion": answer(YES)}
    assert template.format(row, "prompt_only") == {"prompt": ASKED}
    if "to" in name:
        assert template.format(row, "unpaired") == {"prompt": ASKED, "completion": answer(YES), "label": True}


SHARING = ["TRL-implicit-messages", "DPO-mix-7k", "Capybara-DPO", "UltraFeedback-binarized"]


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("shared", [[], SYSTEM], ids=["nothing", "system"])
@pytest.mark.parametrize("prompt", [{}, {"prompt": QUESTION}, {"prompt": ASKED}], ids=["none", "text", "messages"])
def test_conversations_that_share_no_question_are_refused(name, shared, prompt):
    template = get_template(name)
    sides = {side: [*shared, *turns] for side, turns in PAIR.items()}
    with pytest.raises(RowError) as caught:
        template.format({**dict(template.example), **sides, **prompt}, "preference")
    assert caught.value.code in (Code.PROMPT_MISMATCH, Code.BAD_TURNS)


def test_a_prompt_next_to_conversations_that_hold_it_is_no_fault():
    template = get_template("TRL-implicit-messages")
    row = {side: [*ASKED, *turns] for side, turns in PAIR.items()}
    for prompt in (QUESTION, ASKED):
        assert template.format({**row, "prompt": prompt}, "preference") == template.format(row, "preference")
    for prompt in ("Is mint a herb?", SYSTEM):
        with pytest.raises(RowError) as caught:
            template.format({**row, "prompt": prompt}, "preference")
        assert (caught.value.code, caught.value.column) == (Code.PROMPT_MISMATCH, "prompt")


def test_a_prompt_next_to_whole_texts_is_no_implicit_prompt():
    template = get_template("TRL-implicit")
    assert template.format({"chosen": YES, "rejected": NO}, "preference") == {"chosen": YES, "rejected": NO}
    with pytest.raises(RowError) as caught:
        template.format({"prompt": QUESTION, "chosen": YES, "rejected": NO}, "preference")
    assert caught.value.code is Code.PROMPT_MISMATCH


@pytest.mark.parametrize("prompt", ["", []], ids=repr)
def test_an_empty_prompt_is_skipped_however_it_is_written(prompt):
    name = "TRL-text-to-messages" if isinstance(prompt, str) else "TRL-messages"
    report = check([{"prompt": prompt, **PAIR}], get_template(name), "preference")
    assert (report.skipped, report.counts()) == (1, {"empty": 1})


OPTIONAL = [
    ("Alpaca", "input", "supervised"),
    ("Dolly", "context", "supervised"),
    ("OpenOrca", "system_prompt", "supervised"),
    ("Orca-DPO", "system", "preference"),
    ("Orca-DPO-distilabel", "system", "preference"),
    ("OASST-zh-ranked", "input", "ranked"),
]


@pytest.mark.parametrize(("name", "column", "format"), OPTIONAL)
def test_a_column_that_a_dataset_leaves_out_is_as_good_as_an_empty_text(name, column, format):
    template = get_template(name)
    row = {key: value for key, value in template.example.items() if key != column}
    empty = template.format({**row, column: ""}, format)
    assert template.format(row, format) == template.format({**row, column: None}, format) == empty


@pytest.mark.parametrize("tools", [{}, {"tools": None}, {"tools": ""}, {"tools": []}], ids=str)
@pytest.mark.parametrize("name", ["LLaMA-Factory-toolcall", "LLaMA-Factory-reasoning-tools"])
def test_a_conversation_without_calls_needs_no_tools(name, tools):
    template = get_template(name)
    row = dict(template.example)
    del row["tools"]
    (column,) = row
    row[column] = [row[column][0], row[column][-1]]
    sample = template.extract({**row, **tools}, "supervised")
    assert (sample.tools, len(sample.prompt)) == (None, 1)
