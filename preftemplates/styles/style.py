"""Styles: the chat templates that turn messages into text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from preftemplates.core.frozen import Frozen, computed
from preftemplates.core.messages import Message, check_roles, normalise_message
from preftemplates.core.registry import Registry
from preftemplates.errors import Code, DefinitionError, RowError, StyleContractError, did_you_mean, preview
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.declaration import BUNDLED_STYLES, read_layout
from preftemplates.styles.edges import StyleEdges, find_edges
from preftemplates.styles.lint.check import find_findings
from preftemplates.styles.reasoning import Reasoning, check_reasoning
from preftemplates.styles.reimport import read_header
from preftemplates.styles.special_tokens import add_special_tokens, convert_token, select_read_tokens
from preftemplates.styles.style_names import shorten_path

if TYPE_CHECKING:
    from datetime import datetime

    from preftemplates.core.spans import Rendered
    from preftemplates.styles.layout import Layout
    from preftemplates.styles.lint.findings import StyleFinding

S = TypeVar("S", bound="type[Style]")


class Style(Frozen):
    r"""A style turns messages into text.

    Declare a style as a class with one role template per role, or with a `chat_template`, and register it with
    `@register_style(name)`. Instances are frozen; they pickle, hash and compare by their layout.

    Class attributes:
        system, developer, user, assistant, tool: role templates: text that contains `{{ content }}` once.
        roles: role templates of other roles, by name.
        opening: the prefix, written once at the start.
        closing: the suffix, written once at the end, unless the text ends with a generation prompt.
        stop: the end-of-turn token of an assistant, which follows the content in its role template.
        chat_template: a Hugging Face chat template instead of role templates, with `bos_token`, `eos_token` and
            `defaults` (its other variables).
        accepted_roles: the roles that a chat template has turns for; messages of other roles are rejected. By default,
            all five roles are passed to the template.
        reasoning: the policy for the thinking of assistant's turns: `keep`, `drop-history` (turns before the last
            user's turn lose it) or `drop`.

    Example:
        >>> from preftemplates import get_style
        >>> get_style("human-assistant").render([{"role": "user", "content": "Hi"}], add_generation_prompt=True).text
        '\n\nHuman: Hi\n\nAssistant:'
    """

    layout: Layout
    kind = "style"
    holds = "layout"

    declared: ClassVar[Mapping[str, Any]] = {}
    """The declarations of a class and its parents, by the names of the parts."""

    accepted_roles: ClassVar[tuple[str, ...]] = computed(lambda style: style.layout.roles)
    """The roles that the layout has a turn for."""
    stop: ClassVar[str] = computed(lambda style: style.layout.stop)
    """The text that ends an assistant's turn; empty if nothing does."""
    chat_template: ClassVar[str] = computed(lambda style: style.layout.export())
    """The style as a Hugging Face chat template, with generation marks where the style knows them.

    `from_chat_template` reads it back as the same style, by a comment at its start that describes the style.
    """

    def __init_subclass__(cls) -> None:
        parts = {name: value for name, value in vars(cls).items() if not name.startswith("__")}
        cls.declared = {**cls.declared, **parts}
        cls.layout = read_layout(cls, cls.declared)

    @classmethod
    def from_chat_template(
        cls,
        source: str,
        *,
        bos_token: str | None = None,
        eos_token: str | None = None,
        reasoning: Reasoning = "keep",
        limits: Limits | None = None,
        isolate: bool = False,
        **defaults: Any,
    ) -> Style:
        """Return the style of a Hugging Face chat template.

        Args:
            source: the text of the template.
            bos_token: the variable `bos_token` of the template.
            eos_token: the variable `eos_token` of the template.
            reasoning: the policy for the thinking of assistant's turns, applied before the template gets the messages.
            limits: the time and memory that the template may use; the default is enough for all known templates.
            isolate: whether to compile and render it in a separate process, which is killed if it does not answer in
                time.
            defaults: other variables of the template, such as `enable_thinking` or `tools`.

        Raises:
            StyleSyntaxError: the template does not parse.
            StyleRefusedError: the template does something no untrusted template may do.
            StyleLimitError: the template exceeds the limits.
        """
        limits = limits or Limits()
        layout: Layout | None = None
        if isinstance(source, str) and reasoning == "keep" and not isolate:
            tokens = {"bos_token": bos_token, "eos_token": eos_token}
            given_names = [*(name for name, token in tokens.items() if token is not None), *defaults]
            layout = read_header(source, limits, given_names)
        if layout is None:
            layout = ChatTemplate.read(source, bos_token, eos_token, defaults, reasoning, limits, isolate)
        return Style.of(layout, "imported")

    @classmethod
    def from_tokenizer(
        cls, tokenizer: Any, *, chat_template: str = "default", reasoning: Reasoning = "keep", **defaults: Any
    ) -> Style:
        """Return the style of a tokenizer or processor: its chat template, with its special tokens as variables.

        The style holds only the special tokens that the template reads. Two tokenizers with the same template and the
        same tokens in it give equal styles, wherever they were loaded from.

        Args:
            tokenizer: a tokenizer or processor of transformers, or another object with `chat_template` and
                `special_tokens_map`. A processor uses the special tokens of its `tokenizer`, and also its chat
                template if the processor has none.
            chat_template: the name of the chat template, if the tokenizer has several.
            reasoning: as in `from_chat_template`.
            defaults: likewise.

        Raises:
            DefinitionError: the tokenizer has no chat template, or none of that name.
            StyleSyntaxError: the template does not parse.
        """
        source = _read_chat_template(tokenizer)
        if isinstance(source, Mapping):
            if chat_template not in source:
                names, guess = ", ".join(map(preview, source)), did_you_mean(chat_template, source)
                raise DefinitionError(
                    f"the tokenizer has no chat template {preview(chat_template)}; it has {names}.{guess}"
                )
            source = source[chat_template]
        if source is None:
            raise DefinitionError("the tokenizer has no chat template; name a style instead")
        special = select_read_tokens(source, _read_special_tokens(tokenizer))
        style = cls.from_chat_template(source, reasoning=reasoning, **{**special, **defaults})
        return Style.of(style.layout, shorten_path(str(getattr(tokenizer, "name_or_path", ""))) or style.name)

    def with_tools(self, tools: str | None) -> Style:
        """Return the style with a list of tools, which its layout prints before the messages.

        Args:
            tools: the text of a JSON list with one object per tool; None for no tools.

        Example:
            >>> from preftemplates import get_style
            >>> style = get_style("qwen2.5").with_tools('[{"type": "function", "function": {"name": "water"}}]')
            >>> '{"name": "water"}' in style.render([{"role": "user", "content": "Water the dill."}]).text
            True

        Raises:
            RowError: `unsupported_content` if the layout has no place for tools; `wrong_type` if the text is not a
                JSON list.
        """
        if tools is None or tools.strip() == "[]":
            return self
        if not self.layout.without_tools().prints_tools:
            message = "the style has no place for tools; choose one whose chat template prints them"
            raise RowError(message, code=Code.UNSUPPORTED_CONTENT, style=self.name)
        return Style.of(self.layout.with_tools(tools), self.name)

    def with_reasoning(self, reasoning: Reasoning) -> Style:
        """Return the style with another policy for the thinking of assistant's turns.

        Example:
            >>> from preftemplates import get_style
            >>> thinking = [{"role": "assistant", "content": "<think>Sum.</think>Four."}]
            >>> get_style("plain").with_reasoning("drop").render(thinking).text
            'Four.'

        Raises:
            DefinitionError: there is no such policy.
        """
        return Style.of(self.layout.with_reasoning(check_reasoning(reasoning)), self.name)

    def with_date(self, moment: datetime) -> Style:
        """Return the style with a fixed date; a style that does not print the date is returned unchanged.

        The exported chat template prints the fixed date too.

        Example:
            >>> from datetime import datetime
            >>> dated = Style.from_chat_template("{{ strftime_now('%Y') }}: {{ messages[0].content }}")
            >>> dated.with_date(datetime(1999, 12, 31)).render([{"role": "user", "content": "Hi"}]).text
            '1999: Hi'
        """
        layout = self.layout.with_date(moment)
        return self if layout == self.layout else Style.of(layout, self.name)

    @cached_property
    def findings(self) -> tuple[StyleFinding, ...]:
        """Surprising behaviour of the style, such as dropped or trimmed contents, dates, and default system messages.

        The first access renders some conversations to find it.

        Example:
            >>> from preftemplates import Style
            >>> forgetful = "{% for m in messages if m.role == 'user' %}{{ m.content }}</s>{% endfor %}"
            >>> found = [str(finding.code) for finding in Style.from_chat_template(forgetful).findings]
            >>> "drops_answer" in found, "same_text" in found
            (True, True)
        """
        return find_findings(self.layout)

    @cached_property
    def edges(self) -> StyleEdges:
        r"""The text that the style writes before a conversation and after its last answer.

        The first access renders an answer to find it.

        Example:
            >>> from preftemplates import get_style
            >>> get_style("llama3").edges
            StyleEdges(bos='<|begin_of_text|>', stop='<|eot_id|>', tail='')
            >>> get_style("chatml").edges
            StyleEdges(bos='', stop='<|im_end|>', tail='\n')
        """
        return find_edges(self.layout)

    def with_special_tokens(self, before: str = "", after: str = "") -> Style:
        """Return the style with the special tokens that a tokenizer would add around the text.

        Tokens that the style already writes are not doubled. This is detected from texts that end with an answer;
        whitespace after a token is ignored.

        Args:
            before: the token at the start, such as `<s>`.
            after: the token at the end, such as `[SEP]`, written unless the text ends with a generation prompt.

        Example:
            >>> from preftemplates import get_style
            >>> style = get_style("plain").with_special_tokens("[CLS]", "[SEP]")
            >>> style.render([{"role": "user", "content": "Hi"}]).text
            '[CLS]Hi[SEP]'
            >>> style.with_special_tokens("[CLS]", "[SEP]") == style
            True

        Raises:
            DefinitionError: a token is not text, or contains Jinja.
            StyleContractError: only some texts of the style already begin or end with the token.
        """
        return Style.of(add_special_tokens(self.layout, before, after, self.name), self.name)

    def render(self, messages: Iterable[Mapping[str, Any]], add_generation_prompt: bool = False) -> Rendered:
        """Render a conversation.

        Args:
            messages: dicts with role and content; they are not modified.
            add_generation_prompt: whether to end the text where an assistant would begin to write.

        Raises:
            RowError: a role has no turn in this style, or the style cannot spell the contents of a message.
        """
        if not isinstance(messages, Iterable):
            kind = preview(messages)
            raise RowError(
                f"a conversation must be a list of messages, got {kind}", code=Code.WRONG_TYPE, value=messages
            )
        conversation = [normalise_message(message, index) for index, message in enumerate(messages)]
        return self.render_normal(conversation, add_generation_prompt)

    def render_normal(self, messages: Sequence[Message], add_generation_prompt: bool) -> Rendered:
        """Render messages that are normalised already."""
        try:
            check_roles(messages, self.accepted_roles)
            return self.layout.render(messages, add_generation_prompt)
        except RowError as error:
            raise self._locate(error, messages, add_generation_prompt) from error.__cause__

    @property
    def reversible(self) -> bool:
        """Whether `parse` can read the style's texts: each turn begins with a marker of its role alone."""
        return self.layout.reversible

    def parse(self, text: str) -> list[Message]:
        r"""Return the messages of a text in this style; raise an error instead of guessing.

        A generation prompt at the end is not a message. A content that spells the end of its turn and the beginning of
        another cannot be distinguished from two turns.

        Example:
            >>> from preftemplates import get_style
            >>> get_style("human-assistant").parse("\n\nHuman: Mint?\n\nAssistant: Half shade.")
            [{'role': 'user', 'content': 'Mint?'}, {'role': 'assistant', 'content': 'Half shade.'}]

        Raises:
            RowError: `bad_turns` if it is not a text of this style, or is also the text of another conversation.
            StyleContractError: the style is not reversible.
        """
        try:
            return self.layout.parse(text)
        except (RowError, StyleContractError) as error:
            raise error.located(style=self.name) from error.__cause__

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """Return the text alone, for messages that are normalised already."""
        try:
            check_roles(messages, self.accepted_roles)
            return self.layout.text(messages, add_generation_prompt)
        except RowError as error:
            raise self._locate(error, messages, add_generation_prompt) from error.__cause__

    def texts(self, prompt: Sequence[Message], responses: Iterable[Sequence[Message]]) -> tuple[str, list[str]]:
        """Return the text of a prompt with the generation prompt, and the texts of the prompt with each response.

        The prompt is rendered only once if the layout allows it. If the texts show the time, all show the same moment.

        Args:
            prompt: messages that are normalised already.
            responses: the messages after the prompt for each response, also normalised.

        Raises:
            RowError: as in `text`, for the first text that cannot be written.
        """
        responses, roles = [*responses], self.accepted_roles
        texts = list[str]()
        written = self.layout.texts(prompt, responses)
        for response in (None, *responses):
            own, start = (prompt, 0) if response is None else (response, len(prompt))
            try:
                check_roles(own, roles, start)
                texts.append(next(written))
            except RowError as error:
                whole = prompt if response is None else [*prompt, *response]
                raise self._locate(error, whole, response is None) from error.__cause__
        return texts[0], texts[1:]

    def _locate(self, error: RowError, messages: Sequence[Message], add_generation_prompt: bool) -> RowError:
        """Return the error with the style's name, and with a better code if only the extra contents are rejected."""
        if type(error) is RowError and error.code == Code.REFUSED_BY_STYLE:
            error = self._refine_refusal(error, messages, add_generation_prompt)
        return error.located(style=self.name)

    def _refine_refusal(self, error: RowError, messages: Sequence[Message], add_generation_prompt: bool) -> RowError:
        """Return the error with the code `unsupported_content` if the template accepts the messages as text only."""
        texts, layout = [reduce_to_text(message) for message in messages], self.layout.without_tools()
        if texts == list(messages) and layout is self.layout:
            return error
        try:
            layout.text(texts, add_generation_prompt)
        except RowError:
            return error
        return RowError(error.message, **{**error.facts, "code": Code.UNSUPPORTED_CONTENT})


def _read_chat_template(tokenizer: Any) -> Any:
    """Return the chat template of a tokenizer or processor; a processor without one has that of its tokenizer."""
    source = getattr(tokenizer, "chat_template", None)
    return getattr(getattr(tokenizer, "tokenizer", None), "chat_template", None) if source is None else source


def _read_special_tokens(tokenizer: Any) -> dict[str, Any]:
    """Return the special tokens of a tokenizer, or of a processor's tokenizer, by their names."""
    holder = tokenizer if hasattr(tokenizer, "special_tokens_map") else getattr(tokenizer, "tokenizer", None)
    tokens = dict(getattr(holder, "special_tokens_map", {}))
    return {name: convert_token(token) for name, token in tokens.items()}


def reduce_to_text(message: Message) -> Message:
    """Return the message with only its role and a text.

    >>> reduce_to_text({"role": "user", "content": [{"type": "image"}]})
    {'role': 'user', 'content': '...'}
    """
    content = message.get("content")
    return {"role": message["role"], "content": content if isinstance(content, str) else "..."}


STYLES: Registry[type[Style]] = Registry("style", BUNDLED_STYLES, "preftemplates.styles")


def register_style(name: str, *, aliases: Iterable[str] = ()) -> Callable[[S], S]:
    """Register a style class under a name and its aliases.

    Raises:
        DefinitionError: the name is taken by another class.
    """
    return STYLES.decorator(name, Style, aliases)


def list_styles() -> list[str]:
    """Return the names of all styles."""
    return STYLES.names()
