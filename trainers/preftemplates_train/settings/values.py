"""What a setting takes: the values that a flag's text and a YAML value mean, by the type of its field."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from preftemplates.errors import did_you_mean, preview


class Takes(NamedTuple):
    """What a setting takes.

    Attributes:
        one: the types of a single value.
        item: the types of a list's items; None if it takes no list.
        none: whether it may be nothing.
        choices: the texts that it may be; none if it may be any.
        parse: from a flag's text to the value.
        switch: whether the flag may stand alone, for true.
    """

    one: frozenset[type]
    item: frozenset[type] | None
    none: bool
    choices: tuple[str, ...]
    parse: Callable[[str], Any]
    switch: bool

    @classmethod
    def of(cls, hint: Any, action: argparse.Action) -> Takes:
        """What a field of that type takes, for which `HfArgumentParser` made that action."""
        members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        lists = [member for member in members if get_origin(member) is list]
        item = frozenset(_plain(item) for member in lists for item in get_args(member))
        enums = (member.value for kind in item if issubclass(kind, Enum) for member in kind)
        return cls(
            one=frozenset(_plain(member) for member in members if member not in (NoneType, *lists)),
            item=item if lists else None,
            none=NoneType in members,
            choices=tuple(str(choice) for choice in action.choices or enums),
            parse=action.type if callable(action.type) else str,
            switch=action.const is True,
        )

    def from_flag(self, text: str) -> Any:
        """The value that a text means on the command line."""
        if self.choices and text not in self.choices:
            raise self.refusal(text)
        try:
            return json.loads(text) if dict in self.one and text.startswith("{") else self.parse(text)
        except (TypeError, ValueError, argparse.ArgumentTypeError):
            raise self.refusal(text) from None

    def from_file(self, value: object) -> Any:
        """The value that a YAML value means."""
        if value is None and self.none:
            return None
        if self.item is not None and isinstance(value, list):
            return [self._convert(item, self.item) for item in value]
        if self.item is not None and not self.one:
            return [self._convert(value, self.item)]
        return self._convert(value, self.one)

    def _convert(self, value: object, types: frozenset[type]) -> Any:
        if isinstance(value, bool):
            if bool in types or self.switch:
                return value
            if "no" in self.choices and not value:  # YAML reads a bare no as false
                return "no"
        elif isinstance(value, int | float) and float in types:
            return self.from_flag(repr(value))
        elif isinstance(value, str) and (self.choices or str not in types):
            if not types & {bool, dict}:
                return self.from_flag(value)
        elif type(value) in types:
            return value
        raise self.refusal(value)

    def refusal(self, value: object) -> argparse.ArgumentTypeError:
        """The error for a value that it does not take."""
        if self.choices:
            words = ", ".join(self.choices) if len(self.choices) <= 12 else "those that --help_all shows"
            guess = did_you_mean(str(value), self.choices)
            return argparse.ArgumentTypeError(
                f"expected one of {words}; got {preview(value)}" + (guess and f".{guess}")
            )
        kinds = {*self.one, *(self.item or ())}
        words = " or ".join(word for kind, word in WORDS.items() if kind in kinds) or "what only Python can give"
        quote = "; put it in quotes" if str in kinds and not isinstance(value, str | list | dict | None) else ""
        return argparse.ArgumentTypeError(f"expected {words}, got {preview(value)}{quote}")


WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a mapping"}


def _plain(hint: Any) -> type:
    """The class of a type: `dict` of `dict[str, Any]`, `bool` of `Literal[False]`."""
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    kind = get_origin(hint) or hint
    return kind if isinstance(kind, type) else object
