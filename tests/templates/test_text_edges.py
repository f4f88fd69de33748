"""Texts for a consumer: a tokenizer of another model than the style's is refused."""

from types import SimpleNamespace

import pytest

from preftemplates import get_template
from preftemplates.errors import DefinitionError


class Tokenizer(SimpleNamespace):
    """Adds a BOS, whose id is 1."""

    def __call__(self, text):
        return {"input_ids": [1, *map(ord, text)]}


def format_texts(style, bos):
    template = get_template("PKUSafeRLHF").with_style(style).with_dialect("trl-text")
    tokenizer = Tokenizer(bos_token=bos, bos_token_id=1, eos_token_id=2)
    return template.with_tokenizer(tokenizer).format(template.example, "preference")


@pytest.mark.parametrize(("style", "bos"), [("llama3", "<|begin_of_text|>"), ("mistral-v3", "<s>"), ("chatml", "<s>")])
def test_the_bos_of_the_tokenizer_is_left_out(style, bos):
    assert not format_texts(style, bos)["prompt"].startswith(bos)


@pytest.mark.parametrize(("style", "bos"), [("llama3", "<s>"), ("mistral-v3", "<|begin_of_text|>")])
def test_another_bos_than_the_styles_is_refused(style, bos):
    with pytest.raises(DefinitionError, match="so the two belong to different models") as caught:
        format_texts(style, bos)
    assert f"the style {style} begins texts with " in str(caught.value)
    assert f"the tokenizer adds {bos!r}" in str(caught.value)
