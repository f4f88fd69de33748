"""Styles of families without a real chat template write what their descriptions say."""

import importlib

import pytest
from family_references import REFERENCES, assistant, render_style, user

from preftemplates.styles.style import STYLES

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


def read_docstring(style):
    """The docstring of the file that registers the style, on one line."""
    return " ".join(importlib.import_module(STYLES.definition_site(style).module).__doc__.split())


@pytest.mark.parametrize("style", DESCRIBED)
def test_a_style_without_a_reference_writes_what_its_description_says(style):
    assert render_style(style, TWO_TURNS, False) == DESCRIBED[style]
    assert "not tested against a reference template" in read_docstring(style)


@pytest.mark.parametrize("style", sorted({reference.style for reference in REFERENCES}))
def test_only_a_style_without_a_reference_says_that_it_is_not_proved(style):
    assert "not tested against" not in read_docstring(style)
