"""The edges of texts for a consumer that tokenizes them: its tokenizer adds BOS and EOS, so these are left out.

A style's text begins with a BOS, or does not; an answer ends with the style's stop, and with a tail after it, such as
ChatML's newline. A consumer's tokenizer would write the BOS a second time, and the consumer appends EOS to a text that
does not end in it, so after a tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from preftemplates.errors import DefinitionError, preview

if TYPE_CHECKING:
    from preftemplates.core.samples import Sample
    from preftemplates.dialects.consumers import TextConsumer
    from preftemplates.styles.style import Style

EdgePolicy = Literal["keep", "drop"]
"""keep: a text has what the style writes there; drop: the consumer writes it."""


@dataclass(frozen=True)
class TextEdges:
    """What texts have of the special tokens that a style writes at their edges.

    Attributes:
        bos: whether texts begin with the style's BOS.
        eos: whether answers end with the style's stop. A tail after the stop is left out in both cases.
        bos_token: the tokenizer's BOS, if one is known.
        adds_eos: whether the tokenizer is known to add an EOS to every text.
    """

    bos: EdgePolicy
    eos: EdgePolicy
    bos_token: str | None = None
    adds_eos: bool = False

    def __post_init__(self) -> None:
        for name in ("bos", "eos"):
            if getattr(self, name) not in get_args(EdgePolicy):
                raise DefinitionError(f"{name} is 'keep' or 'drop', got {preview(getattr(self, name))}")

    @property
    def identity(self) -> Any:
        """The edges as JSON-like data, for digests."""
        added = {"adds_eos": True} if self.adds_eos else {}
        return {"bos": self.bos, "eos": self.eos, "bos_token": self.bos_token, **added}

    def cut(self, sample: Sample[str], style: Style) -> Sample[str]:
        """Return the texts without what the consumer writes."""
        responses = list(sample.responses.values())
        whole = len(responses) - 1 if sample.pieces else 0  # the pieces before the last end within the answer
        texts = [self.cut_text(text, style, is_response=index >= whole) for index, text in enumerate(responses)]
        return sample.refilled(self.cut_text(sample.prompt, style, is_response=False), texts)

    def cut_text(self, text: str, style: Style, *, is_response: bool) -> str:
        """Return one text without what the consumer writes; only a response has an end."""
        start, end = self.list_cuts(style)
        text = text.removeprefix(start)
        if is_response and end is not None and text.endswith(end[0]):
            return text.removesuffix(end[0]) + end[1]
        return text

    def list_cuts(self, style: Style) -> tuple[str, tuple[str, str] | None]:
        """Return what a text does not begin with, and what it does not end with and has instead, if anything."""
        written = style.edges
        bos = self.bos_token if self.bos_token is not None else written.bos
        ending = written.stop + written.tail
        end = (ending, written.stop if self.eos == "keep" else "") if ending else None
        return bos if self.bos == "drop" else "", end


def read_text_edges(tokenizer: Any, consumer: TextConsumer) -> TextEdges:
    """Return the edges that a consumer with this tokenizer needs.

    Args:
        tokenizer: of transformers, or anything else with `bos_token`, `bos_token_id`, `eos_token_id` and a call that
            gives `input_ids`.
        consumer: the framework.
    """
    ids = list(tokenizer("a")["input_ids"])
    adds_bos = tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]
    adds_eos = tokenizer.eos_token_id is not None and ids[-1:] == [tokenizer.eos_token_id]
    eos: EdgePolicy = "drop" if adds_eos or consumer.appends_eos == "always" else "keep"
    return TextEdges("drop" if adds_bos else "keep", eos, tokenizer.bos_token, adds_eos)


def choose_text_edges(
    consumer: TextConsumer | None, style: Style, edges: TextEdges | None, dialect: str
) -> TextEdges | None:
    """Return the edges that texts need for a consumer; None where texts stay as the style writes them.

    Raises:
        DefinitionError: the consumer would write a second BOS or EOS, and nothing says what its tokenizer adds; or its
            tokenizer adds another BOS than the style, or one to each answer.
    """
    if consumer is None:
        return None
    written = style.edges
    instead = f", or the dialect {consumer.messages} (messages)" if consumer.messages else ""
    if edges is not None:
        if consumer.tokenizes_apart and (edges.bos == "drop" or edges.adds_eos):
            added, where = ("a BOS", "before each answer") if edges.bos == "drop" else ("an EOS", "after the prompt")
            raise DefinitionError(
                f"{consumer.name} tokenizes the prompt and each answer apart, and the tokenizer adds {added} to every"
                f" text, so one would be {where}. Use a copy of the tokenizer that adds none, such as one saved after"
                f" tokenizer.backend_tokenizer.post_processor = processors.Sequence([]){instead}"
            )
        if edges.bos == "drop" and edges.bos_token and written.bos not in ("", edges.bos_token):
            raise DefinitionError(
                f"the style {style.name} begins texts with {preview(written.bos)}, and the tokenizer adds"
                f" {preview(edges.bos_token)} before them, so the two are of different models. Use the tokenizer's own"
                f" style{instead}"
            )
        return edges
    parts = [name for name, text in zip(("a BOS", "an end of turn", "text after it"), written, strict=True) if text]
    if not parts and not consumer.tokenizes_apart:
        return None
    fault = f"the style {style.name} writes {' and '.join(parts)}, and {consumer.name} adds BOS and EOS to the dialect"
    fault += f" {dialect} by itself, so they would be there twice"
    if not parts:
        fault = (
            f"{consumer.name} tokenizes the prompt and each answer apart, so a BOS that its tokenizer adds would be"
        )
        fault += " before each answer"
    use = f"Use the dialect {consumer.messages} (messages), or text" if consumer.messages else "Use the dialect text"
    raise DefinitionError(
        f"{fault}. {use} (for your own tokenizer call), or say what the tokenizer adds: with_tokenizer(...) or"
        " with_edges(...), in a command --tokenizer, or --bos and --eos"
    )
