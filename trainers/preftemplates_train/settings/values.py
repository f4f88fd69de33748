"""The type of a setting, which converts a flag's text and a YAML value to the type of the field."""

from __future__ import annotations

import argparse
import json
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args, get_origin

from preftemplates.errors import did_you_mean, preview
from preftemplates_train.errors import summarize_error

if TYPE_CHECKING:
    from collections.abc import Callable


class SettingType(NamedTuple):
    """The values that a setting accepts.

    Attributes:
        types: the types of a single value.
        item_types: the types of a list's items; None if the setting is not a list.
        is_optional: whether the value may be None.
        choices: the texts that the value may be; empty if it may be any text.
        parse: converts a flag's text to the value.
        is_switch: whether the flag may have no value, which means true.
    """

    types: frozenset[type]
    item_types: frozenset[type] | None
    is_optional: bool
    choices: tuple[str, ...]
    parse: Callable[[str], Any]
    is_switch: bool

    @classmethod
    def from_hint(cls, hint: Any, action: argparse.Action) -> SettingType:
        """Return the values that a field accepts, from its type and the action that `HfArgumentParser` made for it."""
        members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        lists = [member for member in members if get_origin(member) is list]
        item_types = frozenset(_find_class(item) for member in lists for item in get_args(member))
        enum_values = (member.value for kind in item_types if issubclass(kind, Enum) for member in kind)
        return cls(
            types=frozenset(_find_class(member) for member in members if member not in (NoneType, *lists)),
            item_types=item_types if lists else None,
            is_optional=NoneType in members,
            choices=tuple(str(choice) for choice in action.choices or enum_values),
            parse=action.type if callable(action.type) else str,
            is_switch=action.const is True,
        )

    def parse_flag(self, text: str) -> Any:
        """Convert the text of a flag to a value."""
        if self.choices and text not in self.choices:
            raise self.make_error(text)
        if dict in self.types and text.startswith("{"):
            return self._parse_mapping(text)
        try:
            return self.parse(text)
        except (TypeError, ValueError, argparse.ArgumentTypeError):
            raise self.make_error(text) from None

    def _parse_mapping(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            message = f"expected a mapping in JSON, got {preview(text)}: {summarize_error(error)}"
            raise argparse.ArgumentTypeError(message) from None

    def convert_value(self, value: object) -> Any:
        """Convert a value of a YAML file."""
        if value is None and self.is_optional:
            return None
        if self.item_types is not None and isinstance(value, list):
            return [self._convert(item, self.item_types) for item in value]
        if self.item_types is not None and not self.types:
            return [self._convert(value, self.item_types)]
        return self._convert(value, self.types)

    def _convert(self, value: object, types: frozenset[type]) -> Any:
        if isinstance(value, bool):
            if bool in types or self.is_switch:
                return value
            if "no" in self.choices and not value:  # YAML reads an unquoted no as false
                return "no"
        elif isinstance(value, int | float) and float in types:
            return self.parse_flag(repr(value))
        elif isinstance(value, str) and (self.choices or str not in types):
            if not types & {bool, dict}:
                return self.parse_flag(value)
        elif type(value) in types:
            return value
        raise self.make_error(value)

    def make_error(self, value: object) -> argparse.ArgumentTypeError:
        """Return the error for a value that the setting does not accept."""
        if self.choices:
            expected = ", ".join(self.choices) if len(self.choices) <= 12 else "the values that --help_all lists"
            guess = did_you_mean(str(value), self.choices)
            return argparse.ArgumentTypeError(
                f"expected one of {expected}; got {preview(value)}" + (guess and f".{guess}")
            )
        types = {*self.types, *(self.item_types or ())}
        expected = " or ".join(name for kind, name in TYPE_NAMES.items() if kind in types)
        expected = expected or "a value that only Python code can pass"
        hint = "; put it in quotes" if str in types and not isinstance(value, str | list | dict | None) else ""
        return argparse.ArgumentTypeError(f"expected {expected}, got {preview(value)}{hint}")


TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a mapping"}


def _find_class(hint: Any) -> type:
    """Return the class of a type: `dict` of `dict[str, Any]`, `bool` of `Literal[False]`."""
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    kind = get_origin(hint) or hint
    return kind if isinstance(kind, type) else object
