from dataclasses import replace

import pytest
from planted import BUNDLED_STYLES, HH, PKU, TEXT_TEMPLATES, Faulty, check, check_each, faulty_style
from pydantic import Field

from preftemplates import Preference, RowModel, Template, get_style, get_template
from preftemplates.styles.fragments import Fragments
from preftemplates.testing import (
    spans_partition_the_text_and_spell_the_messages,
    spans_partition_the_text_and_spell_their_cells,
)


@pytest.mark.parametrize("name", TEXT_TEMPLATES)
def test_spans_partition_the_text_and_spell_their_cells(name):
    check_each(get_template(name), spans_partition_the_text_and_spell_their_cells)


@pytest.mark.parametrize("name", BUNDLED_STYLES)
def test_spans_partition_the_text_and_spell_the_messages(name):
    check_each(get_style(name), spans_partition_the_text_and_spell_the_messages)


@pytest.mark.parametrize("name", TEXT_TEMPLATES)
def test_every_text_of_an_example_knows_its_cells(name):
    template = get_template(name)
    for format in template.formats:
        sample = template.render(template.example, format)
        for text in (sample.prompt, *sample.responses.values()):
            contents = [span for span in text.spans if span.kind == "content"]
            assert any(span.source for span in contents) or not contents


class Nested(RowModel):
    question: str = Field(alias="full.text")


class Deep(Template):
    class Row(RowModel):
        asked: Nested = Field(alias="the question")
        turns: list[dict[str, str]]
        rejected: str

    preference = Preference(
        prompt="Q: {{ asked.question }}", chosen="{{ turns[0].text }}", rejected="{{ rejected | upper }}"
    )
    example = {"the question": {"full.text": "Why?"}, "turns": [{"text": "So."}], "rejected": "no"}


def test_a_source_is_a_path_in_the_names_of_the_row():
    check(Deep, spans_partition_the_text_and_spell_their_cells)
    sample = Deep().render(Deep.example, "preference")
    sources = [span.source for span in sample.chosen.spans if span.source]
    assert sources == [('the question["full.text"]', 0), ("turns[0].text", 0)]
    assert [span.kind for span in sample.rejected.spans if span.message == 1 and span.field] == ["derived"]


def shifted(self, messages, asked):
    spans = Fragments.spans(self, messages, asked)
    return tuple(span._replace(start=span.start + 1, end=span.end + 1) for span in spans)


def shifted_inside(self, messages, asked):
    """Still a partition; but each content begins with the last character of what stands before."""
    spans = list(Fragments.spans(self, messages, asked))
    for index, span in enumerate(spans):
        if span.kind == "content":
            spans[index] = span._replace(start=span.start - 1)
            spans[index - 1] = spans[index - 1]._replace(end=span.start - 1)
    return tuple(spans)


def overlapping(self, messages, asked):
    """One span goes back, so that each begins where the one before ends, and the characters count twice."""
    spans = list(Fragments.spans(self, messages, asked))
    back = spans[0]._replace(start=spans[0].end, end=0) if spans else None
    return (spans[0], back, *spans) if back else ()


def one_less(self, messages, asked):
    return Fragments.spans(self, messages, asked)[:-1]


def without_empty(self, messages, asked):
    return tuple(span for span in Fragments.spans(self, messages, asked) if span.start < span.end)


def of_the_message_before(self, messages, asked):
    spans = Fragments.spans(self, messages, asked)
    return tuple(span if not span.message else span._replace(message=span.message - 1) for span in spans)


def stop_as_scaffold(self, messages, asked):
    spans = Fragments.spans(self, messages, asked)
    return tuple(span._replace(kind="scaffold") if span.kind == "stop" else span for span in spans)


FAULTS = [shifted, shifted_inside, overlapping, one_less, without_empty, of_the_message_before, stop_as_scaffold]


@pytest.mark.parametrize("spans", FAULTS)
def test_wrong_spans_are_caught(spans):
    style = faulty_style(spans=spans)
    with pytest.raises(AssertionError, match="does not hold for <Style faulty>"):
        check(style, spans_partition_the_text_and_spell_the_messages)
    with pytest.raises(AssertionError, match="does not hold for <Template PKUSafeRLHF>"):
        check(PKU.with_style(style), spans_partition_the_text_and_spell_their_cells)


def with_sources(change):
    """A `render` whose spans have other sources."""

    def respanned(text):
        return replace(text, find_spans=lambda: tuple(change(span) if span.source else span for span in text.spans))

    return lambda template, row, format: template.render(row, format).map(respanned, respanned)


def one_further(span):
    return span._replace(source=(span.source[0], span.source[1] + 1))


def in_another_cell(span):
    return span._replace(source=("rejected" if span.source[0] == "chosen" else "chosen", span.source[1]))


def in_no_cell(span):
    return span._replace(source=("Chosen", span.source[1]))


@pytest.mark.parametrize("change", [one_further, in_another_cell, in_no_cell])
def test_wrong_sources_are_caught(change):
    with pytest.raises(AssertionError, match=r"is not in .* at character"):
        check(Faulty(HH, render=with_sources(change)), spans_partition_the_text_and_spell_their_cells)
