"""Law 8: an imported style renders as transformers renders its chat template.

Every real template is rendered in fixed conversations elsewhere; here conversations are drawn, for every 40th of them.
"""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_templates import CALL, TOKENS, real_templates, transformers_render
from support import texts

from preftemplates import Style
from preftemplates.errors import RowError
from preftemplates.styles import chat_template, environment
from preftemplates.styles.environment import BoundedChatTemplateEnvironment

NAMES = sorted(name for name, source in real_templates().items() if "strftime_now" not in source)
DRAWN = random.Random(8).sample(NAMES, len(NAMES) // 40)

part = st.fixed_dictionaries({"type": st.just("text"), "text": texts()})
content = texts() | st.lists(part, max_size=2)
thought = st.fixed_dictionaries({}, optional={key: texts() for key in ("reasoning_content", "thinking", "reasoning")})
user = st.fixed_dictionaries({"role": st.just("user"), "content": content})
answer = st.builds(lambda text, more: {"role": "assistant", "content": text, **more}, content, thought)
arguments = st.dictionaries(texts(), texts() | st.integers() | st.booleans() | st.lists(texts()), max_size=2)
call = st.builds(
    lambda text, given: {
        "role": "assistant",
        "content": text,
        "tool_calls": [{**CALL, "function": {"name": "weather", "arguments": given}}],
    },
    texts(),
    arguments,
)
result = st.fixed_dictionaries({"role": st.just("tool"), "name": st.just("weather"), "content": texts()})
system = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "developer"]), "content": texts()}), max_size=1
)
turns = st.lists(st.tuples(user, answer) | st.tuples(user, call, result, answer), min_size=1, max_size=3)
talks = st.builds(lambda first, pairs: [*first, *(message for pair in pairs for message in pair)], system, turns)


def compare(source, messages, generate, **options):
    """Raise where transformers and we differ in the text, or in refusing."""
    wanted = transformers_render(source, messages, generate, **options)
    try:
        got = Style.from_chat_template(source, **TOKENS, **options).render(messages, add_generation_prompt=generate)
    except RowError:
        got = None
    assert (got and got.text) == wanted
    if got is not None:
        ends = [span.end for span in got.spans]
        assert [span.start for span in got.spans] == [0, *ends][: len(ends)]
        assert [0, *ends][-1] == len(got.text)


@pytest.mark.usefixtures("thought_aliases")
@pytest.mark.parametrize("name", DRAWN)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(talks, st.booleans())
def test_a_real_chat_template_renders_drawn_conversations_as_in_transformers(name, messages, generate):
    compare(real_templates()[name], messages, generate)


LAYOUT = (
    "{%- for m in messages %}\n    {% if loop.index > 9 %}{% break %}{% endif %}\n    {{- '<' + m.role + '>' }}\n"
    "    {% generation %}{{ m.content | tojson }}{% endgeneration %}{{ m.thinking or '' }}\n"
    "{% endfor %}\n{{ x or '' }}"
)


@given(talks, st.booleans(), st.none() | st.integers() | texts() | st.dictionaries(texts(), texts()))
def test_a_layout_renders_with_its_variables_as_in_transformers(messages, generate, value):
    compare(LAYOUT, messages, generate, x=value)


class WithoutTrimming(BoundedChatTemplateEnvironment):
    def __init__(self, limits):
        super().__init__(limits)
        self.trim_blocks = self.lstrip_blocks = False


class WithHtml(BoundedChatTemplateEnvironment):
    def __init__(self, limits):
        super().__init__(limits)
        self.filters["tojson"] = lambda value: str(json.dumps(value)).replace("<", "\\u003c")


class Ascii(BoundedChatTemplateEnvironment):
    def __init__(self, limits):
        super().__init__(limits)
        self.filters["tojson"] = json.dumps


FAULTS = {
    "blocks are not trimmed": lambda patch: patch.setattr(environment, "get_environment", WithoutTrimming),
    "JSON is escaped for HTML": lambda patch: patch.setattr(environment, "get_environment", WithHtml),
    "JSON is ASCII": lambda patch: patch.setattr(environment, "get_environment", Ascii),
    "thinking has one name": lambda patch: patch.setattr(chat_template, "add_thinking_names", lambda message: message),
    "contents are trimmed": lambda patch: patch.setattr(
        chat_template,
        "add_thinking_names",
        lambda message: {**message, "content": message["content"].strip(), "thinking": message["reasoning_content"]},
    ),
}
TALK = [{"role": "user", "content": " <é> "}, {"role": "assistant", "content": "", "reasoning_content": "Hm"}]


@pytest.mark.usefixtures("thought_aliases")
@pytest.mark.parametrize("fault", FAULTS)
def test_an_environment_that_differs_is_caught(fault, monkeypatch):
    talk = [{**TALK[0], "reasoning_content": ""}, TALK[1]]
    compare(LAYOUT, talk, False)
    environment.compile_template.cache_clear()
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        compare(LAYOUT, talk, False)
    environment.compile_template.cache_clear()
