"""A template declares which rows are ties; they are skipped and counted, get one half, or are kept."""

import pytest

from preftemplates import (
    BatchFormatter,
    Preference,
    Ranked,
    RowModel,
    Supervised,
    Template,
    check,
    get_template,
    register_filter,
)
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, DefinitionError, RowError


class Voted(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str
        label: int

    preference = Preference(
        prompt="{{ q }}", chosen="{{ b if label is odd else a }}", rejected="{{ a if label is odd else b }}"
    )
    tie = "{{ label == 2 }}"


ROW = {"q": "Which herb?", "a": "Dill.", "b": "Mint."}
ROWS = [{**ROW, "label": label} for label in (0, 2, 1, 2)]


def convert(template, format, rows=ROWS):
    conversion = Conversion(rows, template, format, on_error="skip")
    return list(conversion), conversion.report


def test_ties_are_skipped_and_counted():
    results, report = convert(Voted(), "preference")
    assert [result["chosen"][0]["content"] for result in results] == ["Dill.", "Mint."]
    assert (report.rows, report.formatted, len(report.rejected)) == (4, 2, 0)
    assert [(issue.row, issue.code) for issue in report.skipped] == [(1, Code.TIE), (3, Code.TIE)]
    assert check(ROWS, Voted(), "preference").counts()["tie"] == 2


@pytest.mark.parametrize("format", ["supervised", "unpaired", "ranked", "judge"])
def test_formats_that_are_made_of_pairs_skip_them_too(format):
    _, report = convert(Voted(), format)
    assert [issue.code for issue in report.skipped] == [Code.TIE, Code.TIE]
    assert report.formatted == 2


def test_a_prompt_alone_is_not_a_tie():
    assert convert(Voted(), "prompt_only")[1].formatted == 4


@pytest.mark.parametrize(("ties", "probabilities"), [("half", [1.0, 0.5, 1.0, 0.5]), ("keep", [None] * 4)])
def test_ties_are_halves_or_kept_if_that_is_asked(ties, probabilities):
    results, report = convert(Voted().with_ties(ties), "preference")
    assert [result.get("probability") for result in results] == probabilities
    assert not report.skipped


def test_one_row_that_is_a_tie_raises_an_error_that_says_so():
    with pytest.raises(RowError, match="neither answer is better") as caught:
        Voted().format(ROWS[1], "preference")
    assert caught.value.code is Code.TIE
    assert Voted().format_all(ROWS[1], "preference") == []


def test_samples_of_one_row_are_ties_by_themselves():
    class Several(Template):
        class Row(RowModel):
            pairs: list[dict[str, str]]

        each = {"pair": "{{ pairs }}"}
        preference = Preference(prompt="q", chosen="{{ pair.good }}", rejected="{{ pair.bad }}")
        tie = "{{ pair.verdict == 'same' }}"

    row = {"pairs": [{"good": "a", "bad": "b", "verdict": verdict} for verdict in ("first", "same", "first")]}
    results, report = convert(Several(), "preference", [row])
    assert len(results) == 2
    assert [issue.code for issue in report.left_out] == [Code.TIE]


def test_yaml_declares_ties_too(tmp_path):
    (tmp_path / "voted.yaml").write_text(
        "row: {q: str, a: str, b: str, label: 'int(ge=0, le=2)'}\n"
        "tie: '{{ label == 2 }}'\n"
        "preference:\n  prompt: '{{ q }}'\n  chosen: '{{ [a, b, a][label] }}'\n  rejected: '{{ [b, a, b][label] }}'\n",
        encoding="utf-8",
    )
    results, report = convert(get_template(str(tmp_path / "voted.yaml")), "preference")
    assert (len(results), len(report.skipped)) == (2, 2)


def declare(tie):
    return type(
        "Odd", (Template,), {"Row": Voted.Row, "preference": Voted.preference, "tie": tie, "__module__": __name__}
    )


@pytest.mark.parametrize(
    ("tie", "message"),
    [
        ("label == 2", "Odd.tie: "),
        (2, "Odd.tie: "),
        ("{{ labl == 2 }}", "Odd.tie reads 'labl', which Row does not declare. Did you mean 'label'"),
        ("{{ label | no_such }}", "uses an unknown filter 'no_such'"),
    ],
)
def test_what_is_not_an_expression_over_the_row_is_refused(tie, message):
    with pytest.raises(DefinitionError) as caught:
        declare(tie)
    assert message in str(caught.value)


def test_what_is_neither_true_nor_false_is_a_bad_label():
    with pytest.raises(RowError, match="tie: expected true or false, got 0") as caught:
        declare("{{ label }}")().format(ROWS[0], "preference")
    assert caught.value.code is Code.BAD_LABEL


def test_a_declared_tie_is_a_part_of_the_digest_and_its_absence_is_not():
    class Bare(Template):
        Row = Voted.Row
        preference = Voted.preference

    assert declare("{{ label == 2 }}")().text_digest != Bare().text_digest
    assert declare("{{ label == 2 }}")().text_digest == Voted().text_digest
    assert "tie" not in Bare().parts.declaration.identity


@register_filter
def starred(answers):
    """Return the answers, the better first; a filter says what a tie is."""
    if answers[0]["stars"] == answers[1]["stars"]:
        raise RowError("both have the same stars", code=Code.TIE)
    return sorted(answers, key=lambda answer: -answer["stars"])


def test_a_filter_that_says_tie_skips_the_row():
    class Starred(Template):
        class Row(RowModel):
            q: str
            answers: list[dict[str, int]]

        preference = Preference(
            prompt="{{ q }}",
            chosen="{{ (answers | starred)[0].stars ~ '' }}",
            rejected="{{ (answers | starred)[1].stars ~ '' }}",
        )

    rows = [{"q": "Which?", "answers": [{"stars": first}, {"stars": 3}]} for first in (5, 3)]
    results, report = convert(Starred(), "preference", rows)
    assert len(results) == 1
    assert [(issue.row, issue.code, issue.message) for issue in report.skipped] == [
        (1, Code.TIE, "both have the same stars")
    ]


def test_rankings_have_declared_ties_and_single_answers_have_none():
    class Both(Template):
        class Row(RowModel):
            q: str
            answers: list[str]
            same: bool

        ranked = Ranked(prompt="{{ q }}", completions="{{ answers }}", ranks="{{ answers | places }}")
        supervised = Supervised(prompt="{{ q }}", completion="{{ answers[0] }}")
        tie = "{{ same }}"

    rows = [{"q": "Which?", "answers": ["a", "b"], "same": same} for same in (True, False)]
    assert len(convert(Both(), "ranked", rows)[0]) == 1
    assert len(convert(Both(), "supervised", rows)[0]) == 2


@pytest.mark.parametrize("ties", ["half", "keep"])
def test_a_ranking_that_is_declared_a_tie_has_equal_ranks(ties):
    class Rated(Template):
        class Row(RowModel):
            answers: list[str]
            same: bool

        ranked = Ranked(prompt="q", completions="{{ answers }}", ranks="{{ answers | places }}")
        tie = "{{ same }}"

    template = Rated().with_ties(ties)
    row = {"answers": ["a", "b"], "same": True}
    assert template.extract(row, "ranked").ranks == [0.0, 0.0]
    if ties == "half":
        assert template.extract(row, "preference").probability == 0.5
    assert template.extract({**row, "same": False}, "ranked").ranks == [0.0, 1.0]


def test_a_table_says_which_row_is_a_tie():
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(RowError, match="row 1: neither answer is better") as caught:
        BatchFormatter(Voted(), "preference")(pa.Table.from_pylist(ROWS))
    assert (caught.value.row, caught.value.code) == (1, Code.TIE)
    assert BatchFormatter(Voted(), "preference")(pa.Table.from_pylist(ROWS[:1])).num_rows == 1


def test_limits_are_for_templates_of_files():
    with pytest.raises(DefinitionError, match="limits: expected Limits"):
        type("Odd", (Template,), {"Row": Voted.Row, "preference": Voted.preference, "limits": "no"})
