"""Checks of the expressions in a file, before a template is declared with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import nodes

from preftemplates.errors import Code, DefinitionError, RowError, StyleLimitError
from preftemplates.sandbox.bounded import RESOURCE_ERRORS
from preftemplates.sandbox.budget import share_budget
from preftemplates.templates.expression_environment import FILE_LIMITS
from preftemplates.templates.expressions import Expression, Field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates.core.yaml_files import Document, KeyPath
    from preftemplates.sandbox.limits import Limits


_FAULTS = (StyleLimitError, RowError, SyntaxError, *RESOURCE_ERRORS)
"""Causes that mean a field exceeds the limits; other faults are found when the template is declared."""


def check_fields(document: Document, place: KeyPath, value: Any) -> None:
    """Check the fields in a part of a file against the limits; the declaration reports other faults.

    Raises:
        DefinitionError: a field exceeds the limits; the error has the line.
    """
    for at, text in _list_texts(place, value):
        try:
            check_constants(text, FILE_LIMITS)
        except DefinitionError as error:
            if isinstance(error.__cause__, _FAULTS):
                message = f"{'.'.join(map(str, at))}: {error.message}"
                raise DefinitionError(message, file=document.path, line=document.line(at)) from error


def _list_texts(place: KeyPath, value: Any) -> Iterator[tuple[KeyPath, str]]:
    """Yield the texts in a value, each with its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _list_texts((*place, str(key)), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _list_texts((*place, index), item)


def check_constants(source: str, limits: Limits) -> None:
    """Compile a field and evaluate its constant parts, so that a field which always fails does so before any row.

    Example:
        >>> from preftemplates import Limits
        >>> check_constants("{{ prompt * 8 ** (9 ** 10) }}", Limits())
        Traceback (most recent call last):
        preftemplates.errors.DefinitionError: '{{ prompt * 8 ** (9 ** 10) }}' makes a number of more than 256 bits

    Raises:
        DefinitionError: the field exceeds the limits, or does not parse or compile.
    """
    for expression in Field(source, limits=limits).expressions:
        for constant in _list_constants(expression.node):
            try:
                with share_budget(limits):
                    Expression(constant, source, limits=limits).evaluate({})
            except RowError as error:
                if error.code is Code.OVER_LIMIT:
                    raise DefinitionError(error.message) from error
        expression.compile()


def _list_constants(node: nodes.Node) -> Iterator[nodes.Expr]:
    """Yield the largest parts of an expression that read no column and are not plain constants."""
    if isinstance(node, nodes.Const):
        return
    is_part = isinstance(node, nodes.Expr) and not isinstance(node, nodes.Slice)
    if isinstance(node, nodes.Expr) and is_part and node.find(nodes.Name) is None and not isinstance(node, nodes.Name):
        yield node
        return
    for child in node.iter_child_nodes():
        yield from _list_constants(child)
