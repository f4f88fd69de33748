"""What is not printed is found, for each role, and for thinking in a content and in a field of its own."""

import pytest
from style_faults import FAITHFUL, import_layout, plant_fault

from preftemplates.styles.lint.check import find_findings

MESSAGES = {
    "drops_answer": [
        ("drops_answer", "the answer is not printed"),
        ("drops_reasoning", "the thinking of the last answer, between <think> and </think>, is not printed"),
        ("drops_history_reasoning", "the thinking of an earlier answer, between <think> and </think>, is not printed"),
    ],
    "drops_system": [("drops_system", "the system message is not printed")],
    "drops_message": [("drops_message", "a message of the role tool is not printed")],
    "drops_reasoning": [("drops_reasoning", "the thinking of the last answer, in reasoning_content, is not printed")],
    "drops_history_reasoning": [
        ("drops_history_reasoning", "the thinking of an earlier answer, in reasoning_content, is not printed")
    ],
    "drops_tool_calls": [("drops_tool_calls", "a tool call is not printed")],
    "drops_tools": [("drops_tools", "the tools that a conversation offers are not printed")],
}
"""By the code that is planted, the findings that follow."""


@pytest.mark.parametrize("code", MESSAGES)
def test_a_finding_names_what_is_not_printed(code):
    findings = find_findings(import_layout(plant_fault(code)))
    dropped = [(str(finding.code), finding.message) for finding in findings if finding.code.startswith("drops_")]
    assert dropped == MESSAGES[code]


def test_thinking_that_an_earlier_answer_keeps_in_part_is_found():
    kept_last = "{{ m.content if loop.last else m.content | replace('<think>', '') }}"
    source = FAITHFUL.replace("{{ m.content }}", kept_last)
    [message] = [f.message for f in find_findings(import_layout(source)) if f.code == "drops_history_reasoning"]
    assert message.endswith("between <think> and </think>, is not printed unchanged")
