"""A layout written as one fragment a role: a literal, `{{ content }}` once, a literal.

That alone gives text, spans and a Hugging Face chat template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from preftemplates.core.messages import CONTENT_KEYS, Message
from preftemplates.core.provenance import plain
from preftemplates.core.spans import Change, Span, SpanKind, content_spans
from preftemplates.errors import Code, DefinitionError, RowError, preview
from preftemplates.styles.reasoning import Reasoning, as_written, check_reasoning, exported, policy_changes

SLOT = re.compile(r"\{\{-?\s*content\s*-?\}\}")
JINJA = re.compile(r"\{\{|\{%|\{#")


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
        literals = SLOT.split(source) if isinstance(source, str) else []
        if len(literals) != 2:
            raise DefinitionError(
                f"{role}: a fragment is text with {{{{ content }}}} in it once, got {preview(source)}"
            )
        if any(JINJA.search(literal) for literal in literals):
            raise DefinitionError(
                f"{role}: a fragment holds no Jinja but {{{{ content }}}}; anything richer is a chat_template,"
                f" got {preview(source)}"
            )
        return cls(role, *literals)


class Part(NamedTuple):
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
        check_literal("opening", self.opening)
        check_literal("closing", self.closing)
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
        return "".join([part.text for part in self._parts(messages, add_generation_prompt)])

    def spans(self, messages: Sequence[Message], add_generation_prompt: bool) -> tuple[Span, ...]:
        """The spans that partition the text."""
        spans: list[Span] = []
        at = 0
        for part in self._parts(messages, add_generation_prompt):
            if part.kind == "content" and part.message is not None:
                spans += content_spans(at, part.text, part.role, part.message, "content")
            elif part.text:
                spans.append(Span(at, at + len(part.text), part.kind, part.role, part.message))
            at += len(part.text)
        return tuple(spans)

    def between(self, opening: str, closing: str) -> Fragments:
        """The same layout, with other text at its start and at its end."""
        return replace(self, opening=opening, closing=closing)

    def changes(self, messages: Sequence[Message], add_generation_prompt: bool) -> tuple[Change, ...]:
        """What the policy for thinking did to the messages; the fragments print each content once and whole."""
        return tuple(policy_changes(messages, self.reasoning))

    def _parts(self, messages: Sequence[Message], add_generation_prompt: bool) -> Iterator[Part]:
        turns = {turn.role: turn for turn in self.turns}
        yield Part(self.opening, "scaffold")
        for index, message in enumerate(as_written(messages, self.reasoning)):
            role, head, tail = turns[message["role"]]
            stop = self.stop if role == "assistant" else ""
            yield Part(head, "scaffold", role, index)
            yield Part(_text(message, index), "content", role, index)
            yield Part(stop, "stop", role, index)
            yield Part(tail[len(stop) :], "scaffold", role, index)
        if add_generation_prompt:
            yield Part(self.generation_prompt, "scaffold", "assistant")
        else:
            yield Part(self.closing, "scaffold")

    @property
    def chat_template(self) -> str:
        """The layout as a Hugging Face chat template; the generation marks hold what follows the generation prompt."""
        tests = ["if", *["elif"] * (len(self.turns) - 1)]
        closing = f"{{%- else -%}}{_print(self.closing)}" if self.closing else ""
        turns = [
            f"{{%- {test} message['role'] == {literal(turn.role)} -%}}\n{self._exported(turn)}"
            for test, turn in zip(tests, self.turns, strict=True)
        ]
        return exported(self.reasoning) + "\n".join(
            [
                _print(self.opening),
                "{%- for message in messages -%}",
                "{%- if message['content'] is not string -%}",
                "{{- raise_exception('content must be text') -}}",
                "{%- endif -%}",
                f"{{%- for key in {list(CONTENT_KEYS)} -%}}{{%- if message[key] -%}}",
                "{{- raise_exception('this layout has no place for ' + key) -}}",
                "{%- endif -%}{%- endfor -%}",
                *turns,
                "{%- else -%}",
                "{{- raise_exception('this layout has no turn for the role ' + message['role']) -}}",
                "{%- endif -%}",
                "{%- endfor -%}",
                f"{{%- if add_generation_prompt -%}}{_print(self.generation_prompt)}{closing}{{%- endif -%}}",
            ]
        )

    def _exported(self, turn: Fragment) -> str:
        content = "{{- message['content'] -}}"
        if turn.role != "assistant":
            return _print(turn.head) + content + _print(turn.tail)
        begin, end = self.generation_prompt, self.stop
        return (
            f"{_print(begin)}{{%- generation -%}}{_print(turn.head[len(begin) :])}{content}{_print(end)}"
            f"{{%- endgeneration -%}}{_print(turn.tail[len(end) :])}"
        )


def _check_turns(turns: Any) -> None:
    """Refuse what is no fragment, and a second one for a role: of two it would not be clear which is written."""
    if not all(isinstance(turn, Fragment) and all(isinstance(part, str) for part in turn) for turn in turns):
        raise DefinitionError(f"turns are fragments: a role, and the texts around its content; got {preview(turns)}")
    roles = [turn.role for turn in turns]
    twice = next((role for role in roles if roles.count(role) > 1), None)
    if twice is not None:
        raise DefinitionError(f"a style has one fragment for each role, got {roles.count(twice)} for {preview(twice)}")


def check_literal(part: str, value: Any) -> None:
    """Refuse what a style cannot write as it is.

    Raises:
        DefinitionError: it is no text, or there is Jinja in it.
    """
    if not isinstance(value, str) or JINJA.search(value):
        raise DefinitionError(f"{part} is text without Jinja, got {preview(value)}")


def _text(message: Mapping[str, Any], index: int) -> str:
    content = message.get("content")
    lost = next((key for key in CONTENT_KEYS if message.get(key)), None)
    if isinstance(content, str) and lost is None:
        return content
    what = lost or ("typed parts" if isinstance(content, list) else "no content")
    raise RowError(
        f"message {index}: a text style spells text only, got {what}", code=Code.UNSUPPORTED_CONTENT, value=content
    )


def literal(value: Any) -> str:
    r"""JSON-like data as a Jinja expression.

    >>> print(literal({"it's\n": [True, None, 1.5]}))
    {'it\'s\n': [true, none, 1.5]}
    """
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_string(str(key))}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _string(text: str) -> str:
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}
    return "'" + "".join(escapes.get(char, char) for char in plain(text)) + "'"


def _print(text: str) -> str:
    return f"{{{{- {literal(text)} -}}}}" if text else ""
