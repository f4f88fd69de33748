"""Detection ranks the templates that rows fit, says why, and decides nothing."""

from itertools import product
from random import Random

import pytest
from real_files import FILES
from support import DATA, TEMPLATE_NAMES, real_rows

from preftemplates import get_template
from preftemplates.data import open_rows
from preftemplates.data.detect import detect_templates, find_near_misses
from preftemplates.errors import Code, RowError

PKU = {"prompt": "Mint?", "response_0": "Yes.", "response_1": "No.", "better_response_id": 0}


def detect_names(rows):
    return [candidate.template.name for candidate in detect_templates(rows)]


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_the_example_of_a_template_finds_its_template_in_every_format(name):
    """Every fourth among all templates, the others among themselves and the four that follow them."""
    template, index = get_template(name), TEMPLATE_NAMES.index(name)
    among = None if index % 4 == 0 else (TEMPLATE_NAMES * 2)[index : index + 5]
    candidates = {
        (candidate.template.name, candidate.format) for candidate in detect_templates([template.example], among)
    }
    declared = [
        format for format in template.formats if format != "prompt_only" or template.formats == ("prompt_only",)
    ]
    optional = {name for name, info in template.row_type.model_fields.items() if not info.is_required()}
    readable = [format for format in declared if {*template.columns(format)} <= {*template.example, *optional}]
    assert readable
    assert {(name, format) for format in readable} <= candidates


def test_rows_that_fit_count_and_the_others_are_told_by_code():
    rows = [PKU, {**PKU, "better_response_id": 2}, {**PKU, "prompt": 5}, PKU]
    (candidate,) = detect_templates(rows, ["PKUSafeRLHF"])
    assert (candidate.rows, candidate.fit) == (4, 2)
    assert candidate.reasons == {Code.BAD_LABEL: 1, Code.WRONG_TYPE: 1}
    assert candidate.why.startswith(
        "all columns present, 2 of 4 rows rejected (1 bad_label, 1 wrong_type); the first is row 1: "
        "column 'better_response_id': expected 0 or 1, got 2; reads prompt, response_0"
    )


def test_a_template_that_fits_more_rows_stands_first():
    rows = [{**PKU, "safer_response_id": 7}, {**PKU, "safer_response_id": 0}]
    detected = detect_names(rows)
    assert detected[0] == "PKUSafeRLHF"
    assert detected.index("PKUSafeRLHF-safer") == 1


def test_columns_that_are_not_read_are_named():
    (candidate,) = detect_templates([{**PKU, "extra": 1}], ["PKUSafeRLHF"])
    assert (candidate.unread, "leaves extra unread" in candidate.why) == (["extra"], True)


def test_what_fits_nothing_finds_nothing_and_near_columns_are_named():
    row = {"prompt": "p", "response_0": "a", "respons_1": "b", "better_response_id": 0}
    assert "PKUSafeRLHF" not in detect_names([row])
    missed = {candidate.template.name: candidate for candidate in find_near_misses([row])}
    assert missed["PKUSafeRLHF"].missing == {"response_1": "respons_1"}
    assert missed["PKUSafeRLHF"].why == "has no response_1 (nearest: respons_1)"
    assert detect_templates([]) == []
    assert detect_templates([{"unheard": 1, "of": 2}]) == []


def test_a_label_that_is_bad_everywhere_recommends_no_other_label():
    rows = [{**PKU, "better_response_id": 2, "safer_response_id": 0}] * 3
    assert "PKUSafeRLHF-safer" not in detect_names(rows)
    best = find_near_misses(rows)[0]
    assert best.template.name == "PKUSafeRLHF", find_near_misses(rows)
    assert best.why.startswith("all columns present, 3 of 3 rows rejected (3 bad_label); the first is row 0: ")


def test_the_cells_of_a_csv_are_read_by_the_types_of_each_template():
    row = {**PKU, "better_response_id": "0"}
    assert "PKUSafeRLHF" not in detect_names([row])
    assert detect_templates([row], are_texts=True)[0].template.name == "PKUSafeRLHF"


def test_a_row_that_could_not_be_read_is_counted_and_keeps_its_number():
    (candidate,) = detect_templates([RowError("no JSON", code=Code.BAD_JSON), PKU], ["PKUSafeRLHF"])
    assert (candidate.rows, candidate.fit, candidate.first_rejected) == (2, 1, (0, "no JSON"))


# --- real rows, and bad ones among them ------------------------------------------------------------------------------


def spoil_with_null(row, draw):
    return {**row, draw.choice(list(row)): None}


def spoil_with_nothing(_row, _draw):
    return {}


def spoil_with_label(row, draw):
    labels = [column for column, cell in row.items() if isinstance(cell, int | float)]
    return {**row, draw.choice(labels or list(row)): 99}


def spoil_with_text(row, draw):
    return {**row, draw.choice(list(row)): "x"}


def spoil_by_loss(row, draw):
    lost = draw.choice(list(row))
    return {column: cell for column, cell in row.items() if column != lost}


SPOILS = (spoil_with_null, spoil_with_nothing, spoil_with_label, spoil_with_text, spoil_by_loss)


def is_first(rows, reads):
    """Whether the template that reads a file is first, or makes the same of the rows as the first."""
    candidates = detect_templates(rows)
    best = candidates[0]
    alike = [one for one in candidates if (one.format, one.why, one.first) == (best.format, best.why, best.first)]
    return (reads.template, reads.format) in {(one.template.name, one.format) for one in alike}


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_real_rows_finds_its_template_first_with_bad_rows_too(file):
    rows = [dict(row) for row in real_rows(file)[:10]]
    assert is_first(rows, FILES[file])
    for count, spoil in product((1, 3), SPOILS):
        draw = Random(f"{file} {count} {spoil.__name__}")
        bad = [spoil(draw.choice(rows), draw) for _ in range(count)]
        assert is_first([*bad, *rows], FILES[file]), (count, spoil.__name__)


def test_a_rank_that_looks_at_rows_alone_is_found_out(monkeypatch):
    monkeypatch.setattr("preftemplates.data.detect._LOSS", 1.0)
    file = "llamafactory/kto_en_demo.json"
    rows = [dict(row) for row in real_rows(file)[:10]]
    assert not is_first([{**rows[0], "label": None}, *rows], FILES[file])


# --- what a newcomer would otherwise be led to -----------------------------------------------------------------------


def test_cells_that_are_json_text_of_messages_are_no_texts():
    talk = '[{"role": "user", "content": "Mint?"}]'
    answer = '[{"role": "assistant", "content": "%s"}]'
    rows = [{"prompt": talk, "chosen": answer % "Yes.", "rejected": answer % "No."}]
    for are_texts in (False, True):
        candidates = detect_templates(rows, are_texts=are_texts)
        assert candidates[0].template.name == "TRL-messages"
        assert next(one for one in candidates if one.template.name == "TRL").score < candidates[0].score


@pytest.mark.parametrize(
    "file",
    [
        "01_tool_args.jsonl", "04_kto_one_null_label.jsonl", "04_ultrafeedback_one_bad_row.jsonl", "09_verl.jsonl",
        "07_src_tgt_sort.jsonl", "07_swift_preference.jsonl", "10_turn_metadata.jsonl", "near_copies_train.jsonl",
    ],
)  # fmt: skip
def test_a_few_bad_rows_recommend_no_other_template(file):
    path = DATA.parent / "cases" / "rows" / file
    if not path.exists():
        pytest.skip("no cases here")
    good = [record.cells for record in open_rows(path)]
    rows = (good * 10)[:10]
    first = detect_templates(rows)[0]
    for count, spoil in product((1, 3), SPOILS):
        draw = Random(f"{file} {count} {spoil.__name__}")
        candidates = detect_templates([*(spoil(draw.choice(good), draw) for _ in range(count)), *rows])
        best = candidates[0]
        alike = [one for one in candidates if (one.format, one.why, one.first) == (best.format, best.why, best.first)]
        assert (first.template.name, first.format) in {(one.template.name, one.format) for one in alike}, spoil
