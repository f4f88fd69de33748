"""The fixed conversations are read as they are by whoever renders them."""

import json

import pytest
from real_templates import transformers_render

from preftemplates import Style
from preftemplates.core.messages import ROLES
from preftemplates.styles.lint.conversations import CONVERSATIONS
from preftemplates.styles.lint.probes import add_tools

EVERYTHING = """{% for m in messages %}<{{ m.role }}>{{ m.content | default('none') }}
{{- m.reasoning_content | default('') }}{{ (m.tool_calls or []) | tojson }}{{ m.name | default('') }}
{% endfor %}{{ (tools or []) | tojson }}{{ add_generation_prompt }}"""


def test_they_are_plain_data_with_known_roles_and_names_that_print():
    for name, (messages, _, tools) in CONVERSATIONS.items():
        assert json.loads(json.dumps([*messages, *tools], allow_nan=False)) == [*messages, *tools]
        assert {message["role"] for message in messages} <= set(ROLES), name
        assert name == name.strip()
        assert name.isprintable()


def test_a_prompt_ends_before_an_answer_and_the_others_with_one_or_a_call():
    for name, conversation in CONVERSATIONS.items():
        assert conversation.add_generation_prompt == (conversation.messages[-1]["role"] != "assistant"), name


def test_no_two_are_the_same():
    texts = {json.dumps(conversation) for conversation in CONVERSATIONS.values()}
    assert len(texts) == len(CONVERSATIONS)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_transformers_renders_them_to_the_same_text(name):
    messages, generate, tools = CONVERSATIONS[name]
    expected = transformers_render(EVERYTHING, list(messages), generate, tools=list(tools) or None)
    layout = add_tools(Style.from_chat_template(EVERYTHING).layout, tools)
    assert expected is not None
    assert Style.of(layout).render(messages, generate).text == expected
