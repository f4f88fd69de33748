"""What a style does to conversations is found: one planted fault a code, and none where nothing is planted."""

import re
import time
from collections import defaultdict

import pytest
from hostile_templates import ENDLESS, REFUSED, UNREADABLE, cases
from real_templates import real_templates
from style_faults import FAITHFUL, PLANTED, import_layout, list_codes, plant_fault
from support import DOCS

from preftemplates import Style, get_style, list_styles
from preftemplates.errors import StyleError
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.lint.check import find_findings
from preftemplates.styles.lint.findings import FindingCode


def test_a_template_that_keeps_everything_has_no_findings():
    assert list_codes(import_layout(FAITHFUL)) == []


def test_every_code_is_planted():
    assert set(PLANTED) == set(FindingCode)


@pytest.mark.parametrize("code", PLANTED)
def test_a_planted_fault_is_found(code):
    source = plant_fault(code)
    if code == "unstable":  # a function that untrusted templates do not have
        layout = ChatTemplate.read(source, "<s>", "</s>", {})
    else:
        layout = import_layout(source, limits=Limits(steps=10_000))
    assert code in list_codes(layout)


ALONE = sorted(set(PLANTED) - {
    "refuses_conversation",  # and the four turns around a tool
    "rewrites_content",  # and its thinking
    "same_text",  # answers are cut, so they are rewritten too
    "drops_answer",  # and its thinking with it
    "drops_message",  # and the tool's turn
    "unknown_field", "over_limit", "prints_undefined", "unstable", "reorders_content",
})  # fmt: skip


@pytest.mark.parametrize("code", ALONE)
def test_a_planted_fault_is_the_only_finding(code):
    assert set(list_codes(import_layout(plant_fault(code)))) == {code}


@pytest.mark.parametrize(
    ("code", "role", "field"),
    [
        ("drops_message", "tool", None),
        ("refuses_role", "developer", None),
        ("merges_roles", "tool", None),
        ("repeats_content", "user", "content"),
        ("drops_reasoning", "assistant", "reasoning_content"),
        ("rewrites_reasoning", "assistant", "content"),
        ("unknown_field", None, "conten"),
    ],
)
def test_a_finding_names_the_role_and_the_field(code, role, field):
    matching = next(finding for finding in find_findings(import_layout(plant_fault(code))) if finding.code == code)
    assert (matching.role, matching.field) == (role, field)


@pytest.mark.parametrize("name", list_styles())
def test_an_exported_style_loses_and_changes_nothing_that_the_style_keeps(name):
    """Only its roles, closing and policy are no longer declared, so that what they do is told."""
    layout = get_style(name).layout
    source = "{#- edited -#}" + get_style(name).chat_template
    exported = Style.from_chat_template(source, bos_token=getattr(layout, "bos_token", None)).layout
    expected = {"uneven_stop"} if layout.closing else set()
    expected |= {"drops_history_reasoning"} if layout.reasoning == "drop-history" else set()
    codes_of_style, codes_of_export = (
        {code for code in list_codes(candidate) if code != "drops_tools" and not code.startswith("refuses_")}
        for candidate in (layout, exported)
    )
    assert codes_of_export == codes_of_style | expected


@pytest.mark.parametrize("source", ["chatml", FAITHFUL], ids=["fragments", "a chat template"])
def test_the_policy_for_thinking_is_declared_and_no_finding(source):
    style = get_style(source) if source in list_styles() else Style.from_chat_template(source)
    for policy in ("drop", "drop-history"):
        assert list_codes(style.with_reasoning(policy).layout) == []


def test_what_a_hostile_template_says_is_escaped():
    source = "{% for m in messages %}{{ raise_exception('\x1b[31m[red]x\n\u202e') }}{% endfor %}"
    findings = find_findings(import_layout(source))
    assert findings
    assert all(finding.message.isprintable() for finding in findings)


MEASURED = {
    "prefix_unstable": 123,
    "drops_system": 47,
    "depends_on_date": 38,
}
"""How many of the 786 were counted apart from this check, by rendering them with jinja2 alone."""


def group_by_code(names):
    """The names of the real templates by the codes of their findings, and by codes with their role and field."""
    names_by_code = defaultdict(set)
    for name in names:
        for finding in find_findings(import_layout(real_templates()[name])):
            assert finding.message.isprintable(), (name, finding)
            names_by_code[str(finding.code)].add(name)
            names_by_code[str(finding.code), finding.role, finding.field].add(name)
    return names_by_code


SIXTH = {
    "prefix_unstable": 21, "no_generation_prompt": 1, "no_stop": 18, "uneven_stop": 9, "same_text": 2,
    "drops_answer": 3, "drops_system": 7, "drops_message": 61, "drops_reasoning": 96,
    "drops_history_reasoning": 36, "drops_tool_calls": 72, "drops_tools": 67, "rewrites_reasoning": 22,
    "trims_content": 49, "rewrites_content": 0, "repeats_content": 0, "reorders_content": 1, "merges_roles":
    11, "prints_repr": 1, "prints_parts": 23, "prints_undefined": 1, "refuses_conversation": 4,
    "refuses_role": 20, "refuses_tool_calls": 1, "over_limit": 0, "writes_bos": 45, "default_system": 39,
    "depends_on_date": 3, "unstable": 0, "content_branch": 9, "content_replaced": 4, "content_cut": 9,
    "content_looked_up": 2, "length_branch": 1, "unknown_field": 3, "hidden_characters": 0,
}  # fmt: skip
"""How many of every sixth template have a finding of each code."""


def test_the_counts_over_a_sixth_of_the_real_templates():
    names_by_code = group_by_code([*real_templates()][::6])
    assert {str(code): len(names_by_code[str(code)]) for code in FindingCode} == SIXTH


@pytest.mark.slow
def test_the_shares_over_the_real_templates_are_those_that_were_measured_apart():
    names_by_code = group_by_code(real_templates())
    assert {code: len(names_by_code[code]) for code in MEASURED} == MEASURED
    assert len(names_by_code["refuses_role", "system", None]) == 22
    page = (DOCS / "reference" / "findings.md").read_text()
    counts_of_page = re.findall(r"^\| `(\w+)` \| .*? \| (\d+) \| ", page, flags=re.MULTILINE)
    counts = {str(code): len(names_by_code[str(code)]) for code in FindingCode}
    assert {code: int(count) for code, count in counts_of_page} == counts


HOSTILE = [*cases(REFUSED), *cases(ENDLESS), *UNREADABLE.items()]


@pytest.mark.parametrize("source", [source for _, source in HOSTILE], ids=[name for name, _ in HOSTILE])
def test_a_hostile_template_is_refused_or_has_findings_that_print_and_ends(source):
    start = time.thread_time()
    try:
        findings = find_findings(import_layout(source, limits=Limits(seconds=0.05)))
    except StyleError:
        return
    assert findings
    assert all(finding.message.isprintable() and len(finding.message) < 1000 for finding in findings)
    assert time.thread_time() - start < 120  # CPU seconds: it does not run away
