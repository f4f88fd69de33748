"""A look at the first pairs: the text as the model reads it, what is scored, and where the reward is read."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text
from transformers import PreTrainedTokenizerBase

from preftemplates.errors import visible
from preftemplates_train.console import escape_text
from preftemplates_train.data.encoding import Pair
from preftemplates_train.data.tokenizer import encode

SHOWN = 400
"""How many characters of a prompt are shown, and how many of an answer."""


def print_pairs(pairs: Iterable[Pair], tokenizer: PreTrainedTokenizerBase | None, console: Console) -> None:
    """Print each pair: the part both texts share dim, what is scored escape_text, and the last token marked.

    Args:
        pairs: the pairs.
        tokenizer: counts the tokens, and says which is the last one; None where there is none yet.
        console: where to print.
    """
    for pair in pairs:
        console.print(escape_text(f"\n{pair.source}, row {pair.row}", "bold"))
        console.print(Text(_cut(pair.prompt, keep_end=True), "dim"))
        for name, text, colour in (("chosen", pair.chosen, "blue"), ("rejected", pair.rejected, "yellow")):
            console.print(_side(name, text, pair.prompt, tokenizer, colour))


def _side(name: str, text: str, prompt: str, tokenizer: PreTrainedTokenizerBase | None, colour: str) -> Text:
    own = _cut(text.removeprefix(prompt))
    if tokenizer is None:
        return Text.assemble((f"{name:>8} ", f"bold {colour}"), (own, colour))
    ids = encode(tokenizer, [text])[0]
    last = tokenizer.decode(ids[-1:])
    return Text.assemble(
        (f"{name:>8} ", f"bold {colour}"),
        (own, colour),
        (f"\n         {len(ids)} tokens; the reward is read at the last, {last!r}", "dim"),
    )


def _cut(text: str, keep_end: bool = False) -> str:
    """The text, or as much of it as is shown, with what is left out counted."""
    if len(text) <= SHOWN:
        return visible(text)
    end = SHOWN // 2 if keep_end else 40
    return f"{visible(text[: SHOWN - end])} […{len(text) - SHOWN} more characters…] {visible(text[-end:])}"
