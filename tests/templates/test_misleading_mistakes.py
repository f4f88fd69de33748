"""Mistakes that users make in their first template: each works, or its error names the fix in their words."""

import pickle
import re

import pytest
from support import DATA

from preftemplates import Message, Preference, RowModel, Template, get_template, messages, register_filter
from preftemplates.errors import Code, DefinitionError, PrefTemplatesError, RowError, UnknownNameError, did_you_mean

PAIR = 'preference: {prompt: "{{ task }}", chosen: "{{ first }}", rejected: "{{ second }}"}\n'
THREAD = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Dill?"}]


@pytest.fixture
def read(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return get_template(str(path))

    return write


@pytest.mark.parametrize(
    ("row", "fix"),
    [
        ("row: {task: str, answer one: str, first: str, second: str}",
         "expressions cannot use the name of the column 'answer one'; rename it: 'answer one as answer_one': str"),
        ("row: {task: str, 1st: str, first: str, second: str}", "name it: '1st as column_1st': str"),
        ('row: {task: str, first: str, second: str, vote: "Literal[1, 2]"}',
         "Literal may have only texts; declare a number as int(ge=1, le=2) or Index12"),
        ('row: {task: "list[dict]", first: str, second: str}', "write list[dict[str, Any]] for a list of objects"),
        ('row: {task: "list", first: str, second: str}', "list[Message] for a list of messages"),
        ("", "row is missing; declare the columns and their types: row: {task: str, first: str, second: str}"),
        ("row: {task: strin, first: str, second: str}", "'task' has an unknown type 'strin'. Did you mean 'str'?"),
    ],
    ids=str,
)  # fmt: skip
def test_a_mistake_in_the_row_names_the_fix(row, fix, read):
    with pytest.raises(PrefTemplatesError) as caught:
        read(f"{row}\n{PAIR}")
    assert fix in str(caught.value)


NUMBERS = [("int64", "int", 3), ("uint8", "int", 3), ("float64", "float", 0.5), ("double", "float", 0.5)]


@pytest.mark.parametrize("text", ["string", "large_string"])
@pytest.mark.parametrize(("number", "ours", "cell"), NUMBERS)
def test_types_are_called_as_in_datasets_too(text, number, ours, cell, read):
    rest = PAIR.replace(' }}"}', ' }}", margin: "{{ margin }}"}')
    template = read(f"row: {{task: {text}, first: {text}, second: {text}, margin: {number}}}\n{rest}")
    row = {"task": "a", "first": "b", "second": "c", "margin": cell}
    assert template.extract(row, "preference").margin == cell
    assert template.digest == read(f"row: {{task: str, first: str, second: str, margin: {ours}}}\n{rest}").digest


class Bare(Template):
    class Row(RowModel):
        thread: list[Message]
        good: list[Message]
        bad: str

    preference = Preference(prompt=["Hello.", "{{ thread }}"], chosen="{{ good }}", rejected="{{ bad }}")


class Spelled(Template):
    Row = Bare.Row
    preference = Preference(
        prompt=["Hello.", messages("{{ thread }}")], chosen=messages("{{ good }}"), rejected="{{ bad }}"
    )


def test_a_column_of_messages_stands_for_its_messages():
    row = {"thread": THREAD, "good": [{"role": "assistant", "content": "Yes."}], "bad": "No."}
    sample = Bare().extract(row, "preference")
    assert sample.prompt == [{"role": "user", "content": "Hello."}, *THREAD]
    assert sample.chosen == row["good"]
    assert Bare().digest == Spelled().digest


def test_a_column_of_messages_stands_for_its_messages_in_a_file(read):
    template = read(
        'row: {thread: "list[Message]", a: str, b: str}\n'
        'preference: {prompt: "{{thread}}", chosen: "{{ a }}", rejected: "{{ b }}"}\n'
    )
    assert template.extract({"thread": THREAD, "a": "Yes.", "b": "No."}, "preference").prompt == THREAD


@register_filter
def joined_by(text, word, *, twice=False):
    return text + word * (1 + twice)


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        ("joined_by", "missing a required argument: 'word'; its signature is joined_by(word, twice)"),
        ("joined_by('a', 'b')", "too many positional arguments"),
        ("joined_by('a', thrice=true)", "got an unexpected keyword argument 'thrice'"),
    ],
)
def test_a_filter_with_other_arguments_than_it_takes_is_an_error_of_the_definition(use, reason, read):
    with pytest.raises(DefinitionError) as caught:
        read("row: {task: str, first: str, second: str}\n" + PAIR.replace("{{ task }}", f"{{{{ task | {use} }}}}"))
    assert "uses the filter 'joined_by' wrongly" in str(caught.value)
    assert reason in str(caught.value)


def test_a_filter_with_its_arguments_is_no_error(read):
    for use in ("joined_by('a')", "joined_by(word='a', twice=true)", "joined_by(*['a'])"):
        read("row: {task: str, first: str, second: str}\n" + PAIR.replace("{{ task }}", f"{{{{ task | {use} }}}}"))


@pytest.mark.parametrize("method", ["dpo", "DPO", "sft", "rm", "kto", "grpo"])
def test_a_way_to_train_is_no_dataset_type_and_the_error_says_which_it_uses(method):
    with pytest.raises(UnknownNameError, match="DPO and reward models use preference, SFT uses supervised"):
        get_template("TRL").format({}, method)


def test_names_that_hold_what_was_typed_are_proposed():
    with pytest.raises(UnknownNameError, match="Did you mean 'PKUSafeRLHF' or "):
        get_template("pku")
    assert did_you_mean("zz", ["abc"]) == did_you_mean("a", ["abcdefg"]) == ""
    assert did_you_mean("bcd", ["abcdefgh", "xbcdx"]) == " Did you mean 'xbcdx'?"


FIXES = {
    "bare_message_list": None,
    "bare_message_list_response": None,
    "braces_missing_GOOD_message": "to read the column, write '{{ task }}'",
    "column_with_space": "name it: 'answer one as answer_one': str",
    "list_dict": "write list[dict[str, Any]] for a list of objects",
    "literal_numbers": "declare a number as int(ge=1, le=2) or Index12",
    "no_row": "row: {task: str, first: str, second: str}",
    "type_string": "chooses by 'vote', whose type allows any value",
}
"""The words that name the fix of each mistake; None where it is none any more."""


@pytest.mark.parametrize("name", FIXES)
def test_the_mistakes_that_were_seen_are_templates_or_name_the_fix(name):
    path = DATA.parent / "cases" / "newcomer" / "misled" / f"{name}.yaml"
    if not path.exists():
        pytest.skip("no mistakes here")
    if FIXES[name] is None:
        get_template(str(path))
        return
    with pytest.raises(PrefTemplatesError) as caught:
        get_template(str(path))
    assert FIXES[name] in str(caught.value)


# --- all faults of a row at once -----------------------------------------------------------------------------------

BAD = {"prompt": 5, "response_0": None, "better_response_id": 7}


def test_all_faults_of_a_row_are_named_in_the_order_of_its_columns():
    with pytest.raises(RowError) as caught:
        get_template("PKUSafeRLHF").format(BAD, "preference")
    assert caught.value.reason == (
        "column 'prompt': expected text, got 5; column 'response_0': is null; column 'response_1': missing;"
        " column 'better_response_id': expected 0 or 1, got 7"
    )
    assert (caught.value.column, caught.value.code, len(caught.value.others)) == ("prompt", Code.WRONG_TYPE, 3)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.others, str(again)) == (caught.value.others, str(caught.value))


def test_a_row_with_one_fault_names_one_and_many_are_cut():
    row = {**get_template("PKUSafeRLHF").example, "prompt": 5}
    with pytest.raises(RowError) as caught:
        get_template("PKUSafeRLHF").format(row, "preference")
    assert caught.value.others == ()
    talk = [{"role": "user", "content": number} for number in range(20)]
    with pytest.raises(RowError, match=r"messages\[4\].content': expected text, got 4; and 15 more") as caught:
        get_template("Messages").format({"messages": talk}, "supervised")
    assert caught.value.column == "messages[0].content"


def test_a_fault_of_a_reader_and_one_of_a_type_are_named_together():
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{bad"}}]}
    row = {"prompt": [{"role": "user", "content": "Hi"}], "chosen": [call], "rejected": "no", "margin": "much"}
    with pytest.raises(RowError) as caught:
        get_template("TRL-messages").format(row, "preference")
    for path in ("margin", "chosen[0].tool_calls[0].function.arguments", "rejected"):
        assert f"column '{path}'" in str(caught.value)


def test_two_texts_that_are_no_unicode_are_both_named():
    row = {**get_template("PKUSafeRLHF").example, "prompt": "\ud800", "response_1": "\udfff"}
    with pytest.raises(RowError, match=r"column 'prompt'.*column 'response_1'"):
        get_template("PKUSafeRLHF").format(row, "preference")


# --- labels as text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["good", "true", "1", ""])
def test_a_label_as_text_names_the_type_to_declare(cell):
    row = {"prompt": "a", "completion": "b", "label": cell}
    fix = f"expected true or false, got {cell!r}; if the label is text, declare all of its values"
    with pytest.raises(RowError) as caught:
        get_template("TRL-unpaired").format(row, "unpaired")
    assert fix in str(caught.value)


def test_the_type_that_is_named_works(read):
    template = read(
        "row: {prompt: str, completion: str, label: \"Literal['good', 'bad']\"}\n"
        "unpaired: {prompt: '{{ prompt }}', completion: '{{ completion }}', label: \"{{ label == 'good' }}\"}\n"
    )
    for label in ("good", "bad"):
        row = {"prompt": "a", "completion": "b", "label": label}
        assert template.extract(row, "unpaired").label is (label == "good")
    for label in (0, 1, 1.0, True):
        row = {"prompt": "a", "completion": "b", "label": label}
        assert get_template("TRL-unpaired").extract(row, "unpaired").label is bool(label)


# --- labels that are texts ------------------------------------------------------------------------------------------

THREE = "row: {q: str, a: str, b: str, verdict: \"Literal['A', 'B', 'same']\"}\n"
CHOICE = "preference: {prompt: '{{ q }}', chosen: \"{{ a if verdict == '%s' else b }}\", rejected: '{{ b }}'}\n"


def test_a_text_that_the_label_cannot_have_is_refused(read):
    with pytest.raises(DefinitionError, match="compares 'verdict' with 'a', which is not in its type"):
        read(THREE + CHOICE % "a")


def test_a_third_value_is_not_taken_for_the_second(read):
    with pytest.raises(DefinitionError, match="'B' and 'same' choose the same answer") as caught:
        read(THREE + CHOICE % "A")
    assert "tie = \"{{ verdict == 'same' }}\"" in str(caught.value)
    template = read(THREE + CHOICE % "A" + "tie: \"{{ verdict == 'same' }}\"\n")
    row = {"q": "Which?", "a": "x", "b": "y"}
    assert template.extract({**row, "verdict": "A"}, "preference").chosen[0]["content"] == "x"
    with pytest.raises(RowError) as caught:
        template.extract({**row, "verdict": "same"}, "preference")
    assert caught.value.code is Code.TIE


PARTS = "row: {q: str, r: {a: {body: str}, b: {body: str}}, s: 'list[str]', w: \"Literal['a', 'b', 'none']\"}\n"
CHOOSING = {
    "attributes": ("r.a.body if w == 'a' else r.b.body", "r.b.body if w == 'a' else r.a.body"),
    "short attributes": ("r.a['body'] if w == 'a' else r['b'].body", "r.b.body if w == 'a' else r.a.body"),
    "items": ("s[0] if w == 'a' else s[1]", "s[1] if w == 'a' else s[0]"),
    "an index": ("[s[1], s[0]][w == 'a']", "[s[0], s[1]][w == 'a']"),
    "a part of an indexed list": ("[r.b, r.a][w == 'a'].body", "[r.a, r.b][w == 'a'].body"),
    "an index of a column": ("s[w != 'a']", "s[w == 'a']"),
    "a number as index": ("s[(w != 'a') | int]", "s[(w == 'a') | int]"),
    "a conditional index": ("s[0 if w == 'a' else 1]", "s[1 if w == 'a' else 0]"),
    "a mapping": ("{true: s[0], false: s[1]}[w == 'a']", "{true: s[1], false: s[0]}[w == 'a']"),
    "and, or": ("w == 'a' and s[0] or s[1]", "w == 'a' and s[1] or s[0]"),
    "not equal": ("s[1] if w != 'a' else s[0]", "s[0] if w != 'a' else s[1]"),
    "a test": ("s[0] if w is eq('a') else s[1]", "s[1] if w is eq('a') else s[0]"),
}


@pytest.mark.parametrize(("chosen", "rejected"), CHOOSING.values(), ids=list(CHOOSING))
def test_a_third_value_is_not_taken_for_the_second_in_parts_of_one_column(chosen, rejected, read):
    sample = f'preference: {{prompt: "{{{{ q }}}}", chosen: "{{{{ {chosen} }}}}", rejected: "{{{{ {rejected} }}}}"}}\n'
    with pytest.raises(DefinitionError, match="'b' and 'none' choose the same answer"):
        read(PARTS + sample)
    tie = "tie: \"{{ w == 'none' }}\"\n"
    assert read(PARTS + sample + tie)
    with pytest.raises(DefinitionError, match="'b' and 'A' choose the same answer"):
        read(PARTS.replace("'none'", "'none', 'A'") + sample + tie)


def test_a_column_may_choose_how_each_answer_is_written(read):
    sample = """preference:
  prompt: "{{ q }}"
  chosen: "{{ r.a.body if w == 'a' else r.a.note }}"
  rejected: "{{ r.b.body if w == 'a' else r.b.note }}"
"""
    assert read(PARTS.replace("{body: str}", "{body: str, note: str}") + sample)


def test_two_values_need_one_name_and_groups_may_be_named(read):
    assert read(THREE.replace(", 'same'", "") + CHOICE % "A")
    both = CHOICE.replace("verdict == '%s'", "verdict in ['A', 'same']")
    assert read(THREE + both)


FAIR = {
    "a source decides how a text is cleaned": "{{ (a | replace('EOT', '')) if verdict == 'A' else a }}",
    "a prefix by a language": "{{ ('Answer: ' if verdict == 'A' else '') ~ a }}",
    "a part of the text": "{{ a if '_a' in verdict else b }}",
    "an order": "{{ a if verdict < 'B' else b }}",
    "all but one are named": "{{ a if verdict == 'A' else (b if verdict == 'B' else q) }}",
}


@pytest.mark.parametrize("fair", FAIR)
def test_other_comparisons_of_a_label_are_fair(fair, read):
    field = FAIR[fair].replace('"', "'")
    assert read(THREE + f'preference: {{prompt: "{{{{ q }}}}", chosen: "{field}", rejected: "{{{{ b }}}}"}}\n')


# --- fields of objects ----------------------------------------------------------------------------------------------

TALK = "row: {thread: [{by as speaker: str, says as text: str}], b: str, c: str}\n"
TALK_PROMPT = 'preference: {prompt: "{{ %s }}", chosen: "{{ b }}", rejected: "{{ c }}"}\n'


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("thread[0].says", "'says' is declared as 'text'"),
        ("thread[0].body", "an object has no field 'body'; it has 'speaker', 'text'"),
        ("thread | tagged_turns({'me': 'user'})", "an object has no field 'from_'; it has 'speaker', 'text'"),
    ],
)
def test_a_missing_field_names_those_that_there_are(expression, message, read):
    row = {"thread": [{"by": "me", "says": "Why?"}], "b": "x", "c": "y"}
    with pytest.raises(RowError, match=re.escape(message)) as caught:
        read(TALK + TALK_PROMPT % expression).extract(row, "preference")
    assert caught.value.code is Code.BAD_EXPRESSION
    assert "row_types" not in str(caught.value)


def test_a_label_that_may_be_null_says_so(read):
    with pytest.raises(DefinitionError, match="whose type allows null, which chooses neither answer"):
        read("row: {q: str, a: str, b: str, w: \"Literal['A', 'B'] | None\"}\n" + CHOICE.replace("verdict", "w") % "A")
