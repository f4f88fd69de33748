"""Law 19: the columnar path is the row path, in texts, statuses and errors.

Tables of drawn rows are formatted with `on_error="column"`, so that every row has a result or an error, and each of
them is compared with what the row path says of that row alone. How many rows plans formatted is compared too: a path
that formats nothing would keep the law.
"""

import re
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from columnar_rows import SUBJECTS, draw_rows
from columnar_tables import trust_plan
from fuzz_words import draw_chat_template
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_STYLES
from real_templates import TOKENS, real_templates
from support import few

from preftemplates import (
    BatchFormatter,
    Style,
)
from preftemplates.data import Conversion
from preftemplates.data.arrow import write_nested_as_json
from preftemplates.data.batches import ERROR_COLUMN
from preftemplates.data.columnar import cells, formatting, groups, kernels, text_plans, transcripts, turn_sources
from preftemplates.data.columnar.turns import PartTurns
from preftemplates.errors import PrefTemplatesError, StyleError

DIALECTS = ("trl", "text", "align-anything")


def forget_row(error):
    return re.sub(r"^row \d+(: |, )", "", str(error))


def format_alone(template, row, format):
    """The results of one row, by the row path, and its error; the status is that of a conversion."""
    try:
        formatted = list(Conversion([row], template, format, flag=False).accepted())
    except PrefTemplatesError as error:
        return [], forget_row(error)
    schema = BatchFormatter(template, format).schema
    return [write_nested_as_json(sample.result, schema) for _, sample in formatted], ""


def check_columnar(template, format, rows, schema):
    """Compare a table with its rows; return how many rows plans formatted."""
    table = pa.Table.from_pylist(rows, schema=schema)
    formatter = BatchFormatter(template, format, on_error="column")
    results = formatter(table).to_pylist()
    for number, row in enumerate(table.to_pylist()):
        expected, error = format_alone(template, row, format)
        for result in expected:
            got = results.pop(0)
            assert got.pop(ERROR_COLUMN) is None, (number, row)
            assert got == result, (number, row)
        if not expected:
            got = results.pop(0)
            told = got.pop(ERROR_COLUMN)
            assert set(got.values()) == {None}
            assert forget_row(told) == error or not error, (told, error)
    assert not results
    return formatter.plan.columnar


def adapt(name, style, dialect):
    return SUBJECTS[name][0].with_style(style).with_dialect(dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", SUBJECTS)
@given(seed=st.integers(0, 2**32))
def test_every_status_of_a_row_is_that_of_the_row_alone(name, dialect, seed):
    template = adapt(name, "chatml", dialect)
    rows, schema = draw_rows(seed, name)
    for format in ("preference", "prompt_only", "supervised"):
        check_columnar(template, format, rows, schema)


@pytest.mark.parametrize("style", BUNDLED_STYLES)
def test_every_style_writes_columns_as_it_writes_rows(style):
    for seed in range(few().max_examples):
        rows, schema = draw_rows(seed, "pairs")
        check_columnar(adapt("pairs", style, "text"), "preference", rows, schema)


DRAWN = Random(19).sample(sorted(real_templates()), len(real_templates()) // 20)


@pytest.mark.parametrize("name", DRAWN)
def test_real_chat_templates_write_columns_as_they_write_rows(name):
    style = Style.from_chat_template(real_templates()[name], **TOKENS)
    for seed in range(few().max_examples):
        rows, schema = draw_rows(seed, "pairs")
        check_columnar(adapt("pairs", style, "text"), "preference", rows, schema)


@given(seed=st.integers(0, 2**32))
def test_drawn_chat_templates_write_columns_as_they_write_rows(seed):
    try:
        style = Style.from_chat_template(draw_chat_template(Random(seed)))
    except StyleError:
        return
    rows, schema = draw_rows(seed, "pairs", 8)
    check_columnar(adapt("pairs", style, "text"), "preference", rows, schema)


ASKING = "{% for m in messages %}[{{ m.role }}]{% if %s %}yes{% endif %}{{ m.content }}{% endfor %}"
QUESTIONS = (
    "m.content == 'Hi'", "m.content != ' '", "'<think>' in m.content", "m.content.startswith('<')", "not m.content",
    "m.content.endswith('\n')", "m.content | length > 3", "m.content | trim == 'a'",
    "m.content == messages[0].content",
    "m.content.strip() in ['Hi', 'a']", "m.content.split('</think>') | length > 1", "m.content.find('x') >= 0",
    "(m.content | replace('Hi', 'x')) == m.content", "m.content.lstrip('<') == m.content",
)  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_a_chat_template_asks_of_a_text_is_asked_of_each_row(question):
    style = Style.from_chat_template(ASKING.replace("%s", question))
    columnar = 0
    for seed in range(5):
        rows, schema = draw_rows(seed, "pairs")
        columnar += check_columnar(adapt("pairs", style, "text"), "preference", rows, schema)
    assert columnar > 10


@pytest.mark.parametrize("name", SUBJECTS)
def test_most_good_rows_are_formatted_as_columns(name):
    rows, schema = draw_rows(1, name, 200)
    template = adapt(name, "chatml", "text")
    good = sum(bool(format_alone(template, row, "preference")[0]) for row in rows)
    assert check_columnar(template, "preference", rows, schema) >= 0.9 * good


def test_turns_that_few_rows_have_get_no_plan(monkeypatch):
    monkeypatch.setattr(text_plans, "FREE_SHAPES", 1)
    template = adapt("pairs", "chatml", "text")
    rows, schema = draw_rows(1, "pairs", 200)
    asked = {"thread": [{"role": "user", "content": "Hi"}]}
    rows = [{**row, **asked} if number < 150 else row for number, row in enumerate(rows)]
    formatter = BatchFormatter(template, "preference", on_error="skip")
    formatter(pa.Table.from_pylist(rows, schema=schema))
    assert formatter.plan.columnar > 50
    assert formatter.plan.reasons["few rows have the same turns"] > 5
    check_columnar(template, "preference", rows, schema)


# --- planted faults ----------------------------------------------------------------------------------------------


def forget_the_guards(monkeypatch):
    monkeypatch.setattr(groups, "answer_guard", lambda _, values, __: np.ones(len(values), bool))


def read_the_turn_before(monkeypatch):
    """The turns of every row but the first begin a turn too early."""

    def drop_last(turns):
        return PartTurns(np.maximum(turns.starts - 1, 0), np.maximum(turns.counts - 1, 0), turns.roles, turns.contents)

    monkeypatch.setattr(PartTurns, "drop_last", drop_last)


def take_null_for_empty(monkeypatch):
    read = kernels.read_texts

    def read_filled(column):
        texts = read(column)
        return None if texts is None else pc.fill_null(texts, "")

    monkeypatch.setattr(cells, "read_texts", read_filled)
    monkeypatch.setattr(turn_sources, "read_texts", read_filled)


def cut_a_byte_less(monkeypatch):
    cut = transcripts.cut_texts
    monkeypatch.setattr(transcripts, "cut_texts", lambda texts, starts, ends: cut(texts, starts - 1, ends))


def choose_the_first(monkeypatch):
    monkeypatch.setattr(groups, "choose_texts", lambda _, columns: columns[0])


FAULTS = [forget_the_guards, read_the_turn_before, take_null_for_empty, cut_a_byte_less, choose_the_first]


def check_subjects(style):
    """Compare tables of all subjects with their rows; what no plan formats would be no comparison."""
    columnar = 0
    for seed in range(30):
        for name in SUBJECTS:
            rows, schema = draw_rows(seed, name)
            columnar += check_columnar(adapt(name, style, "text"), "preference", rows, schema)
    assert columnar


@pytest.mark.parametrize("plant", FAULTS)
def test_a_path_that_is_not_the_row_path_is_caught(plant, monkeypatch):
    plant(monkeypatch)
    # the first row of each kind is compared with the row path, which would hide a fault that is in every row
    monkeypatch.setattr(formatting.ColumnarFormatter, "_compare", trust_plan)
    with pytest.raises((AssertionError, PrefTemplatesError)):
        check_subjects(Style.from_chat_template(ASKING.replace("%s", "m.content == 'Hi'")))
