"""Thinking is written, or left out, where the style's policy says so, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import at_least, texts, transformers_text

from preftemplates import Style, get_style
from preftemplates.core.spans import Change
from preftemplates.errors import DefinitionError, RowError
from preftemplates.styles.reasoning import apply_reasoning

THOUGHT = "Qx7thought"
TALK = [
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": f"<think>\n{THOUGHT}\n</think>\n\nFour."},
    {"role": "user", "content": "3 + 3?"},
    {"role": "assistant", "content": "Six.", "reasoning_content": THOUGHT},
]
SHOWING = (
    "{% for m in messages %}[{{ m.role }}]{% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}"
    "{{ m.content }}{% if m.thinking is defined %}!{% endif %}{% endfor %}"
)
STYLES = {
    "chatml": get_style("chatml"),
    "llama3": get_style("llama3"),
    "showing": Style.from_chat_template(SHOWING),
}

answer = st.builds(
    lambda content, thought, apart: (
        {"role": "assistant", "content": content, apart: thought}
        if apart
        else {"role": "assistant", "content": f"<think>{thought}</think>\n{content}"}
    ),
    texts(),
    texts(),
    st.sampled_from(["", "reasoning_content", "thinking", "reasoning"]),
)
other = st.builds(
    lambda role, content: {"role": role, "content": content}, st.sampled_from(["user", "system"]), texts()
)
talks = st.lists(answer | other | texts().map(lambda text: {"role": "assistant", "content": text}), max_size=6)


@pytest.mark.usefixtures("thought_aliases")
@at_least(60)
@pytest.mark.parametrize("policy", ["keep", "drop-history", "drop"])
@given(messages=talks, generate=st.booleans())
def test_a_policy_is_exported_and_means_the_same_to_transformers(policy, messages, generate):
    style = STYLES["showing"].with_reasoning(policy)
    if messages:
        text = style.render(messages, add_generation_prompt=generate).text
        assert transformers_text(style.chat_template, messages, generate) == text


@pytest.mark.parametrize("name", STYLES)
def test_thinking_stands_where_the_policy_keeps_it(name):
    def thoughts(policy, talk):
        return STYLES[name].with_reasoning(policy).render(talk).text.count(THOUGHT)

    text_only = [*TALK[:3], {"role": "assistant", "content": f"<think>{THOUGHT}</think>Six."}]
    assert [thoughts(policy, text_only) for policy in ("keep", "drop-history", "drop")] == [2, 1, 0]
    if name == "showing":
        assert [thoughts(policy, TALK) for policy in ("keep", "drop-history", "drop")] == [2, 1, 0]


def test_a_text_style_takes_messages_with_thinking_once_the_policy_leaves_it_out():
    with pytest.raises(RowError, match="reasoning_content"):
        get_style("chatml").render(TALK)
    text = get_style("chatml").with_reasoning("drop").render(TALK).text
    assert THOUGHT not in text
    assert "Four." in text


@given(talks)
def test_the_prompt_of_an_answer_is_the_same_with_and_without_it_where_history_is_dropped(messages):
    style = STYLES["showing"].with_reasoning("drop-history")
    prompt = [*messages, {"role": "user", "content": "And?"}]
    whole = style.render([*prompt, {"role": "assistant", "content": "So."}]).text
    assert whole.startswith(style.render(prompt).text)


@given(talks, st.sampled_from(["keep", "drop-history", "drop"]))
def test_messages_are_read_and_not_written_to(messages, policy):
    before = [dict(message) for message in messages]
    after = apply_reasoning(messages, policy)
    assert messages == before
    assert [message["role"] for message in after] == [message["role"] for message in before]
    if policy == "keep":
        assert after == before


@pytest.mark.parametrize("name", STYLES)
def test_what_the_policy_left_out_is_told(name):
    messages = TALK if name == "showing" else TALK[:3]
    rendered = STYLES[name].with_reasoning("drop").render(messages)
    changes = [Change(1, "assistant", "content", "cut")]
    if name == "showing":
        changes += [Change(3, "assistant", "reasoning_content", "dropped")]
    assert list(rendered.changes) == changes
    (content,) = [span for span in rendered.spans if span.message == 1 and span.kind == "content"]
    assert rendered.text[content.start : content.end] == "Four."


def test_an_unknown_policy_is_refused_with_the_nearest():
    with pytest.raises(DefinitionError, match="Did you mean 'drop-history'"):
        get_style("chatml").with_reasoning("drop_history")
    with pytest.raises(DefinitionError, match="reasoning must be one of"):

        class Wrong(Style):
            assistant = "{{ content }}"
            reasoning = 3


def test_a_style_is_declared_with_a_policy():
    class Quiet(Style):
        user = assistant = "{{ content }}"
        reasoning = "drop"

    assert Quiet().render(TALK[:2]).text == "2 + 2?Four."
    assert Quiet() != get_style("plain")
