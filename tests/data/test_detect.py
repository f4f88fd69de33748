"""Detection ranks the templates that rows fit, says why, and decides nothing."""

import pytest
from support import TEMPLATE_NAMES, real_rows

from preftemplates import get_template
from preftemplates.data.detect import detect_templates, find_near_misses
from preftemplates.errors import Code

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
    assert "2 of 4 rows fit; reads prompt, response_0" in candidate.why
    assert "refuses 1 x bad_label, 1 x wrong_type" in candidate.why


def test_a_template_that_fits_more_rows_stands_first():
    rows = [{**PKU, "safer_response_id": 7}, {**PKU, "safer_response_id": 0}]
    detected = detect_names(rows)
    assert detected[0] == "PKUSafeRLHF"
    assert detected.index("PKUSafeRLHF-safer") > 1


def test_columns_that_are_not_read_are_named():
    (candidate,) = detect_templates([{**PKU, "extra": 1}], ["PKUSafeRLHF"])
    assert (candidate.unread, "leaves extra unread" in candidate.why) == (["extra"], True)


def test_what_fits_nothing_finds_nothing_and_near_columns_are_named():
    row = {"prompt": "p", "response_0": "a", "respons_1": "b", "better_response_id": 0}
    assert "PKUSafeRLHF" not in detect_names([row])
    missed = {candidate.template.name: candidate for candidate in find_near_misses([row])}
    assert missed["PKUSafeRLHF"].missing == {"response_1": "respons_1"}
    assert missed["PKUSafeRLHF"].why == "has no response_1 (near: respons_1)"
    assert detect_templates([]) == []
    assert detect_templates([{"unheard": 1, "of": 2}]) == []


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("pku_saferlhf/align_anything_preference_train.json", "PKUSafeRLHF"),
        ("hh_rlhf/harmless-base_test_even.jsonl.gz", "HH"),
        ("trl_zen/standard_preference.jsonl", "TRL"),
        ("trl_zen/conversational_preference.jsonl", "TRL-messages"),
        ("oasst/oaast_rm_zh.json", "OASST-zh-ranked"),
        ("torchtune/stack_exchange_paired_tiny.json", "StackExchange-paired"),
        ("llamafactory/dpo_en_demo.json", "LLaMA-Factory-sharegpt-ranking"),
    ],
)
def test_a_file_of_real_rows_finds_its_template_first(file, name):
    assert detect_names(real_rows(file)[:50])[0] == name
