"""Turns: how a field of a sample is declared, and how a row fills it with messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preftemplates.errors import Code, DefinitionError, RowError, did_you_mean, preview
from preftemplates.expressions import Field, Filters
from preftemplates.provenance import plain
from preftemplates.samples import ROLES, Message


@dataclass(frozen=True)
class Turn:
    """One message: its role, and the source of each of its other keys."""

    role: str
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Splice:
    """Messages that an expression yields: any number of them, or none."""

    expression: str


Turns = tuple[Turn | Splice, ...]
"""What a declared field becomes; plain data, so that it pickles and hashes."""


def messages(expression: str) -> Splice:
    """In a template's declaration: the messages that a list column or a filter yields, in place.

    Args:
        expression: one `{{ expression }}` whose value is a list of messages; an empty list is an optional turn.

    Example:
        >>> messages("{{ history }}")
        Splice(expression='{{ history }}')
    """
    return Splice(expression)


def read_turns(source: Any, role: str) -> Turns:
    """The turns that a declared field stands for.

    Args:
        source: a text (one turn), a message, `messages(...)`, or a list of these.
        role: the role of a turn that is written as a bare text.

    Raises:
        DefinitionError: it is none of these, or a role is unknown.
    """
    if isinstance(source, list | tuple):
        return tuple(turn for item in source for turn in read_turns(item, role))
    if isinstance(source, Splice):
        parts = Field(source.expression).parts
        if len(parts) != 1 or isinstance(parts[0], str):
            raise DefinitionError(f"messages(...) takes one {{{{ expression }}}}, got {preview(source.expression)}")
        return (source,)
    if isinstance(source, str):
        return (Turn(role, (("content", source),)),)
    if isinstance(source, Mapping):
        return (_read_message(source),)
    raise DefinitionError(f"expected text, a message, messages(...) or a list of these, got {preview(source)}")


def _read_message(source: Mapping[str, Any]) -> Turn:
    keys = {key: value for key, value in source.items() if key != "role"}
    role = source.get("role")
    if not isinstance(role, str) or role not in ROLES:
        guess = did_you_mean(role, ROLES) if isinstance(role, str) else ""
        raise DefinitionError(f"the role of a message is one of {', '.join(ROLES)}; got {preview(role)}.{guess}")
    if not keys:
        raise DefinitionError(f"a message has a role and content, got {preview(dict(source))}")
    for key, value in keys.items():
        if not isinstance(value, str):
            raise DefinitionError(f"{key!r} of a message is text or an {{{{ expression }}}}, got {preview(value)}")
    return Turn(role, tuple(keys.items()))


class Filler:
    """Fills the turns of one field with the values of a row."""

    def __init__(self, turns: Turns, filters: Filters | None = None) -> None:
        self._turns: list[tuple[Turn | Splice, dict[str, Field]]] = []
        for turn in turns:
            sources = {"messages": turn.expression} if isinstance(turn, Splice) else dict(turn.keys)
            self._turns.append((turn, {key: Field(source, filters) for key, source in sources.items()}))

    @property
    def fields(self) -> list[Field]:
        """All fields in order."""
        return [field for _, fields in self._turns for field in fields.values()]

    def fill(self, values: Mapping[str, Any]) -> list[Message]:
        """The messages.

        Raises:
            RowError: an expression fails, or what it yields is no message.
        """
        filled: list[Message] = []
        for turn, fields in self._turns:
            if isinstance(turn, Splice):
                filled += _spliced(fields["messages"], values)
            else:
                evaluated = {key: field.evaluate(values) for key, field in fields.items()}
                filled.append(normal_message({"role": turn.role, **evaluated}, len(filled)))
        return filled


def _spliced(field: Field, values: Mapping[str, Any]) -> Iterable[Message]:
    value = field.evaluate(values)
    if not isinstance(value, list | tuple):
        raise RowError(
            f"{preview(field.source)} needs a list of messages, got {preview(value)}",
            code=Code.WRONG_TYPE,
            value=value,
        )
    return [normal_message(item, index) for index, item in enumerate(value)]


def normal_message(message: Any, index: int) -> Message:
    """A message as a new dict: keys that hold None are absent, the role is plain text, the content text or parts.

    Args:
        message: any mapping.
        index: its place among the messages, for errors.

    Raises:
        RowError: it is no mapping, has no role, or its content is neither text nor a list of typed parts.
    """
    if not isinstance(message, Mapping):
        raise RowError(f"message {index}: expected role and content, got {preview(message)}", code=Code.WRONG_TYPE)
    kept = {key: value for key, value in message.items() if value is not None}
    role, content = kept.get("role"), kept.get("content")
    if not isinstance(role, str):
        raise RowError(f"message {index}: expected a role, got {preview(role)}", code=Code.BAD_ROLE, value=role)
    if content is None and len(kept) == 1:
        raise RowError(f"message {index} ({preview(role)}) has no content", code=Code.MISSING_FIELD)
    if content is not None and not isinstance(content, str | list):
        raise RowError(
            f"message {index}: expected text or typed parts, got {preview(content)}",
            code=Code.WRONG_TYPE,
            value=content,
        )
    kept["role"] = plain(role)
    return kept  # type: ignore[return-value]


def check_answers(own: Sequence[Message], response: str) -> None:
    """Refuse a response that does not begin with an assistant's message: no prompt would open it.

    Raises:
        RowError: `bad_turns`.
    """
    if not own or own[0]["role"] != "assistant":
        first = f"a turn of {preview(own[0]['role'])}" if own else "no message"
        raise RowError(f"{response} begins with {first}, and with no answer", code=Code.BAD_TURNS)


def check_roles(messages: Iterable[Message], roles: Iterable[str]) -> None:
    """Refuse messages whose role is not among these.

    Raises:
        RowError: `bad_role`, with the nearest role.
    """
    known = tuple(roles)
    for index, message in enumerate(messages):
        role = message["role"]
        if role not in known:
            wanted = f"expected a role among {', '.join(known)}; got {preview(role)}.{did_you_mean(role, known)}"
            raise RowError(f"message {index}: {wanted}", code=Code.BAD_ROLE, value=role)
