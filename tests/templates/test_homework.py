"""The homework's class runs as it is written, and the bundled PKUSafeRLHF gives what it gives, byte for byte."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import HOMEWORK, NASTY, at_least, in_new_process, real_rows, texts

from preftemplates import get_template
from preftemplates.errors import Code, DefinitionError, RowError, UnknownNameError

HALF = """
from preftemplates import Template, register_template

@register_template("HALF")
class Half(Template):
    def format_prompt_only_sample(self, raw_sample):
        return {"text": raw_sample["prompt"]}
"""
FORMATS = ("prompt_only", "supervised", "preference")


@pytest.fixture
def homework():
    return get_template(str(HOMEWORK))


def as_bytes(result):
    return [(key.encode(), value.encode()) for key, value in result.items()]


def assert_alike(homework, row, *formats):
    bundled = get_template("PKUSafeRLHF")
    for format in formats:
        assert as_bytes(homework.format(row, format)) == as_bytes(bundled.format(row, format))
        method = f"format_{format}_sample"
        assert as_bytes(getattr(homework, method)(row)) == as_bytes(getattr(bundled, method)(row))


def test_a_thousand_rows_of_nasty_texts_come_out_byte_for_byte_as_from_the_bundled_template(homework):
    draw = random.Random(2025)

    def text():
        return "".join(
            draw.choices([*NASTY, "word", "Wörter", "\U0001f600", "ASSISTANT:", "{", "}"], k=draw.randrange(6))
        )

    for _ in range(1000):
        row = {name: text() for name in ("prompt", "response_0", "response_1", "answer")}
        assert_alike(homework, {**row, "better_response_id": draw.randrange(2)}, *FORMATS)


def test_any_row_comes_out_byte_for_byte_as_from_the_bundled_template(homework):
    @at_least(50)
    @given(texts(), texts(), texts(), texts(), st.integers(0, 1))
    def check(prompt, one, other, answer, better):
        row = {
            "prompt": prompt,
            "response_0": one,
            "response_1": other,
            "better_response_id": better,
            "answer": answer,
        }
        assert_alike(homework, row, *FORMATS)

    check()


def test_the_real_rows_come_out_byte_for_byte_as_from_the_bundled_template(homework):
    rows = real_rows("pku_saferlhf/align_anything_preference_train.json")
    bundled = get_template("PKUSafeRLHF")
    differing = [
        index
        for index, row in enumerate(rows)
        for format in ("prompt_only", "preference")
        if as_bytes(homework.format(row, format)) != as_bytes(bundled.format(row, format))
    ]
    assert (len(rows), differing) == (32, [])


def test_the_texts_are_those_of_the_homework():
    row = {"prompt": "Q", "response_0": "A", "response_1": "B", "better_response_id": 1, "answer": "C"}
    for template in (get_template(str(HOMEWORK)), get_template("PKUSafeRLHF")):
        assert template.format_preference_sample(row) == {
            "better_text": "BEGINNING OF CONVERSATION: USER: Q ASSISTANT:B",
            "worse_text": "BEGINNING OF CONVERSATION: USER: Q ASSISTANT:A",
        }
        assert template.format_supervised_sample(row) == {
            "text": "BEGINNING OF CONVERSATION: USER: Q ASSISTANT:C",
            "prompt": "BEGINNING OF CONVERSATION: USER: Q ASSISTANT:",
        }
        assert template.format_prompt_only_sample(row) == {"text": "BEGINNING OF CONVERSATION: USER: Q ASSISTANT:"}


def test_it_is_the_class_as_written(homework):
    assert homework.name == "HOMEWORK"
    assert homework.formats == FORMATS
    assert (homework.system_prompt, homework.user_prompt, homework.assistant_prompt) == (
        "BEGINNING OF CONVERSATION: ", "USER: {input} ", "ASSISTANT:{output}",
    )  # fmt: skip
    assert (homework.split_token, homework.separator) == ("ASSISTANT:", "")
    assert homework.check_equal({"response_0": "a", "response_1": "a"}) is False
    assert get_template("HOMEWORK") == homework


@pytest.mark.parametrize("gone", [False, True], ids=["file there", "file gone"])
def test_it_pickles_and_runs_in_a_process_that_cannot_import_it(tmp_path, gone):
    file = tmp_path / "turned_in.py"
    file.write_text(HOMEWORK.read_text().replace("HOMEWORK", "TURNED_IN"))
    template = get_template(file)
    digest = template.digest
    if gone:
        file.unlink()
    row = {"prompt": "{input}", "response_0": "%s\r\n", "response_1": "\0", "better_response_id": 1, "answer": ""}
    code = """
template, row, formats = payload
answer = [[template.format(row, format) for format in formats], template.digest, template.name]
answer.append(template.check_equal(row))
"""
    formatted = [get_template("PKUSafeRLHF").format(row, format) for format in FORMATS]
    assert in_new_process(code, (template, row, FORMATS)) == [formatted, digest, "TURNED_IN", False]


@pytest.mark.parametrize(
    "ask",
    [
        lambda template: template.extract({}, "preference"),
        lambda template: template.render({}, "preference"),
        lambda template: template.columns("preference"),
        lambda template: template.with_style("chatml"),
        lambda template: template.with_dialect("text"),
        lambda template: template.style,
        lambda template: template.dialect,
    ],
)
def test_what_needs_messages_is_refused_and_says_that_it_formats_by_hand(homework, ask):
    with pytest.raises(
        DefinitionError, match=r"HOMEWORK is a custom template without messages, so .* is not available"
    ):
        ask(homework)


@pytest.mark.parametrize("key", ["response_0 ", "Response_0", "resp\u043ense_0", "response_0\n", "\x1b[31mresponse_0"])
def test_a_missing_column_is_named_and_the_near_key_shown_so_that_the_difference_is_seen(homework, key):
    row = {"prompt": "p", key: "a", "response_1": "b", "better_response_id": 1}
    with pytest.raises(RowError) as caught:
        homework.format(row, "preference")
    error = caught.value
    assert (error.code, error.column, error.template, error.format) == (
        Code.MISSING_FIELD, "response_0", "HOMEWORK", "preference",
    )  # fmt: skip
    with pytest.raises(RowError) as wanted:
        get_template("PKUSafeRLHF").format(row, "preference")
    assert wanted.value.hint == key
    if error.hint != "response_1":  # nearer than the last key, and a class does not declare what it is going to read
        assert str(error) == str(wanted.value).replace("PKUSafeRLHF", "HOMEWORK")


@pytest.mark.parametrize("label", [2, "1", None, 0.5])
def test_a_row_that_its_own_code_cannot_format_is_a_row_error_and_never_a_bare_one(homework, label):
    row = {"prompt": "p" * 5000, "response_0": "a", "response_1": "b", "better_response_id": label}
    with pytest.raises(RowError) as caught:
        homework.format(row, "preference")
    assert caught.value.code == Code.BAD_EXPRESSION
    assert len(str(caught.value)) < 400


def test_a_format_that_a_class_does_not_write_is_refused_by_name(tmp_path):
    (tmp_path / "half.py").write_text(HALF)
    half = get_template(tmp_path / "half.py")
    assert half.formats == ("prompt_only",)
    assert half.format({"prompt": "x"}, "prompt_only") == {"text": "x"}
    with pytest.raises(UnknownNameError, match="preference"):
        half.format({"prompt": "x"}, "preference")
