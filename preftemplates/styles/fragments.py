"""A layout written as one fragment per role: a literal, `{{ content }}` once, a literal.

The fragments alone determine texts, spans and the exported chat template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.messages import CONTENT_KEYS
from preftemplates.core.spans import Span, SpanKind, content_spans
from preftemplates.errors import Code, DefinitionError, RowError, preview
from preftemplates.styles.reasoning import Reasoning, apply_reasoning, check_reasoning, find_policy_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.core.spans import Change

CONTENT_SLOT = re.compile(r"\{\{-?\s*content\s*-?\}\}")
JINJA_TAG = re.compile(r"\{\{|\{%|\{#")


class Fragment(NamedTuple):
    """What stands before and behind the content of a role's turn."""

    role: str
    head: str
    tail: str

    @classmethod
    def read(cls, role: str, source: str) -> Fragment:
        """Read `literal {{ content }} literal`.

        Raises:
            DefinitionError: the content does not stand there once, or there is other Jinja.
        """
        literals = CONTENT_SLOT.split(source) if isinstance(source, str) else []
        if len(literals) != 2:
            raise DefinitionError(
                f"{role}: a fragment is text with {{{{ content }}}} in it once, got {preview(source)}"
            )
        if any(JINJA_TAG.search(literal) for literal in literals):
            raise DefinitionError(
                f"{role}: a fragment holds no Jinja but {{{{ content }}}}; anything richer is a chat_template,"
                f" got {preview(source)}"
            )
        return cls(role, *literals)


class _Part(NamedTuple):
    """A run of characters with one owner."""

    text: str
    kind: SpanKind
    role: str | None = None
    message: int | None = None


@dataclass(frozen=True)
class Fragments:
    """The layout of a style that is declared by fragments.

    Attributes:
        opening: written once, at the very start.
        turns: a fragment a role.
        stop: what ends an assistant's turn, with which the tail of its fragment begins; may be empty.
        closing: written once, behind everything, unless the text ends with a generation prompt.
        reasoning: what becomes of thinking.
    """

    opening: str
    turns: tuple[Fragment, ...]
    stop: str = ""
    closing: str = ""
    reasoning: Reasoning = "keep"

    def __post_init__(self) -> None:
        check_plain_text("opening", self.opening)
        check_plain_text("closing", self.closing)
        check_reasoning(self.reasoning)
        if not isinstance(self.stop, str):
            raise DefinitionError(f"stop is text, got {preview(self.stop)}")
        _check_turns(self.turns)
        assistant = next((turn for turn in self.turns if turn.role == "assistant"), None)
        if assistant is None:
            raise DefinitionError("a style has a fragment for the role assistant")
        if not assistant.tail.startswith(self.stop):
            raise DefinitionError(
                f"the stop {preview(self.stop)} does not follow the content of the assistant fragment, which ends with"
                f" {preview(assistant.tail)}"
            )

    @property
    def identity(self) -> Any:
        """The layout as JSON-like data, for digests."""
        turns = [list(turn) for turn in self.turns]
        around = {"opening": self.opening, "stop": self.stop, "closing": self.closing}
        return {"turns": turns, **around, "reasoning": self.reasoning}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a turn."""
        return tuple(turn.role for turn in self.turns)

    @property
    def generation_prompt(self) -> str:
        """The head of the assistant's turn, without its trailing blanks (a line's end is none)."""
        return next(turn.head for turn in self.turns if turn.role == "assistant").rstrip(" \t")

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """The text of a conversation."""
        return "".join([part.text for part in self._write_parts(messages, add_generation_prompt)])

    def spans(self, messages: Sequence[Message], add_generation_prompt: bool) -> tuple[Span, ...]:
        """The spans that partition the text."""
        spans: list[Span] = []
        at = 0
        for part in self._write_parts(messages, add_generation_prompt):
            if part.kind == "content" and part.message is not None:
                spans += content_spans(at, part.text, part.role, part.message, "content")
            elif part.text:
                spans.append(Span(at, at + len(part.text), part.kind, part.role, part.message))
            at += len(part.text)
        return tuple(spans)

    def between(self, opening: str, closing: str) -> Fragments:
        """The same layout, with other text at its start and at its end."""
        return replace(self, opening=opening, closing=closing)

    def with_reasoning(self, reasoning: Reasoning) -> Fragments:
        """Return the same layout with another policy for thinking."""
        return replace(self, reasoning=reasoning)

    def changes(
        self,
        messages: Sequence[Message],
        add_generation_prompt: bool,  # noqa: ARG002  every layout has this signature
    ) -> tuple[Change, ...]:
        """What the policy for thinking did to the messages; the fragments print each content once and whole."""
        return tuple(find_policy_changes(messages, self.reasoning))

    def _write_parts(self, messages: Sequence[Message], add_generation_prompt: bool) -> Iterator[_Part]:
        turns = {turn.role: turn for turn in self.turns}
        yield _Part(self.opening, "scaffold")
        for index, message in enumerate(apply_reasoning(messages, self.reasoning)):
            role, head, tail = turns[message["role"]]
            stop = self.stop if role == "assistant" else ""
            yield _Part(head, "scaffold", role, index)
            yield _Part(_read_text(message, index), "content", role, index)
            yield _Part(stop, "stop", role, index)
            yield _Part(tail[len(stop) :], "scaffold", role, index)
        if add_generation_prompt:
            yield _Part(self.generation_prompt, "scaffold", "assistant")
        else:
            yield _Part(self.closing, "scaffold")


def _check_turns(turns: Any) -> None:
    """Refuse what is no fragment, and a second one for a role: of two it would not be clear which is written."""
    if not all(isinstance(turn, Fragment) and all(isinstance(part, str) for part in turn) for turn in turns):
        raise DefinitionError(f"turns are fragments: a role, and the texts around its content; got {preview(turns)}")
    roles = [turn.role for turn in turns]
    twice = next((role for role in roles if roles.count(role) > 1), None)
    if twice is not None:
        raise DefinitionError(f"a style has one fragment for each role, got {roles.count(twice)} for {preview(twice)}")


def check_plain_text(part: str, value: Any) -> None:
    """Refuse what a style cannot write as it is.

    Raises:
        DefinitionError: it is no text, or there is Jinja in it.
    """
    if not isinstance(value, str) or JINJA_TAG.search(value):
        raise DefinitionError(f"{part} is text without Jinja, got {preview(value)}")


def _read_text(message: Mapping[str, Any], index: int) -> str:
    content = message.get("content")
    lost = next((key for key in CONTENT_KEYS if message.get(key)), None)
    if isinstance(content, str) and lost is None:
        return content
    what = lost or ("typed parts" if isinstance(content, list) else "no content")
    raise RowError(
        f"message {index}: a text style spells text only, got {what}", code=Code.UNSUPPORTED_CONTENT, value=content
    )
