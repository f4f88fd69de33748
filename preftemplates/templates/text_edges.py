"""Text edges: BOS and EOS are left out of texts for a consumer that tokenizes them, since it adds these itself.

A style's text may begin with a BOS. An answer ends with the style's stop, and with a tail after it, such as ChatML's
newline. A consumer's tokenizer would add a second BOS, and the consumer appends EOS to a text that does not end with
it, which would be after the tail.
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
"""keep: a text has the tokens that the style writes there; drop: the consumer adds them."""


@dataclass(frozen=True)
class TextEdges:
    """The special tokens at the edges of texts.

    Attributes:
        bos: whether texts begin with the style's BOS.
        eos: whether answers end with the style's stop; a tail after the stop is left out in both cases.
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
                raise DefinitionError(f"{name} must be 'keep' or 'drop', got {preview(getattr(self, name))}")

    @property
    def identity(self) -> Any:
        """The edges as JSON-like data, for digests."""
        added = {"adds_eos": True} if self.adds_eos else {}
        return {"bos": self.bos, "eos": self.eos, "bos_token": self.bos_token, **added}

    def cut(self, sample: Sample[str], style: Style) -> Sample[str]:
        """Return the texts without the tokens that the consumer adds."""
        responses = list(sample.responses.values())
        whole = len(responses) - 1 if sample.pieces else 0  # the steps before the last end inside the answer
        texts = [self.cut_text(text, style, is_response=index >= whole) for index, text in enumerate(responses)]
        return sample.refilled(self.cut_text(sample.prompt, style, is_response=False), texts)

    def cut_text(self, text: str, style: Style, *, is_response: bool) -> str:
        """Return one text without the tokens that the consumer adds; only a response has an end to cut."""
        start, end = self.list_cuts(style)
        text = text.removeprefix(start)
        if is_response and end is not None and text.endswith(end[0]):
            return text.removesuffix(end[0]) + end[1]
        return text

    def list_cuts(self, style: Style) -> tuple[str, tuple[str, str] | None]:
        """Return the prefix to remove from a text, and the suffix to remove with its replacement, if there is one."""
        written = style.edges
        bos = self.bos_token if self.bos_token is not None else written.bos
        ending = written.stop + written.tail
        end = (ending, written.stop if self.eos == "keep" else "") if ending else None
        return bos if self.bos == "drop" else "", end


def read_text_edges(tokenizer: Any, consumer: TextConsumer) -> TextEdges:
    """Return the edges for a consumer with this tokenizer.

    Args:
        tokenizer: a tokenizer of transformers, or another callable object with `bos_token`, `bos_token_id` and
            `eos_token_id` that returns `input_ids`.
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
    """Return the edges for a consumer; None if texts stay as the style writes them.

    Raises:
        DefinitionError: the consumer would add a second BOS or EOS, and it is unknown what its tokenizer adds; or its
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
                f"{consumer.name} tokenizes the prompt and each answer separately, and the tokenizer adds {added} to"
                f" every text, so there would be one {where}. Use a copy of the tokenizer that adds none, such as one"
                f" saved after tokenizer.backend_tokenizer.post_processor = processors.Sequence([]){instead}"
            )
        if edges.bos == "drop" and edges.bos_token and written.bos not in ("", edges.bos_token):
            raise DefinitionError(
                f"the style {style.name} begins texts with {preview(written.bos)}, and the tokenizer adds"
                f" {preview(edges.bos_token)} before them, so the two belong to different models."
                f" Use the tokenizer's own style{instead}"
            )
        return edges
    parts = [name for name, text in zip(("a BOS", "an end of turn", "text after it"), written, strict=True) if text]
    if not parts and not consumer.tokenizes_apart:
        return None
    fault = f"the style {style.name} writes {' and '.join(parts)}, and {consumer.name} also adds BOS and EOS to the"
    fault += f" texts of the dialect {dialect}, so they would be doubled"
    if not parts:
        fault = (
            f"{consumer.name} tokenizes the prompt and each answer separately, so a BOS that its tokenizer adds would"
        )
        fault += " be before each answer"
    use = f"Use the dialect {consumer.messages} (messages), or text" if consumer.messages else "Use the dialect text"
    raise DefinitionError(
        f"{fault}. {use} (for your own tokenizer call), or state what the tokenizer adds: with_tokenizer(...) or"
        " with_edges(...) in Python, --tokenizer or --bos and --eos in a command"
    )
