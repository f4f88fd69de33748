"""A layout written as a Hugging Face chat template, rendered as transformers renders it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from jinja2.exceptions import TemplateError

from preftemplates.core.messages import ROLES, Message
from preftemplates.core.paths import extend_path
from preftemplates.core.provenance import Traced, concat, find_origins, pieces_of, plain, plain_data, trace_fully
from preftemplates.core.spans import Change, Span
from preftemplates.core.tools import is_json_list
from preftemplates.errors import Code, DefinitionError, RowError, StyleLimitError, one_line, preview
from preftemplates.sandbox.allowlist import GLOBALS
from preftemplates.sandbox.budget import seconds_left, within
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.attribution import OwnedText
from preftemplates.styles.environment import CLOCK, compiled, names_in
from preftemplates.styles.fragments import check_literal, literal
from preftemplates.styles.isolation import ask
from preftemplates.styles.reasoning import FIELDS, Reasoning, as_written, check_reasoning, exported, unused

PROBE = "q8Zk3vXw"
"""A content that no layout writes by itself."""


@dataclass(frozen=True)
class ChatTemplate:
    """The layout of a style that is a chat template.

    Attributes:
        source: the template's text.
        bos_token, eos_token: what the template finds under these names.
        defaults: the template's further variables, by name, each as JSON.
        opening: written once, in front of what the template renders.
        closing: written once, behind it, unless the text ends with a generation prompt.
        reasoning: what becomes of thinking before the template sees it.
        roles: the roles that have a turn.
        limits: how much the template may need; None for one that is trusted. Text is the same with any.
        isolate: whether it renders in a process of its own.
    """

    source: str
    bos_token: str | None = None
    eos_token: str | None = None
    defaults: tuple[tuple[str, str], ...] = ()
    opening: str = ""
    closing: str = ""
    reasoning: Reasoning = "keep"
    roles: tuple[str, ...] = ROLES
    limits: Limits | None = field(default=None, compare=False, repr=False)
    isolate: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def read(
        cls,
        source: Any,
        bos_token: Any,
        eos_token: Any,
        defaults: Any,
        reasoning: Any = "keep",
        limits: Limits | None = None,
        isolate: bool = False,
        roles: Any = ROLES,
        compile: bool = True,
    ) -> ChatTemplate:
        """Check and freeze what a style says of its chat template.

        Without `compile` the source is compiled when it is first rendered, and the errors are raised then.

        Raises:
            DefinitionError: the source or a token is no text, a default is no JSON or has a name that is no
                variable's, or the roles are no names.
            StyleSyntaxError: the source does not parse.
            StyleRefusedError: it does what no template of a stranger may do.
            StyleLimitError: it needs more than its limits allow.
        """
        if not isinstance(source, str):
            raise DefinitionError(f"chat_template is text, got {preview(source)}")
        for name, token in (("bos_token", bos_token), ("eos_token", eos_token)):
            if not isinstance(token, str | None):
                raise DefinitionError(f"{name} is text, got {preview(token)}")
        if not isinstance(defaults, Mapping):
            raise DefinitionError(f"defaults are variables by name, got {preview(defaults)}")
        for name in defaults:
            if not is_variable(name):
                raise DefinitionError(
                    f"a default has the name of a variable that a template can set, got {preview(name)}"
                )
        try:
            frozen = tuple(sorted((name, json.dumps(value, allow_nan=False)) for name, value in defaults.items()))
        except (TypeError, ValueError, RecursionError) as error:
            raise DefinitionError(f"a default is text, a number or other JSON: {error}") from error
        check_reasoning(reasoning)
        around = bos_token, eos_token, frozen
        layout = cls(source, *around, reasoning=reasoning, roles=_read_roles(roles), limits=limits, isolate=isolate)
        if compile:
            layout.compile()
        return layout

    @property
    def identity(self) -> Any:
        """The layout as JSON-like data, for digests."""
        tokens = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        around = {"opening": self.opening, "closing": self.closing}
        read = {"reasoning": self.reasoning, "roles": self.roles}
        return {"chat_template": self.source, "defaults": dict(self.defaults), **tokens, **around, **read}

    def compile(self) -> None:
        """Compile the template, here or in the process of its own."""
        if self.isolate:
            ask({"layout": self._facts}, self._limits, self._limits.seconds)
        else:
            compiled(self.source, self.limits)

    @property
    def _limits(self) -> Limits:
        return self.limits or Limits()

    @property
    def _facts(self) -> dict[str, Any]:
        """What another process needs to make the same layout."""
        names = ("source", "bos_token", "eos_token", "defaults", "reasoning")
        return {**{name: getattr(self, name) for name in names}, "limits": self._limits.model_dump()}

    def between(self, opening: str, closing: str) -> ChatTemplate:
        """The same layout, with other text in front of what it renders and behind it.

        Raises:
            DefinitionError: one is no text, or there is Jinja in it.
        """
        check_literal("opening", opening)
        check_literal("closing", closing)
        return replace(self, opening=opening, closing=closing)

    @property
    def variables(self) -> dict[str, Any]:
        """What the template finds beside the messages."""
        tokens = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        defaults = {name: json.loads(value) for name, value in self.defaults}
        return {name: token for name, token in tokens.items() if token is not None} | defaults

    @property
    def prints_tools(self) -> bool:
        """Whether the template prints the tools that it is given, or refuses them itself; found by a probe."""
        return "tools" in names_in(self.source).read and _probe_tools(self)

    def with_tools(self, tools: str) -> ChatTemplate:
        """The same layout with the text of a JSON list as the tools that its template finds.

        Raises:
            RowError: `wrong_type`: it is no such list.
        """
        if not is_json_list(tools):
            raise RowError("tools are the text of a JSON list of objects", code=Code.WRONG_TYPE, value=tools)
        return replace(self, defaults=tuple(sorted({**dict(self.defaults), "tools": plain(tools)}.items())))

    def without_tools(self) -> ChatTemplate:
        """The same layout, whose template finds no tools."""
        return replace(self, defaults=tuple(pair for pair in self.defaults if pair[0] != "tools"))

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """The text of a conversation.

        Raises:
            RowError: `refused_by_style`, when the template raises on it.
        """
        closing = "" if add_generation_prompt else self.closing
        return self.opening + plain(self.render(plain_data(messages), add_generation_prompt)) + closing

    def trace(self, messages: Sequence[Message], add_generation_prompt: bool) -> ChatTrace:
        """The render in which every text knows its message; it is made when something is asked of it."""
        return ChatTrace(self, messages, add_generation_prompt)

    def spans(self, messages: Sequence[Message], add_generation_prompt: bool) -> tuple[Span, ...]:
        """The spans that partition the text."""
        return self.trace(messages, add_generation_prompt).spans()

    def changes(self, messages: Sequence[Message], add_generation_prompt: bool) -> tuple[Change, ...]:
        """What the template did to the messages."""
        return self.trace(messages, add_generation_prompt).changes()

    def render(self, messages: Any, add_generation_prompt: bool) -> str:
        """The text without opening and closing, traced as far as the messages are."""
        if self.isolate:
            return self._render_apart(messages, add_generation_prompt)
        try:
            return compiled(self.source, self.limits).render(
                {
                    "tools": None,
                    "documents": None,
                    **self.variables,
                    "messages": [_with_reasoning(message) for message in as_written(messages, self.reasoning)],
                    "add_generation_prompt": add_generation_prompt,
                }
            )
        except RowError as error:
            raise _told_apart(error) from None
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            said = one_line(str(error), 200)
            raise RowError(f"the style's chat template raised: {said}", code=Code.REFUSED_BY_STYLE) from error

    def _render_apart(self, messages: Any, add_generation_prompt: bool) -> str:
        traced = any(True for _ in find_origins(messages))
        request = {
            "layout": self._facts,
            "messages": plain_data(messages),
            "traced": traced,
            "add_generation_prompt": add_generation_prompt,
            "now": CLOCK.get()().isoformat(),
        }
        return ask(request, self._limits, seconds_left(self._limits.seconds))

    @property
    def stop(self) -> str:
        """What follows the last answer, found by rendering one; trailing blanks are cut."""
        return _probe_stop(self.without_tools())

    @property
    def chat_template(self) -> str:
        """The source, with what the style says beside it written into it: tokens, opening, closing, other roles.

        A variable that the source does not look up is not set: to set it could only change what the source does.
        """
        # trim_blocks takes the header's line ends away, and nothing of the source
        header = [
            f"{{%- set {name} = {literal(value)} %}}\n"
            for name, value in self.variables.items()
            if name in names_in(self.source).read
        ]
        if self.roles != ROLES:
            others = f"for message in messages if message['role'] not in {literal(self.roles)}"
            refusal = "raise_exception('this layout has no turn for the role ' + message['role'])"
            header.insert(0, f"{{%- {others} %}}{{{{ {refusal} }}}}{{% endfor %}}\n")
        if self.opening:
            header.append(f"{{{{ {literal(self.opening)} }}}}{{##}}\n")
        if self.source[:1].isspace() and not header and not self.closing:
            header.append("{##}\n")  # else what stands in front of the source takes its first blanks away
        source = self._closed_source if self.closing else self.source
        return exported(self.reasoning, self.source) + "".join(header) + source

    @property
    def _closed_source(self) -> str:
        """The source with the closing behind it; the choice stands in front, since a source may set variables."""
        name = unused("closing", self.source)
        source = re.sub(r"(\r\n|\r|\n)\Z", "", self.source)  # as Jinja does at the end of a template
        source = re.sub(r"\{\Z", "{{ '{' }}", source)  # else it would open a tag with the next brace
        deciding = f"'' if add_generation_prompt else {literal(self.closing)}"
        return f"{{%- set {name} = {deciding} %}}\n{source}{{{{ {name} }}}}"


WORDS = frozenset(("and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "or", "true", "True"))
"""What Jinja reads as a constant or an operator."""

RESERVED = frozenset({"messages", "add_generation_prompt", "loop", "self"}) | GLOBALS | WORDS
"""Names that mean something else in every chat template."""


def is_variable(name: Any) -> bool:
    """Whether a default, or a tokenizer's token, may have this name: a template can read and set it.

    >>> [is_variable(name) for name in ("enable_thinking", "a-b", "true", "messages")]
    [True, False, False, False]
    """
    return isinstance(name, str) and name.isascii() and name.isidentifier() and name not in RESERVED


def _read_roles(roles: Any) -> tuple[str, ...]:
    """The names of the roles that have a turn."""
    if not isinstance(roles, list | tuple) or not all(isinstance(role, str) for role in roles):
        raise DefinitionError(f"accepted_roles are names of roles, got {preview(roles)}")
    if "assistant" not in roles:
        raise DefinitionError(f"a style has a turn for the role assistant, got {preview(roles)}")
    return tuple(dict.fromkeys(roles))


@dataclass(frozen=True)
class ChatTrace:
    """One render of a chat template in which every text knows its message."""

    layout: ChatTemplate
    messages: Sequence[Message]
    add_generation_prompt: bool

    def spans(self) -> tuple[Span, ...]:
        """The spans that partition the text."""
        return self._owned.spans

    def changes(self) -> tuple[Change, ...]:
        """What the template did to the messages."""
        return self._owned.changes

    @cached_property
    def _owned(self) -> OwnedText:
        """The text with its owners; a content that is empty and went unprinted gets the place that it would have."""
        with within((self.layout.limits or Limits()).seconds):
            return self._found_owners()

    def _found_owners(self) -> OwnedText:
        opening, closing = self.layout.opening, "" if self.add_generation_prompt else self.layout.closing
        rendered = self._render(traced_messages(self.messages))
        text = concat((opening, rendered, closing)) if opening or closing else rendered
        answers = self._answers(text)
        owned = OwnedText(text, self.messages, self.layout.stop, len(opening), len(closing), answers=answers)
        if not owned.unplaced:
            return owned
        places = self._places(owned.unplaced, plain(rendered))
        return replace(owned, empty={index: len(opening) + place for index, place in places.items()})

    def _answers(self, text: str) -> dict[int, tuple[int, int]]:
        """Where messages that call tools begin, behind the generation prompt, and where they end."""
        found = dict[int, tuple[int, int]]()
        for index, message in enumerate(self.messages):
            if message.get("tool_calls") and message["role"] == "assistant":
                with suppress(RowError):
                    asked = self.layout.text(self.messages[:index], add_generation_prompt=True)
                    whole = self.layout.text(self.messages[: index + 1], add_generation_prompt=False)
                    if text.startswith(asked):
                        found[index] = len(asked), len(whole) if text.startswith(whole) else len(asked)
        return found

    def _places(self, indexes: Sequence[int], text: str) -> dict[int, int]:
        """Where empty contents would stand: where marks in their places stand, if nothing else changes with these."""
        places = self._marked(indexes, text)
        if places is None:  # one of the marks does change something: each by itself
            each = [self._marked([index], text) or {} for index in indexes] if len(indexes) > 1 else []
            places = {index: place for found in each for index, place in found.items()}
        return places

    def _marked(self, indexes: Sequence[int], text: str) -> dict[int, int] | None:
        """The places of marks in `text`; None where it is another text with them."""
        messages: list[Any] = list(self.messages)
        for index in indexes:
            messages[index] = {**messages[index], "content": PROBE}
        try:
            rendered = self._render(traced_messages(messages))
        except StyleLimitError:
            raise
        except RowError:
            return None
        wanted = {f"{index}.content": index for index in indexes}
        rest, at, places = "", 0, dict[int, int]()
        for start, end, origin, offset in pieces_of(rendered):
            if origin in wanted and offset == 0 and end - start == len(PROBE) and wanted[str(origin)] not in places:
                rest, at = rest + rendered[at:start], end
                places[wanted[str(origin)]] = len(rest)
        return places if rest + rendered[at:] == text else None

    def _render(self, messages: list[Any]) -> str:
        return self.layout.render(messages, self.add_generation_prompt)


@lru_cache(maxsize=256)
def _probe_tools(layout: ChatTemplate) -> bool:
    parameters = {"type": "object", "properties": {}, "required": []}
    tool = {"type": "function", "function": {"name": PROBE, "description": "?", "parameters": parameters}}
    try:
        return PROBE in layout.with_tools(json.dumps([tool])).text([{"role": "user", "content": "?"}], True)
    except RowError:  # it says itself what it wants
        return True


@lru_cache(maxsize=256)
def _probe_stop(layout: ChatTemplate) -> str:
    try:
        text = layout.render(
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": PROBE}], add_generation_prompt=False
        )
    except RowError:
        return ""
    return text.rpartition(PROBE)[2].rstrip() if PROBE in text else ""


def _told_apart(error: RowError) -> RowError:
    """The error with the template's line in its message, since the line of a row's error is the row's own."""
    facts = {name: fact for name, fact in error.facts.items() if name != "line"}
    place = f" (line {error.line} of the template)" if error.line else ""
    return type(error)(error.message + place, **facts)


def traced_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages with every text, number and key but the roles traced to its message and field."""
    return [_traced_message(message, index) for index, message in enumerate(messages)]


def _traced_message(message: Message, index: int) -> dict[str, Any]:
    """The message with all but the role traced to its field."""
    traced: dict[str, Any] = {}
    for key, value in message.items():
        if key == "role":
            traced[key] = value
        elif type(value) is str:
            traced[key] = Traced.whole(value, extend_path(str(index), key))
        else:
            traced[key] = trace_fully(plain_data(value), extend_path(str(index), key))
    return traced


def _with_reasoning(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message with its thinking under both names that chat templates read, as transformers hands it over."""
    thinking = next((message[name] for name in FIELDS if message.get(name) is not None), None)
    return message if thinking is None else {"thinking": thinking, **message, "reasoning_content": thinking}
