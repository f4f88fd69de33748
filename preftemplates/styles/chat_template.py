"""A layout written as a Hugging Face chat template, rendered as transformers renders it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import TemplateError

from preftemplates.core.messages import ROLES
from preftemplates.core.provenance import find_origins, plain, plain_data
from preftemplates.core.tools import is_json_list
from preftemplates.errors import Code, DefinitionError, RowError, one_line, preview
from preftemplates.sandbox.allowlist import ALLOWED_GLOBALS
from preftemplates.sandbox.budget import get_seconds_left
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.attribution import ChatTrace
from preftemplates.styles.environment import CLOCK, compile_template, find_names
from preftemplates.styles.fragments import check_plain_text
from preftemplates.styles.isolation import render_in_worker
from preftemplates.styles.layout import PROBE_TEXT
from preftemplates.styles.reasoning import THINKING_FIELDS, Reasoning, apply_reasoning, check_reasoning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.core.messages import Message
    from preftemplates.core.spans import Change, Span


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
        compile_now: bool = True,
    ) -> ChatTemplate:
        """Check and freeze what a style says of its chat template.

        Without `compile_now` the source is compiled when it is first rendered, and the errors are raised then.

        Raises:
            DefinitionError: the source or a token is no text, a default is no JSON or has a name that is no
                variable's, or the roles are no names.
            StyleSyntaxError: the source does not parse.
            StyleRefusedError: it does what no untrusted template may do.
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
            if not is_variable_name(name):
                raise DefinitionError(
                    f"a default has the name of a variable that a template can set, got {preview(name)}"
                )
        try:
            frozen = tuple(sorted((name, json.dumps(value, allow_nan=False)) for name, value in defaults.items()))
        except (TypeError, ValueError, RecursionError) as error:
            raise DefinitionError(f"a default is text, a number or other JSON: {error}") from error
        check_reasoning(reasoning)
        layout = cls(
            source,
            bos_token,
            eos_token,
            frozen,
            reasoning=reasoning,
            roles=_read_roles(roles),
            limits=limits,
            isolate=isolate,
        )
        if compile_now:
            layout.compile()
        return layout

    @property
    def identity(self) -> Any:
        """The layout as JSON-like data, for digests."""
        tokens = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        around = {"opening": self.opening, "closing": self.closing}
        policy = {"reasoning": self.reasoning, "roles": self.roles}
        return {"chat_template": self.source, "defaults": dict(self.defaults), **tokens, **around, **policy}

    def compile(self) -> None:
        """Compile the template, here or in the process of its own."""
        if self.isolate:
            render_in_worker({"layout": self._facts}, self._limits, self._limits.seconds)
        else:
            compile_template(self.source, self.limits)

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
        check_plain_text("opening", opening)
        check_plain_text("closing", closing)
        return replace(self, opening=opening, closing=closing)

    def with_reasoning(self, reasoning: Reasoning) -> ChatTemplate:
        """Return the same layout with another policy for thinking."""
        return replace(self, reasoning=reasoning)

    @property
    def variables(self) -> dict[str, Any]:
        """What the template finds beside the messages."""
        tokens = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        defaults = {name: json.loads(value) for name, value in self.defaults}
        return {name: token for name, token in tokens.items() if token is not None} | defaults

    @property
    def prints_tools(self) -> bool:
        """Whether the template prints the tools that it is given, or refuses them itself; found by a probe."""
        return "tools" in find_names(self.source).read and _probe_tools(self)

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
            return self._render_isolated(messages, add_generation_prompt)
        try:
            return compile_template(self.source, self.limits).render(
                {
                    "tools": None,
                    "documents": None,
                    **self.variables,
                    "messages": [
                        _add_thinking_names(message) for message in apply_reasoning(messages, self.reasoning)
                    ],
                    "add_generation_prompt": add_generation_prompt,
                }
            )
        except RowError as error:
            raise _add_template_line(error) from None
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            reason = one_line(str(error), 200)
            raise RowError(f"the style's chat template raised: {reason}", code=Code.REFUSED_BY_STYLE) from error

    def _render_isolated(self, messages: Any, add_generation_prompt: bool) -> str:
        traced = any(True for _ in find_origins(messages))
        request = {
            "layout": self._facts,
            "messages": plain_data(messages),
            "traced": traced,
            "add_generation_prompt": add_generation_prompt,
            "now": CLOCK.get()().isoformat(),
        }
        return render_in_worker(request, self._limits, get_seconds_left(self._limits.seconds))

    @property
    def stop(self) -> str:
        """What follows the last answer, found by rendering one; trailing blanks are cut."""
        return _probe_stop(self.without_tools())


_OPERATOR_WORDS = frozenset(
    ("and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "or", "true", "True")
)
"""What Jinja reads as a constant or an operator."""

_RESERVED_NAMES = frozenset({"messages", "add_generation_prompt", "loop", "self"}) | ALLOWED_GLOBALS | _OPERATOR_WORDS
"""Names that mean something else in every chat template."""


def is_variable_name(name: Any) -> bool:
    """Whether a default, or a tokenizer's token, may have this name: a template can read and set it.

    >>> [is_variable_name(name) for name in ("enable_thinking", "a-b", "true", "messages")]
    [True, False, False, False]
    """
    return isinstance(name, str) and name.isascii() and name.isidentifier() and name not in _RESERVED_NAMES


def _read_roles(roles: Any) -> tuple[str, ...]:
    """The names of the roles that have a turn."""
    if not isinstance(roles, list | tuple) or not all(isinstance(role, str) for role in roles):
        raise DefinitionError(f"accepted_roles are names of roles, got {preview(roles)}")
    if "assistant" not in roles:
        raise DefinitionError(f"a style has a turn for the role assistant, got {preview(roles)}")
    return tuple(dict.fromkeys(roles))


@lru_cache(maxsize=256)
def _probe_tools(layout: ChatTemplate) -> bool:
    parameters = {"type": "object", "properties": {}, "required": []}
    tool = {"type": "function", "function": {"name": PROBE_TEXT, "description": "?", "parameters": parameters}}
    try:
        return PROBE_TEXT in layout.with_tools(json.dumps([tool])).text([{"role": "user", "content": "?"}], True)
    except RowError:  # it says itself what it wants
        return True


@lru_cache(maxsize=256)
def _probe_stop(layout: ChatTemplate) -> str:
    try:
        text = layout.render(
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": PROBE_TEXT}],
            add_generation_prompt=False,
        )
    except RowError:
        return ""
    return text.rpartition(PROBE_TEXT)[2].rstrip() if PROBE_TEXT in text else ""


def _add_template_line(error: RowError) -> RowError:
    """The error with the template's line in its message, since the line of a row's error is the row's own."""
    facts = {name: fact for name, fact in error.facts.items() if name != "line"}
    place = f" (line {error.line} of the template)" if error.line else ""
    return type(error)(error.message + place, **facts)


def _add_thinking_names(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message with its thinking under both names that chat templates read, as transformers hands it over."""
    thinking = next((message[name] for name in THINKING_FIELDS if message.get(name) is not None), None)
    return message if thinking is None else {"thinking": thinking, **message, "reasoning_content": thinking}
