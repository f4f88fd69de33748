"""Turns: how a template declares a field of a sample, and how a row fills it with messages."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preftemplates.core.message_values import Reading, clean_message, is_text_message, settle_content
from preftemplates.core.messages import (
    ROLES,
    Message,
    is_simple,
    locate_message_error,
    make_message_error,
    normalise_message,
)
from preftemplates.core.paths import parse_path
from preftemplates.errors import Code, DefinitionError, RowError, did_you_mean, preview
from preftemplates.templates.expressions import Field, Filters

if TYPE_CHECKING:
    from preftemplates.sandbox.limits import Limits


@dataclass(frozen=True)
class Turn:
    """One message: its role, and the source of each of its other keys."""

    role: str
    keys: tuple[tuple[str, str], ...]

    @property
    def identity(self) -> Any:
        """The turn as JSON-like data, for digests."""
        return {"role": self.role, "keys": [list(pair) for pair in self.keys]}


@dataclass(frozen=True)
class Splice:
    """Messages that an expression yields: any number, including none."""

    expression: str

    @property
    def identity(self) -> Any:
        """The splice as JSON-like data, for digests."""
        return {"messages": self.expression}


@dataclass(frozen=True)
class SeveralResponses:
    """Responses that an expression yields: a list of texts, of messages, or of lists of messages."""

    expression: str

    @property
    def identity(self) -> Any:
        """The responses as JSON-like data, for digests."""
        return {"responses": self.expression}


Turns = tuple[Turn | Splice | SeveralResponses, ...]
"""A declared field as plain data, so that it pickles and hashes."""


def messages(expression: str) -> Splice:
    """Insert the messages of a list column or a filter into a template's declaration.

    Args:
        expression: one `{{ expression }}` whose value is a list of messages; an empty list leaves the turn out.

    Example:
        >>> messages("{{ history }}")
        Splice(expression='{{ history }}')
    """
    return Splice(expression)


def splice_message_lists(source: Any, columns: Collection[str]) -> Any:
    """Return a declared field with `messages(...)` for each text that is only the name of a column of messages.

    >>> splice_message_lists(["Be brief.", "{{ thread }}"], {"thread"})
    ['Be brief.', Splice(expression='{{ thread }}')]
    """
    if isinstance(source, list | tuple):
        return [splice_message_lists(item, columns) for item in source]
    match = _ONE_NAME.fullmatch(source) if isinstance(source, str) else None
    return messages(source) if match and match[1] in columns else source


_ONE_NAME = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def read_turns(source: Any, role: str) -> Turns:
    """Return the turns that a declared field describes.

    Args:
        source: a text (one turn), a message, `messages(...)`, or a list of these.
        role: the role of a turn that is written as a plain text.

    Raises:
        DefinitionError: it is none of these, or a role is unknown.
    """
    if isinstance(source, list | tuple):
        return tuple(turn for item in source for turn in read_turns(item, role))
    if isinstance(source, Splice):
        check_one_expression(source.expression, "messages(...)")
        return (source,)
    if isinstance(source, str):
        return (Turn(role, (("content", source),)),)
    if isinstance(source, Mapping):
        return (_read_message(source),)
    raise DefinitionError(f"expected text, a message, messages(...) or a list of these, got {preview(source)}")


def read_responses(source: Any) -> Turns:
    """Return the turns of a declared field with several responses: one expression that yields a list.

    Raises:
        DefinitionError: it is not a single expression.
    """
    expression = source.expression if isinstance(source, Splice) else source
    check_one_expression(expression, "a field of several responses")
    return (SeveralResponses(expression),)


def check_one_expression(source: Any, what: str) -> None:
    """Check that a source is exactly one `{{ expression }}`.

    Raises:
        DefinitionError: it is text, or text with expressions.
    """
    parts = Field(source).parts
    if len(parts) != 1 or isinstance(parts[0], str):
        raise DefinitionError(f"{what} needs exactly one {{{{ expression }}}}, got {preview(source)}")


def _read_message(source: Mapping[str, Any]) -> Turn:
    keys = {key: value for key, value in source.items() if key != "role"}
    role = source.get("role")
    if not isinstance(role, str) or role not in ROLES:
        guess = did_you_mean(role, ROLES) if isinstance(role, str) else ""
        raise DefinitionError(f"the role of a message must be one of {', '.join(ROLES)}; got {preview(role)}.{guess}")
    if not keys:
        raise DefinitionError(f"a message must have a role and content, got {preview(dict(source))}")
    for key, value in keys.items():
        if not isinstance(value, str):
            raise DefinitionError(
                f"{key!r} of a message must be text or an {{{{ expression }}}}, got {preview(value)}"
            )
    return Turn(role, tuple(keys.items()))


class Filler:
    """Fills the turns of one field with the values of a row."""

    def __init__(self, turns: Turns, filters: Filters | None = None, limits: Limits | None = None) -> None:
        self._turns: list[tuple[Turn | Splice | SeveralResponses, dict[str, Field]]] = []
        for turn in turns:
            sources = dict(turn.keys) if isinstance(turn, Turn) else {"messages": turn.expression}
            self._turns.append((turn, {key: Field(source, filters, limits) for key, source in sources.items()}))

    @property
    def turns(self) -> list[tuple[Turn | Splice | SeveralResponses, dict[str, Field]]]:
        """The turns to fill, each with the fields of its keys."""
        return self._turns

    @property
    def fields(self) -> list[Field]:
        """All fields in order."""
        return [field for _, fields in self._turns for field in fields.values()]

    def fill(self, values: Mapping[str, Any], reading: Reading | None = None) -> list[Message]:
        """Return the messages for a row's values; `reading` counts normalisations.

        Raises:
            RowError: an expression fails, or yields something other than messages.
        """
        filled: list[Message] = []
        for turn, fields in self._turns:
            if isinstance(turn, Turn):
                message = {"role": turn.role}
                for key, field in fields.items():
                    message[key] = field.evaluate(values)
                filled.append(_make_message(message, len(filled), reading))
            else:
                field = fields["messages"]
                filled += _make_messages(evaluate_list(field, values, "messages"), field, reading)
        return filled

    def fill_several(self, values: Mapping[str, Any], reading: Reading | None = None) -> tuple[list[Message], ...]:
        """Return the messages of each response for a row's values.

        Raises:
            RowError: the expression fails, or yields something other than a list of texts or messages, or an empty
                list.
        """
        field = self.fields[0]
        responses = evaluate_list(field, values, "responses")
        if not responses:
            raise RowError(f"{preview(field.source)} yields no response", code=Code.EMPTY)
        return tuple(_read_response(response, reading) for response in responses)


def evaluate_list(field: Field, values: Mapping[str, Any], what: str) -> list[Any] | tuple[Any, ...]:
    """Return the list that an expression yields.

    Raises:
        RowError: the expression fails, or yields anything else.
    """
    value = field.evaluate(values)
    if not isinstance(value, list | tuple):
        raise RowError(
            f"{preview(field.source)} must be a list of {what}, got {preview(value)}",
            code=Code.WRONG_TYPE,
            value=value,
        )
    return value


def _make_messages(items: Sequence[Any], field: Field, reading: Reading | None) -> list[Message]:
    """Return normalised messages; an error names the column if the expression is only a column."""
    try:
        return [_make_message(item, index, reading) for index, item in enumerate(items)]
    except RowError as error:
        column = field.expressions[0].name
        raise error if column is None else locate_message_error(error, column) from error.__cause__


def _make_message(message: Any, index: int, reading: Reading | None) -> Message:
    """Return a normalised message.

    Raises:
        RowError: as in `clean_message` and `normalise_message`, with the index of the message.
    """
    if type(message) is dict and is_simple(message):
        return normalise_message(message, index)
    if isinstance(message, Mapping) and not is_text_message(message):
        try:
            message = settle_content(clean_message(message, (), Reading() if reading is None else reading))
        except RowError as error:
            steps = parse_path(error.column or "")
            facts = {**error.facts, "column": None}
            raise make_message_error(error.message, index, *steps, **facts) from None
    return normalise_message(message, index)


def _read_response(item: Any, reading: Reading | None) -> list[Message]:
    """Return the messages of a response; a text is a single answer."""
    if isinstance(item, str):
        item = {"role": "assistant", "content": item}
    messages = item if isinstance(item, list | tuple) else [item]
    return [_make_message(message, index, reading) for index, message in enumerate(messages)]
