"""A layout written as a Hugging Face chat template, rendered as transformers renders it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from preftemplates.core.messages import ROLES
from preftemplates.core.pickling import PickledByFields
from preftemplates.core.provenance import find_origins, plain, plain_data
from preftemplates.core.spans import Rendered
from preftemplates.core.tools import is_json_list
from preftemplates.errors import Code, DefinitionError, PrefTemplatesError, RowError, one_line, preview
from preftemplates.sandbox.budget import get_seconds_left
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.attribution import ChatTrace, render_traced
from preftemplates.styles.dates import pin_date
from preftemplates.styles.environment import FixedMoment, compile_template, find_names, read_moment
from preftemplates.styles.export import find_unused_name, format_jinja_literal, write_header, write_reasoning
from preftemplates.styles.fragments import check_plain_text
from preftemplates.styles.isolation import render_in_worker
from preftemplates.styles.layout import PROBE_TEXT
from preftemplates.styles.parsing import make_irreversible_error
from preftemplates.styles.reasoning import (
    POLICY_NAME,
    Reasoning,
    add_thinking_names,
    apply_reasoning,
    check_reasoning,
    is_history_kept,
)
from preftemplates.styles.stops import probe_stop, probe_stops
from preftemplates.styles.variable_names import freeze_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from preftemplates.core.messages import Message


@dataclass(frozen=True)
class ChatTemplate(PickledByFields):
    """The layout of a style that is a chat template.

    Attributes:
        source: the text of the template.
        bos_token, eos_token: the template's variables of these names.
        defaults: the template's further variables, by name, each as JSON.
        opening: the prefix, written once before the template's text.
        closing: the suffix, written once after the template's text, unless that ends with a generation prompt.
        reasoning: the policy for thinking, applied before the template gets the messages.
        roles: the roles that have a turn.
        limits: the resources that the template may use; None for a trusted one. They do not affect the text.
        isolate: whether the template renders in a separate process.
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
        """Check and freeze the declarations of a style about its chat template.

        Without `compile_now`, the source is compiled at the first render, and its errors are raised then.

        Raises:
            DefinitionError: the source or a token is not text, a default is not JSON or does not have the name of a
                variable, or the roles are not names.
            StyleSyntaxError: the source does not parse.
            StyleRefusedError: the source does something no untrusted template may do.
            StyleLimitError: the source exceeds the limits.
        """
        if not isinstance(source, str):
            raise DefinitionError(f"chat_template must be text, got {preview(source)}")
        for name, token in (("bos_token", bos_token), ("eos_token", eos_token)):
            if not isinstance(token, str | None):
                raise DefinitionError(f"{name} must be text, got {preview(token)}")
        frozen = freeze_variables(defaults)
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
        """Compile the template, in the separate process if it is isolated."""
        if self.isolate:
            render_in_worker({"layout": self._facts}, self._limits, self._limits.seconds)
        else:
            compile_template(self.source, self.limits)

    @property
    def _limits(self) -> Limits:
        return self.limits or Limits()

    @property
    def _facts(self) -> dict[str, Any]:
        """The facts from which another process builds the same layout."""
        names = ("source", "bos_token", "eos_token", "defaults", "reasoning")
        return {**{name: getattr(self, name) for name in names}, "limits": self._limits.model_dump()}

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The variables of the template next to the messages."""
        tokens = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        defaults = {name: json.loads(value) for name, value in self.defaults}
        policy = {POLICY_NAME: self.reasoning} if self.applies_reasoning else {}
        return {name: token for name, token in tokens.items() if token is not None} | defaults | policy

    @cached_property
    def applies_reasoning(self) -> bool:
        """Whether the template reads the policy for thinking and applies it itself."""
        # the walk of `find_names` compiles the source, so most templates skip it
        return POLICY_NAME in self.source and POLICY_NAME in find_names(self.source).read

    @property
    def stop(self) -> str:
        """The text after the last answer, without whitespace at its end; found by rendering one."""
        return probe_stop(self.without_tools())  # cached by layout, and rows may have different tools

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer: `stop`, and those before another turn; found by rendering."""
        return probe_stops(self.without_tools())

    # --- texts -----------------------------------------------------------------------------------------------------

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """Return the text of a conversation.

        Raises:
            RowError: `refused_by_style` if the template raises an error for it.
        """
        return self._add_edges(self.render_source(plain_data(messages), add_generation_prompt), add_generation_prompt)

    def texts(self, prompt: Sequence[Message], responses: Sequence[Sequence[Message]]) -> Iterator[str]:
        """Yield the text of the prompt with the generation prompt, then the text of the prompt with each response.

        Raises:
            RowError: as in `text`.
        """
        before, moment = plain_data(prompt), read_moment()
        prepared = self._prepare(before)
        yield self._add_edges(self._render_prepared(prepared, True, moment), True)
        for response in responses:
            own = plain_data(response)
            # a user's turn in the response turns the end of the prompt into history, whose thinking may be dropped
            if is_history_kept(own, self.reasoning):
                messages = [*prepared, *self._prepare(own)]
            else:
                messages = self._prepare([*before, *own])
            yield self._add_edges(self._render_prepared(messages, False, moment), False)

    def render(self, messages: Sequence[Message], add_generation_prompt: bool) -> Rendered:
        """Return the text of a conversation, with its spans and changes on demand.

        A single render of traced messages usually gives all of it. If that fails, `text` gives the text, and a second
        render the spans; it must give the same text.

        Raises:
            RowError: as in `text`.
        """
        with FixedMoment() as moment:
            # an isolated render would send its pieces through a pipe, so they are requested for spans only
            traced = None if self.isolate else render_traced(self, messages, add_generation_prompt)
            if traced is None:
                text = self.text(messages, add_generation_prompt)
            else:
                text = self._add_edges(traced.rendered, add_generation_prompt)
        trace = ChatTrace(self, messages, add_generation_prompt, text, moment, traced)
        return Rendered(text, trace.spans, trace.changes, trace.stops, len(messages))

    def _add_edges(self, rendered: str, add_generation_prompt: bool) -> str:
        """Return the template's text without provenance, between opening and closing."""
        return self.opening + plain(rendered) + ("" if add_generation_prompt else self.closing)

    def render_source(self, messages: Any, add_generation_prompt: bool) -> str:
        """Return the text without opening and closing; it keeps the provenance of traced messages.

        Raises:
            RowError: as in `text`.
        """
        return self._render_prepared(self._prepare(messages), add_generation_prompt, None)

    def _prepare(self, messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return messages as the template gets them; for an isolated template, the other process prepares them."""
        if self.isolate:
            return [*messages]
        policy = "keep" if self.applies_reasoning else self.reasoning
        return [add_thinking_names(message) for message in apply_reasoning(messages, policy)]

    def _render_prepared(
        self, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool, moment: datetime | None
    ) -> str:
        """Return the template's text for prepared messages at a moment; by default at the fixed one, or now."""
        with FixedMoment(moment):
            if self.isolate:
                return self._render_isolated(messages, add_generation_prompt)
            try:
                return compile_template(self.source, self.limits).render(
                    {
                        # transformers passes both even if there are none; variables of the style replace them
                        "tools": None,
                        "documents": None,
                        **self.variables,
                        "messages": messages,
                        "add_generation_prompt": add_generation_prompt,
                    }
                )
            except RowError as error:
                raise _add_template_line(error) from None
            except Exception as error:
                if isinstance(error, PrefTemplatesError):
                    raise
                reason = one_line(str(error), 200)
                raise RowError(f"the style's chat template raised: {reason}", code=Code.REFUSED_BY_STYLE) from error

    def _render_isolated(self, messages: Any, add_generation_prompt: bool) -> str:
        traced = any(True for _ in find_origins(messages))
        request = {
            "layout": self._facts,
            "messages": plain_data(messages),
            "traced": traced,
            "add_generation_prompt": add_generation_prompt,
            "now": read_moment().isoformat(),
        }
        return render_in_worker(request, self._limits, get_seconds_left(self._limits.seconds))

    # --- the export ------------------------------------------------------------------------------------------------

    def export(self) -> str:
        """Return the layout as a chat template, with a header if the layout can be read back from it."""
        template = self.write_chat_template()
        start = template.rfind(self.source)
        # an export may have to change the end of the source, and a source may hide variables that are set before it
        if start < 0 or not self._sees_all_variables():
            return template
        facts = {name: fact for name, fact in asdict(self).items() if name not in ("limits", "isolate")}
        return f"{write_header({**facts, 'source': [start, start + len(self.source)]})}{template}"

    def _sees_all_variables(self) -> bool:
        """Return whether the source reads variables that an export sets before it like those that are passed in.

        A source that hides such a variable from an inner scope does not, see `TemplateNames`; it may then also hide
        the variables that the statements of the export read.
        """
        names = find_names(self.source)
        return not names.hidden & {*_NAMES_IN_EXPORTS, *names.read.intersection(self.variables)}

    def write_chat_template(self) -> str:
        """Return the source with the style's other declarations as Jinja: tokens, opening, closing, rejected roles.

        Variables that the source does not read are not set, since setting them could only change its meaning.
        """
        # trim_blocks removes the newlines after these statements, and nothing of the source
        statements = [
            f"{{%- set {name} = {format_jinja_literal(value)} %}}\n"
            for name, value in self.variables.items()
            if name in find_names(self.source).read
        ]
        if self.roles != ROLES:
            others = f"for message in messages if message['role'] not in {format_jinja_literal(self.roles)}"
            refusal = "raise_exception('this layout has no turn for the role ' + message['role'])"
            statements.insert(0, f"{{%- {others} %}}{{{{ {refusal} }}}}{{% endfor %}}\n")
        if self.opening:
            statements.append(f"{{{{ {format_jinja_literal(self.opening)} }}}}{{##}}\n")
        if self.source[:1].isspace() and not statements and not self.closing:
            statements.append("{##}\n")  # else the statement before the source would strip whitespace at its start
        source = self._write_closed_source() if self.closing else self.source
        policy = "keep" if self.applies_reasoning else self.reasoning
        return write_reasoning(policy, self.source) + "".join(statements) + source

    def _write_closed_source(self) -> str:
        """Return the source followed by the closing; its condition comes first, since a source may set variables."""
        name = find_unused_name("closing", self.source)
        source = re.sub(r"(\r\n|\r|\n)\Z", "", self.source)  # Jinja also drops the last newline of a template
        source = re.sub(r"\{\Z", "{{ '{' }}", source)  # a brace at the end would open a tag with the next brace
        condition = f"'' if add_generation_prompt else {format_jinja_literal(self.closing)}"
        return f"{{%- set {name} = {condition} %}}\n{source}{{{{ {name} }}}}"

    # --- the same layout with something else -----------------------------------------------------------------------

    def between(self, opening: str, closing: str) -> ChatTemplate:
        """Return the layout with another opening and closing.

        Raises:
            DefinitionError: one of them is not text, or contains Jinja.
        """
        check_plain_text("opening", opening)
        check_plain_text("closing", closing)
        return replace(self, opening=opening, closing=closing)

    def with_reasoning(self, reasoning: Reasoning) -> ChatTemplate:
        """Return the layout with another policy for thinking."""
        return replace(self, reasoning=reasoning)

    def with_date(self, moment: datetime) -> ChatTemplate:
        """Return the layout with a fixed moment for each date or time that the template asks for."""
        return replace(self, source=pin_date(self.source, moment))

    def with_token(self, name: str, token: str) -> ChatTemplate:
        """Return the layout with another value for `bos_token` or `eos_token`."""
        changed: dict[str, Any] = {name: token}
        return replace(self, **changed)

    @property
    def prints_tools(self) -> bool:
        """Whether the template prints tools, or rejects them itself; found by rendering a probe."""
        return "tools" in find_names(self.source).read and _probe_tools(self)

    def with_tools(self, tools: str) -> ChatTemplate:
        """Return the layout with a list of tools for the template, given as JSON text.

        Raises:
            RowError: `wrong_type` if the text is not a JSON list of objects.
        """
        if not is_json_list(tools):
            raise RowError("tools must be the text of a JSON list of objects", code=Code.WRONG_TYPE, value=tools)
        return replace(self, defaults=tuple(sorted({**dict(self.defaults), "tools": plain(tools)}.items())))

    def without_tools(self) -> ChatTemplate:
        """Return the layout without tools."""
        defaults = dict(self.defaults)
        tools = defaults.pop("tools", None)
        return self if tools is None else replace(self, defaults=tuple(defaults.items()))

    # --- parsing ---------------------------------------------------------------------------------------------------

    @property
    def reversible(self) -> bool:
        """False: the text of a template cannot be parsed back."""
        return False

    @property
    def turn_marks(self) -> frozenset[str]:
        """Empty: the layout is not reversible."""
        return frozenset()

    def parse(self, text: str) -> NoReturn:  # noqa: ARG002  every layout has this signature
        """Raise an error, since the text of a template cannot be parsed back.

        Raises:
            StyleContractError: the layout is not reversible.
        """
        raise make_irreversible_error()


_NAMES_IN_EXPORTS = ("messages", "add_generation_prompt", "raise_exception")
"""Variables that the statements before an exported source read or set."""


def _read_roles(roles: Any) -> tuple[str, ...]:
    """Check and return the names of the accepted roles."""
    if not isinstance(roles, list | tuple) or not all(isinstance(role, str) for role in roles):
        raise DefinitionError(f"accepted_roles must be names of roles, got {preview(roles)}")
    if "assistant" not in roles:
        raise DefinitionError(f"accepted_roles must contain assistant, got {preview(roles)}")
    return tuple(dict.fromkeys(roles))


@lru_cache(maxsize=256)
def _probe_tools(layout: ChatTemplate) -> bool:
    parameters = {"type": "object", "properties": {}, "required": []}
    tool = {"type": "function", "function": {"name": PROBE_TEXT, "description": "?", "parameters": parameters}}
    try:
        return PROBE_TEXT in layout.with_tools(json.dumps([tool])).text([{"role": "user", "content": "?"}], True)
    except RowError:  # the template reports its own requirements, which counts as support
        return True


def _add_template_line(error: RowError) -> RowError:
    """Return the error with the template's line in its message, since the field `line` is the line of the row."""
    facts = {name: fact for name, fact in error.facts.items() if name != "line"}
    place = f" (line {error.line} of the template)" if error.line else ""
    return type(error)(error.message + place, **facts)
