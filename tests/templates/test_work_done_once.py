"""Expressions are parsed once, and rows are read once, whatever is asked of them."""

from collections import Counter

import pytest
from preftemplates_train.data.labelled_texts import read_labelled_texts
from support import real_rows

from preftemplates import check, get_template
from preftemplates.data import Conversion
from preftemplates.styles.fragments import Fragments
from preftemplates.templates.expressions import ENVIRONMENT
from preftemplates.templates.extraction import Extractions
from preftemplates.templates.library import TEMPLATES
from preftemplates.templates.row_validation import RowValidator

CHANGES = {
    "with_style": "zephyr",
    "with_dialect": "openai",
    "with_ties": "keep",
    "with_pairs": "adjacent",
}


@pytest.fixture
def parsed(monkeypatch):
    """How often each source is parsed."""
    counts, parse = Counter(), ENVIRONMENT.parse

    def count(_, source, *arguments, **options):
        counts[source] += 1
        return parse(source, *arguments, **options)

    monkeypatch.setattr(type(ENVIRONMENT), "parse", count)
    return counts


@pytest.fixture
def read(monkeypatch):
    """How often each row is read, by its identity."""
    counts, original = Counter(), RowValidator.read

    def count(self, row, reading=None):
        counts[id(row)] += 1
        return original(self, row, reading)

    monkeypatch.setattr(RowValidator, "read", count)
    return counts


@pytest.mark.parametrize("name", ["PKUSafeRLHF", "HH", "UltraFeedback", "TRL-tools"])
def test_a_first_format_parses_each_field_once_and_templates_made_from_it_parse_none(name, parsed, monkeypatch):
    template = get_template(name)
    fresh = Extractions(template.parts.declaration, template.parts.extractions.filters)
    monkeypatch.setattr(TEMPLATES.get(name), "extractions", fresh)
    template = get_template(name)
    format, declaration = template.formats[-1], template.parts.declaration
    parsed.clear()
    template.format_all(template.example, format)
    declared = declaration.sample(format)
    sources = [source for _, turns in declared.turns for turn in turns for source in list_sources(turn)]
    sources += [source for _, source in (*declared.values, *declaration.each)]
    assert parsed == Counter(sources)
    parsed.clear()
    for method, value in CHANGES.items():
        assert getattr(template, method)(value).extract_all(template.example, format).samples
    assert not parsed


def list_sources(turn):
    return [source for _, source in turn.keys] if hasattr(turn, "keys") else [turn.expression]


def make_rows():
    template = get_template("PKUSafeRLHF")
    return template, [{**template.example, "prompt": f"Mint {number}?"} for number in range(5)]


def test_check_reads_each_row_once(read):
    template, rows = make_rows()
    assert check(rows, template).shortcuts["first listed wins"].pairs == 5
    assert list(read.values()) == [1] * 5


@pytest.mark.parametrize("style", ["chatml", "qwen2.5"])
def test_the_trainer_reads_each_row_once(read, style):
    """The rows can be read once, and the row path sees no row twice: most are columns."""
    template, rows = make_rows()
    pairs, _ = read_labelled_texts(iter(rows), template.with_style(style))
    assert [pair.first_listed for pair in pairs] == [template.example["better_response_id"] == 0] * 5
    assert list(read.values()) == [1]


def test_the_fragments_of_a_prompt_are_written_once_for_a_pair(monkeypatch):
    written, original = [], Fragments._write_turns

    def record(self, messages, *arguments):
        written.extend(message["content"] for message in messages)
        return original(self, messages, *arguments)

    monkeypatch.setattr(Fragments, "_write_turns", record)
    template, rows = make_rows()
    template.format(rows[0], "preference")
    assert Counter(written) == Counter(rows[0][name] for name in ("prompt", "response_0", "response_1"))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("PKUSafeRLHF", "pku_saferlhf/align_anything_preference_train.json"),
        ("HH", "hh_rlhf/harmless-base_test_even.jsonl.gz"),
    ],
)
def test_tracing_changes_no_result_of_real_rows(name, path):
    rows, template = real_rows(path)[:200], get_template(name).with_dialect("text")
    conversions = [
        Conversion(rows, template, "preference", on_error="skip", traced=traced) for traced in (False, True)
    ]
    plain, traced = ([formatted for _, formatted in conversion.accepted()] for conversion in conversions)
    assert [formatted.result for formatted in traced] == [formatted.result for formatted in plain]
    assert {type(value) for formatted in traced for value in formatted.result.values()} == {str}
    assert [formatted.messages for formatted in traced] == [formatted.messages for formatted in plain]
