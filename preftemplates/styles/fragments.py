"""A layout written as one role template per role: literal text, `{{ content }}` once, literal text.

The role templates alone determine texts, spans and the exported chat template.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from preftemplates.core.messages import CONTENT_KEYS
from preftemplates.core.pickling import PickledByFields
from preftemplates.core.spans import Rendered, Span, SpanKind, content_spans
from preftemplates.errors import Code, DefinitionError, RowError, preview
from preftemplates.styles.export import format_jinja_literal, write_header, write_reasoning
from preftemplates.styles.parsing import find_turn_marks, is_reversible, make_irreversible_error, parse_conversation
from preftemplates.styles.reasoning import (
    Reasoning,
    apply_reasoning,
    check_reasoning,
    find_policy_changes,
    is_history_kept,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from preftemplates.core.messages import Message
    from preftemplates.core.spans import Change
    from preftemplates.sandbox.limits import Limits

CONTENT_SLOT = re.compile(r"\{\{-?\s*content\s*-?\}\}")
JINJA_TAG = re.compile(r"\{\{|\{%|\{#")


class Fragment(NamedTuple):
    """The text before and after the content of a role's turn."""

    role: str
    head: str
    tail: str

    @classmethod
    def read(cls, role: str, source: str) -> Fragment:
        """Read `literal {{ content }} literal`.

        Raises:
            DefinitionError: the source does not have `{{ content }}` once, or contains other Jinja.
        """
        literals = CONTENT_SLOT.split(source) if isinstance(source, str) else []
        if len(literals) != 2:
            raise DefinitionError(
                f"{role}: a role template must be text with {{{{ content }}}} in it once, got {preview(source)}"
            )
        if any(JINJA_TAG.search(literal) for literal in literals):
            raise DefinitionError(
                f"{role}: a role template may have no Jinja except {{{{ content }}}}, got {preview(source)};"
                " use a chat_template for anything else"
            )
        return cls(role, *literals)


class _Part(NamedTuple):
    """A run of characters with the same kind and message."""

    text: str
    kind: SpanKind
    role: str | None = None
    message: int | None = None


@dataclass(frozen=True)
class Fragments(PickledByFields):
    """The layout of a style that is declared by role templates.

    Attributes:
        opening: the prefix, written once at the start.
        turns: one role template per role.
        stop: the end-of-turn token of an assistant, which directly follows its content; may be empty.
        closing: the suffix, written once at the end, unless the text ends with a generation prompt.
        reasoning: the policy for thinking.
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
            raise DefinitionError(f"stop must be text, got {preview(self.stop)}")
        _check_turns(self.turns)
        assistant = next((turn for turn in self.turns if turn.role == "assistant"), None)
        if assistant is None:
            raise DefinitionError("a style needs a role template for the role assistant")
        if not assistant.tail.startswith(self.stop):
            raise DefinitionError(
                f"the stop {preview(self.stop)} does not follow the content of the assistant's role template,"
                f" which ends with {preview(assistant.tail)}"
            )

    @property
    def identity(self) -> Any:
        """The layout as JSON-like data, for digests."""
        turns = [list(turn) for turn in self.turns]
        around = {"opening": self.opening, "stop": self.stop, "closing": self.closing}
        return {"turns": turns, **around, "reasoning": self.reasoning}

    @cached_property
    def _turn_by_role(self) -> dict[str, Fragment]:
        return {turn.role: turn for turn in self.turns}

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a turn."""
        return tuple(self._turn_by_role)

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer: always the same one."""
        return (self.stop,) if self.stop else ()

    @cached_property
    def generation_prompt(self) -> str:
        """The text before an assistant's content, without spaces and tabs at its end; newlines stay."""
        # a tokenizer encodes `[ANSWER] ` with a space at its end as other tokens than `[ANSWER] Yes`
        return self._turn_by_role["assistant"].head.rstrip(" \t")

    @property
    def source(self) -> str | None:
        """None: there is no chat template."""
        return None

    @property
    def variables(self) -> dict[str, Any]:
        """Empty: there are no variables."""
        return {}

    @property
    def limits(self) -> Limits | None:
        """None: there are no limits."""
        return None

    @property
    def isolate(self) -> bool:
        """Whether it renders in a separate process: never."""
        return False

    # --- texts -----------------------------------------------------------------------------------------------------

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """Return the text of a conversation.

        Raises:
            RowError: a message contains something other than text.
        """
        turns = self._write_turns(apply_reasoning(messages, self.reasoning))
        return f"{self.opening}{turns}{self.generation_prompt if add_generation_prompt else self.closing}"

    def texts(self, prompt: Sequence[Message], responses: Sequence[Sequence[Message]]) -> Iterator[str]:
        """Yield the text of the prompt with the generation prompt, then the text of the prompt with each response.

        Raises:
            RowError: as in `text`.
        """
        # the prompt is written once for all responses
        written = self.opening + self._write_turns(apply_reasoning(prompt, self.reasoning))
        yield written + self.generation_prompt
        for response in responses:
            if is_history_kept(response, self.reasoning):
                own = self._write_turns(apply_reasoning(response, self.reasoning), len(prompt))
                yield f"{written}{own}{self.closing}"
            else:
                yield self.text([*prompt, *response], add_generation_prompt=False)

    def _write_turns(self, messages: Sequence[Mapping[str, Any]], start: int = 0) -> str:
        """Return the text of messages, the first of which has this index."""
        texts: list[str] = []
        for index, message in enumerate(messages, start):
            _, head, tail = self._turn_by_role[message["role"]]
            texts += head, _read_text(message, index), tail
        return "".join(texts)

    def render(self, messages: Sequence[Message], add_generation_prompt: bool) -> Rendered:
        """Return the text of a conversation, with its spans and changes on demand.

        Raises:
            RowError: as in `text`.
        """
        text = self.text(messages, add_generation_prompt)
        return Rendered(
            text,
            partial(self.spans, messages, add_generation_prompt),
            partial(self.find_changes, messages),
            partial(tuple, self.stops),
            len(messages),
        )

    def spans(self, messages: Sequence[Message], add_generation_prompt: bool) -> tuple[Span, ...]:
        """Return the spans that partition the text."""
        spans: list[Span] = []
        at = 0
        for part in self._write_parts(messages, add_generation_prompt):
            if part.kind == "content" and part.message is not None:
                spans += content_spans(at, part.text, part.role, part.message, "content")
            elif part.text:
                spans.append(Span(at, at + len(part.text), part.kind, part.role, part.message))
            at += len(part.text)
        return tuple(spans)

    def find_changes(self, messages: Sequence[Message]) -> tuple[Change, ...]:
        """Return the changes by the policy for thinking; each content is printed exactly once and whole."""
        return tuple(find_policy_changes(messages, self.reasoning))

    def _write_parts(self, messages: Sequence[Message], add_generation_prompt: bool) -> Iterator[_Part]:
        yield _Part(self.opening, "scaffold")
        for index, message in enumerate(apply_reasoning(messages, self.reasoning)):
            role, head, tail = self._turn_by_role[message["role"]]
            # the tails of other roles often begin with the same token, but it ends no answer there
            stop = self.stop if role == "assistant" else ""
            yield _Part(head, "scaffold", role, index)
            yield _Part(_read_text(message, index), "content", role, index)
            yield _Part(stop, "stop", role, index)
            yield _Part(tail[len(stop) :], "scaffold", role, index)
        if add_generation_prompt:
            yield _Part(self.generation_prompt, "scaffold", "assistant")
        else:
            yield _Part(self.closing, "scaffold")

    # --- the export ------------------------------------------------------------------------------------------------

    def export(self) -> str:
        """Return the layout as a chat template, with the header from which it can be read back."""
        return f"{write_header(asdict(self))}{self.write_chat_template()}"

    def write_chat_template(self) -> str:
        """Return the chat template without a header; generation marks cover the text after the generation prompt."""
        tests = ["if", *["elif"] * (len(self.turns) - 1)]
        closing = f"{{%- else -%}}{_write_print(self.closing)}" if self.closing else ""
        turns = [
            f"{{%- {test} message['role'] == {format_jinja_literal(turn.role)} -%}}\n{self._write_turn_template(turn)}"
            for test, turn in zip(tests, self.turns, strict=True)
        ]
        prompt = _write_print(self.generation_prompt)
        return write_reasoning(self.reasoning) + "\n".join(
            [
                _write_print(self.opening),
                "{%- for message in messages -%}",
                "{%- if message['content'] is not string -%}",
                "{{- raise_exception('content must be text') -}}",
                "{%- endif -%}",
                # `_read_text` rejects the same messages
                f"{{%- for key in {list(CONTENT_KEYS)} -%}}{{%- if message[key] -%}}",
                "{{- raise_exception('this layout has no place for ' + key) -}}",
                "{%- endif -%}{%- endfor -%}",
                *turns,
                "{%- else -%}",
                "{{- raise_exception('this layout has no turn for the role ' + message['role']) -}}",
                "{%- endif -%}",
                "{%- endfor -%}",
                f"{{%- if add_generation_prompt -%}}{prompt}{closing}{{%- endif -%}}",
            ]
        )

    def _write_turn_template(self, turn: Fragment) -> str:
        content = "{{- message['content'] -}}"
        if turn.role != "assistant":
            return _write_print(turn.head) + content + _write_print(turn.tail)
        prompt, stop = self.generation_prompt, self.stop
        return (
            f"{_write_print(prompt)}{{%- generation -%}}{_write_print(turn.head[len(prompt) :])}{content}"
            f"{_write_print(stop)}{{%- endgeneration -%}}{_write_print(turn.tail[len(stop) :])}"
        )

    # --- the same layout with something else -----------------------------------------------------------------------

    def between(self, opening: str, closing: str) -> Fragments:
        """Return the layout with another opening and closing."""
        return replace(self, opening=opening, closing=closing)

    def with_reasoning(self, reasoning: Reasoning) -> Fragments:
        """Return the layout with another policy for thinking."""
        return replace(self, reasoning=reasoning)

    def with_date(self, moment: datetime) -> Fragments:  # noqa: ARG002  every layout has this signature
        """Return the layout unchanged: its texts print no date."""
        return self

    def with_token(self, name: str, token: str) -> Fragments:  # noqa: ARG002  every layout has this signature
        """Return the layout unchanged: its special tokens are part of its texts."""
        return self

    @property
    def prints_tools(self) -> bool:
        """False: no role template prints tools."""
        return False

    def with_tools(self, tools: str) -> NoReturn:
        """Raise an error: no role template prints tools.

        Raises:
            RowError: `unsupported_content`.
        """
        message = "the style has no place for tools; choose one whose chat template prints them"
        raise RowError(message, code=Code.UNSUPPORTED_CONTENT, value=tools)

    def without_tools(self) -> Fragments:
        """Return the layout unchanged: it has no tools."""
        return self

    # --- parsing ---------------------------------------------------------------------------------------------------

    @property
    def reversible(self) -> bool:
        """Whether each turn begins with a marker that belongs to its role alone."""
        return is_reversible(self)

    @property
    def turn_marks(self) -> frozenset[str]:
        """The texts around contents, as far as they are more than whitespace."""
        return find_turn_marks(self)

    def parse(self, text: str) -> list[Message]:
        """Return the messages of a text; a generation prompt at its end is not a message.

        Raises:
            RowError: `bad_turns` if it is not a text of this layout, or is also the text of another conversation.
            StyleContractError: the layout is not reversible.
        """
        if not self.reversible:
            raise make_irreversible_error()
        return parse_conversation(self, text)


def _check_turns(turns: Any) -> None:
    """Check that the turns are role templates, one per role: with two, it would be ambiguous which one is written."""
    if not all(isinstance(turn, Fragment) and all(isinstance(part, str) for part in turn) for turn in turns):
        raise DefinitionError(
            f"turns must be fragments: a role, and the texts around its content; got {preview(turns)}"
        )
    roles = [turn.role for turn in turns]
    twice = next((role for role in roles if roles.count(role) > 1), None)
    if twice is not None:
        raise DefinitionError(f"expected one role template per role, got {roles.count(twice)} for {preview(twice)}")


def check_plain_text(part: str, value: Any) -> None:
    """Check that a text can be written unchanged.

    Raises:
        DefinitionError: it is not text, or contains Jinja.
    """
    if not isinstance(value, str) or JINJA_TAG.search(value):
        raise DefinitionError(f"{part} must be text without Jinja, got {preview(value)}")


def _write_print(text: str) -> str:
    """Return a Jinja statement that prints a text; empty for an empty text."""
    # as a literal, since the `-` of the statements around it would strip whitespace from text between them
    return f"{{{{- {format_jinja_literal(text)} -}}}}" if text else ""


def _read_text(message: Mapping[str, Any], index: int) -> str:
    content = message.get("content")
    if isinstance(content, str) and len(message) == 2:  # the usual message: a role and a text
        return content
    lost = next((key for key in CONTENT_KEYS if message.get(key)), None)
    if isinstance(content, str) and lost is None:
        return content
    what = lost or ("typed parts" if isinstance(content, list) else "no content")
    raise RowError(
        f"message {index}: a style of role templates writes only text, got {what}",
        code=Code.UNSUPPORTED_CONTENT,
        value=content,
    )
