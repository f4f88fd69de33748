"""Consumers of text: frameworks that tokenize texts themselves, and the tokens that they add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class TextConsumer:
    """A framework that reads texts and tokenizes them itself.

    Its tokenizer may add a BOS, and the framework an EOS. A style that also writes them would double them.

    Attributes:
        name: the framework's name.
        messages: the framework's dialect for messages; None if it reads only texts.
        appends_eos: when the framework appends the tokenizer's EOS to an answer.
        tokenizes_apart: whether it tokenizes a prompt and its answers separately, each with the tokens that the
            tokenizer adds.
    """

    name: str
    messages: str | None
    appends_eos: Literal["always", "if absent"]
    tokenizes_apart: bool = False

    @property
    def identity(self) -> Any:
        """The consumer as JSON-like data, for digests."""
        apart = {"tokenizes_apart": True} if self.tokenizes_apart else {}
        return {"name": self.name, "appends_eos": self.appends_eos, **apart}
