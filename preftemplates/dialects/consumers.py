"""Consumers of text: frameworks that tokenize texts themselves, and what their tokenizers add at the edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class TextConsumer:
    """A framework that reads texts and tokenizes them itself.

    Its tokenizer may add a BOS, and the framework an EOS. A style that writes these too would have them twice.

    Attributes:
        name: the framework.
        messages: the dialect of messages that it reads as well; None where it reads texts only.
        appends_eos: when it appends the tokenizer's EOS to an answer.
        tokenizes_apart: whether it tokenizes a prompt and its answers apart; then each gets what the tokenizer adds.
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
