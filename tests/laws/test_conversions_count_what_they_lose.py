"""A conversion gives every sample that its rows make, or counts it: as left out, lost, skipped or rejected."""

import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_TEMPLATES
from support import few

from preftemplates import (
    BatchFormatter,
    Preference,
    Ranked,
    RowModel,
    Scored,
    Stepwise,
    Template,
    Unpaired,
    fixed,
    get_template,
)
from preftemplates.data.arrow import check_fits_schema, write_nested_as_json
from preftemplates.data.convert import Conversion
from preftemplates.data.skips import find_skip_reason
from preftemplates.dialects.dialect import Dialect
from preftemplates.errors import Code, PrefTemplatesError, RowError
from preftemplates.testing import rows


class Threads(Template):
    """Any number of rankings a row."""

    class Row(RowModel):
        q: str
        threads: list[dict[str, list[str]]]

    each = {"thread": "{{ threads }}"}
    ranked = Ranked(
        prompt="{{ q }}", completions="{{ thread.answers }}",
        ranks="{{ thread.scores | numbers | ranks }}", scores="{{ thread.scores | numbers }}",
    )  # fmt: skip


class Pairs(Template):
    """Any number of pairs a row, some of them ties."""

    class Row(RowModel):
        q: str
        pairs: list[dict[str, str | float]]

    each = {"pair": "{{ pairs }}"}
    preference = Preference(
        prompt="{{ q }}", chosen="{{ pair.a }}", rejected="{{ pair.b }}", margin="{{ pair.by | abs }}"
    )


class Flags(Template):
    class Row(RowModel):
        q: str
        a: str
        good: bool

    unpaired = Unpaired(prompt="{{ q }}", completion="{{ a }}", label="{{ good }}")


class Points(Template):
    class Row(RowModel):
        q: str
        a: str
        points: int

    scored = Scored(prompt="{{ q }}", completion="{{ a }}", score="{{ points }}")


class Steps(Template):
    class Row(RowModel):
        q: str
        steps: list[str]
        right: list[bool]

    stepwise = Stepwise(prompt="{{ q }}", completions="{{ steps }}", labels="{{ right }}")


short = st.sampled_from(["", " ", "a", "b", "b\n", "<|im_end|>"])
threads = st.lists(st.tuples(short, st.sampled_from(["1", "2", "2.0", "N/A"])), max_size=3)
as_thread = threads.map(lambda drawn: {"answers": [text for text, _ in drawn], "scores": [by for _, by in drawn]})
pair = st.fixed_dictionaries({"a": short, "b": short, "by": st.sampled_from([0, 1.5, -2])})
step_rows = st.lists(st.tuples(short, st.booleans()), max_size=3).map(
    lambda drawn: {"q": "q", "steps": [step for step, _ in drawn], "right": [label for _, label in drawn]}
)
KINDS = {
    "threads": (Threads, st.fixed_dictionaries({"q": short, "threads": st.lists(as_thread, max_size=3)})),
    "pairs": (Pairs, st.fixed_dictionaries({"q": short, "pairs": st.lists(pair, max_size=3)})),
    "flags": (Flags, st.fixed_dictionaries({"q": short, "a": short, "good": st.booleans() | st.just("yes")})),
    "points": (Points, st.fixed_dictionaries({"q": short, "a": short, "points": st.just(1) | st.just(1.5)})),
    "steps": (Steps, step_rows),
}
FORMATS = [
    (kind, format)
    for kind, (template, _) in KINDS.items()
    for format in (*template().formats, *template().derived_formats)
]


@pytest.mark.parametrize(("kind", "format"), FORMATS)
@few(12)
@given(st.data(), st.sampled_from(["drop", "keep"]))
def test_every_sample_comes_through_or_is_counted(kind, format, data, ties):
    template, row = KINDS[kind][0]().with_ties(ties).with_dialect("text"), KINDS[kind][1]
    drawn = data.draw(st.lists(row, max_size=5))
    counted(template, format, drawn)


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES[::4])
@few()
@given(st.data())
def test_every_sample_of_a_bundled_template_comes_through_or_is_counted(name, data):
    template = get_template(name)
    if template.is_custom:
        return
    known = {*template.formats, *template.derived_formats} & {*template.dialect.formats}
    format = data.draw(st.sampled_from(sorted(known)))
    drawn = data.draw(st.lists(rows(template, template.formats[-1]), max_size=2))
    counted(template, format, [*drawn, template.example])


def spelled(template, format):
    """The labels for which the dialect has a key."""
    return {label for label in template.labels(format) if template.dialect.spells(format, label)}


def counted(template, format, drawn):
    conversion = Conversion(drawn, template, format, on_error="skip")
    results, report = list(conversion), conversion.report
    assert report.rows == len(drawn) == report.formatted + len(report.skipped) + len(report.rejected)
    assert report.results == len(results)

    wanted, lost, fates = [], Counter(), []
    for number, row in enumerate(drawn):
        try:
            samples, gone, *_ = template.formatted(row, format)
        except PrefTemplatesError as error:
            fates.append(("rejected", number, error.code))
            continue
        lost += gone
        reasons = [find_skip_reason(sample, template.ties) for sample in samples]
        good = [sample for sample, reason in zip(samples, reasons, strict=True) if reason is None]
        bad = [reason for reason in reasons if reason is not None]
        wanted += [sample.result for sample in good]
        for sample in good:
            given = {*sample.messages.label_values} & {*template.labels(format)}
            assert {*sample.without_key} - {"tools"} == given - {"verdict"} - spelled(template, format)
            lost.update(sample.without_key)
        if good:
            fates += [("left_out", number, reason) for reason in bad]
        else:
            fates.append(("skipped", number, bad[0] if bad else Code.NO_SAMPLE))
    assert results == wanted
    assert report.lost == lost
    for fate in ("rejected", "skipped", "left_out"):
        listed = [(fate, refusal.row, refusal.code) for refusal in getattr(report, fate)]
        assert listed == [each for each in fates if each[0] == fate]
    assert json.loads(json.dumps(report.as_json()))["results"] == len(results)


# --- a batch is its rows, whatever each row gives ------------------------------------------------------------------


class Nested(Dialect):
    preference = {"of": fixed("here"), "ask": "prompt.messages", "both": ["chosen", "rejected"], "by": "margin?"}
    ranked = {
        "ask": {"text": "prompt", "turns": "prompt.messages"},
        "answers": [{"text": "completions.content", "rank": "ranks", "score": "scores?"}],
    }
    supervised = {"talk": "prompt+completion.messages"}
    unpaired = {"text": "prompt+completion", "good": {"label": "label", "weight": fixed(0.5)}}
    judge = {"ask": "prompt.messages", "verdict": "verdict"}
    scored = {"text": "completion.content", "score": "score", "more": "attributes?"}
    stepwise = {"steps": [{"text": "completions", "right": "labels"}], "all": "completions"}
    prompt_only = {"ask": "prompt.message"}


@pytest.mark.parametrize(("kind", "format"), FORMATS)
@pytest.mark.parametrize("dialect", ["text", Nested()], ids=["text", "nested"])
@few(12)
@given(st.data(), st.booleans())
def test_a_batch_s_results_are_those_of_its_rows_one_after_the_other(kind, format, dialect, data, json_messages):
    template = KINDS[kind][0]().with_dialect(dialect)
    fine = [row for row in data.draw(st.lists(KINDS[kind][1], max_size=4)) if formats(template, row, format)]
    formatter = BatchFormatter(template, format, json_messages)
    wanted = [result for row in fine for result in template.format_all(row, format)]
    for result in wanted:
        if not json_messages:
            check_fits_schema(result, formatter.schema)
    schema = pa.schema([SCHEMAS[kind].field(column) for column in template.columns(format)])
    table = pa.Table.from_pylist([{column: row[column] for column in schema.names} for row in fine], schema=schema)
    if json_messages:
        wanted = [write_nested_as_json(result, formatter.schema) for result in wanted]
    assert formatter(table).to_pylist(maps_as_pydicts="strict") == wanted
    cut = [row for part in (table.slice(0, 1), table.slice(1)) for row in formatter(part).to_pylist()]
    assert cut == formatter(table).to_pylist()


TEXTS = pa.list_(pa.string())
SCHEMAS = {
    "threads": pa.schema({"q": pa.string(), "threads": pa.list_(pa.struct({"answers": TEXTS, "scores": TEXTS}))}),
    "pairs": pa.schema(
        {"q": pa.string(), "pairs": pa.list_(pa.struct({"a": pa.string(), "b": pa.string(), "by": pa.float64()}))}
    ),
    "flags": pa.schema({"q": pa.string(), "a": pa.string(), "good": pa.bool_()}),
    "points": pa.schema({"q": pa.string(), "a": pa.string(), "points": pa.int64()}),
    "steps": pa.schema({"q": pa.string(), "steps": TEXTS, "right": pa.list_(pa.bool_())}),
}


def formats(template, row, format):
    try:
        template.format_all(row, format)
    except RowError:
        return False
    return True
