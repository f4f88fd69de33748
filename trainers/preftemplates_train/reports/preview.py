"""A preview of the first samples: the text as the model reads it, and the token at which the reward is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from preftemplates.errors import make_visible
from preftemplates_train.console import escape_text
from preftemplates_train.data.tokenizer import encode_texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from transformers import PreTrainedTokenizerBase

    from preftemplates_train.data.labelled_texts import LabelledTexts

SHOWN_CHARACTERS = 400
"""The number of characters that are shown of a prompt, and of an answer."""


def print_samples(
    samples: Iterable[LabelledTexts], tokenizer: PreTrainedTokenizerBase | None, console: Console
) -> None:
    """Print each sample: the dimmed prompt, the answers in colour, and the last token.

    Args:
        samples: the samples.
        tokenizer: the tokenizer, for the number of tokens and the last token; None if there is none yet.
        console: the console to print to.
    """
    for sample in samples:
        console.print(escape_text(f"\n{sample.source}, row {sample.row}", "bold"))
        console.print(Text(_shorten_text(sample.prompt, keep_end=True), "dim"))
        names = ("chosen", "rejected") if len(sample.texts) == 2 else (_name_answer(sample),)
        for name, text, colour in zip(names, sample.texts, ("blue", "yellow"), strict=False):
            console.print(_format_side(name, text, sample.prompt, tokenizer, colour))


def _name_answer(sample: LabelledTexts) -> str:
    """Return a name for a single answer: good or bad, or its score."""
    if "label" in sample.labels:
        return "good" if sample.labels["label"] else "bad"
    return f"score {sample.labels['score']:g}" if "score" in sample.labels else "answer"


def _format_side(name: str, text: str, prompt: str, tokenizer: PreTrainedTokenizerBase | None, colour: str) -> Text:
    answer = _shorten_text(text.removeprefix(prompt))
    if tokenizer is None:
        return Text.assemble((f"{name:>8} ", f"bold {colour}"), (answer, colour))
    ids = encode_texts(tokenizer, [text])[0]
    last_token = tokenizer.decode(ids[-1:])
    return Text.assemble(
        (f"{name:>8} ", f"bold {colour}"),
        (answer, colour),
        (f"\n         {len(ids)} tokens; the reward is read at the last one, {last_token!r}", "dim"),
    )


def _shorten_text(text: str, keep_end: bool = False) -> str:
    """Return the text, or its shown characters with the number of the others."""
    if len(text) <= SHOWN_CHARACTERS:
        return make_visible(text)
    end = SHOWN_CHARACTERS // 2 if keep_end else 40
    left_out = len(text) - SHOWN_CHARACTERS
    return f"{make_visible(text[: SHOWN_CHARACTERS - end])} […{left_out} more characters…] {make_visible(text[-end:])}"
