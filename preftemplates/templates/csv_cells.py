"""CSV values, which are all text: conversion to the types of their columns."""

from __future__ import annotations

import json
import re
import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from preftemplates.core.paths import get_row_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from preftemplates.templates.row_types import RowModel


_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.0*)?")


def make_cell_parsers(model: type[RowModel]) -> dict[str, Callable[[str], Any]]:
    """Return a parser for each column that is not text, which converts text as in a CSV to a value of its type.

    A text that spells no such value stays unchanged, so that the check rejects it with the original text. An empty
    value is null, except in a column of text.

    >>> from preftemplates.templates.row_types import read_row_type
    >>> parsers = make_cell_parsers(read_row_type("{'prompt': str, 'label': Index01, 'scores': list[int]}"))
    >>> parsers["label"]("1"), parsers["label"]("1.0"), parsers["scores"]("[1, 2]")
    (1, 1.0, [1, 2])
    """
    parsers = {
        get_row_key(name, info): _make_cell_parser(info.annotation) for name, info in model.model_fields.items()
    }
    return {column: parser for column, parser in parsers.items() if parser is not None}


def _make_cell_parser(annotation: Any) -> Callable[[str], Any] | None:
    if get_origin(annotation) is Annotated:  # inside a union; elsewhere, pydantic has already removed the bounds
        return _make_cell_parser(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        inner = _make_cell_parser(members[0]) if len(members) == 1 else _parse_or_keep(json.loads)
        return lambda text: None if text == "" else inner(text) if inner else text
    if annotation is str or get_origin(annotation) is Literal:
        return None
    if annotation is int:
        return _parse_or_keep(_parse_integer)
    if annotation is float:
        return _parse_or_keep(float)
    if annotation is bool:
        return _parse_or_keep(_parse_truth)
    return _parse_or_keep(json.loads)


def _parse_integer(text: str) -> Any:
    """Parse an integer, or the float that a table with a gap writes for it."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _parse_truth(text: str) -> Any:
    """Parse a truth value in words, or as 0 or 1."""
    return {"true": True, "false": False}.get(text.lower(), _parse_integer(text))


def _parse_or_keep(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser that leaves text unchanged if `parse` fails."""

    def parse_or_keep(text: str) -> Any:
        try:
            return parse(text) if text else None
        except (ValueError, RecursionError):
            return text

    return parse_or_keep
