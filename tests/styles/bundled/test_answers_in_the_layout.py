"""Answers that the layout itself spells, which peers look for, and roles, which peers count by places."""

import pytest
from support import STYLE_NAMES, outcome

from preftemplates import get_style
from preftemplates.errors import RowError

SPELLED = ("user", "a", "assistant", "", "\n", " a ", "Hi", "s", "<", "USER:", "\n\nHuman:", "dummy")
"""Answers, each beside another that is spelled by the layout or by the question."""


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_fault_7_an_answer_that_the_layout_spells_too_is_found_where_it_stands(name):
    style, compared = get_style(name), 0
    question = [{"role": "user", "content": "Hi, a user asks."}]
    prompt = style.render(question, add_generation_prompt=True).text
    for answer in SPELLED:
        rendered = outcome(style.render, [*question, {"role": "assistant", "content": answer}])
        if isinstance(rendered, RowError):
            continue
        content_spans = [span for span in rendered.spans if span.message == 1 and span.field == "content"]
        text = "".join(rendered.text[span.start : span.end] for span in content_spans)
        assert rendered.text.startswith(prompt.rstrip()), answer
        assert all(span.start >= len(prompt.rstrip()) for span in content_spans)
        assert text in (answer, answer.strip(), answer.rstrip())  # some layouts trim
        if text.strip():
            compared += 1
            assert rendered.text[content_spans[0].start :].startswith(text)
    assert compared >= 6


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_fault_13_a_message_is_its_own_role_s_and_not_that_of_its_place(name):
    style = get_style(name)
    roles = ("system", "user", "assistant", "user")
    messages = [{"role": role, "content": f"words of {number}"} for number, role in enumerate(roles)]
    rendered = outcome(style.render, messages, True) if "system" in style.accepted_roles else RowError("no system")
    if not isinstance(rendered, RowError):
        owners = {span.message: span.role for span in rendered.spans if span.kind == "content"}
        assert owners == dict(enumerate(roles))
