"""Comparisons in expressions: the columns compared with constants, and the columns that decide between answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator


def find_nodes(node: nodes.Node, kind: Any) -> list[Any]:
    """Return the nodes of a kind in an expression, itself included."""
    return ([node] if isinstance(node, kind) else []) + list(node.find_all(kind))


_EQUALITY_OPERATORS = frozenset(("eq", "ne", "in", "notin"))
"""Operators that test for some values and treat all others alike."""

_EQUALITY_TESTS = frozenset(("eq", "equalto", "==", "ne", "!=", "in"))

_LABEL_FILTERS = frozenset(("abs", "default", "int", "lower", "round", "trim", "upper"))
"""Filters that leave a label a label."""


def list_compared_columns(node: nodes.Expr) -> Iterator[str]:
    """Yield the columns compared with constants other than the empty text."""
    for compare in find_nodes(node, nodes.Compare):
        if all(operand.op in _EQUALITY_OPERATORS for operand in compare.ops):
            yield from _list_columns_next_to_values(compare.expr, *(operand.expr for operand in compare.ops))
    for test in find_nodes(node, nodes.Test):
        if test.name in _EQUALITY_TESTS:
            yield from _list_columns_next_to_values(test.node, *test.args)


def list_comparisons(node: nodes.Expr) -> Iterator[tuple[str, Any]]:
    """Yield the columns tested for being constants, or among constants, with each constant."""
    for compare in find_nodes(node, nodes.Compare):
        if len(compare.ops) == 1:
            operator, left, right = compare.ops[0].op, compare.expr, compare.ops[0].expr
            if operator in ("eq", "ne"):
                yield from _pair_with_values(left, right)
                yield from _pair_with_values(right, left)
            elif operator in ("in", "notin") and isinstance(right, nodes.List | nodes.Tuple):
                yield from _pair_with_values(left, right)
    for test in find_nodes(node, nodes.Test):
        if (
            test.name in _EQUALITY_TESTS
            and test.args
            and (test.name != "in" or not isinstance(test.args[0], nodes.Const))
        ):
            yield from _pair_with_values(test.node, test.args[0])


def _pair_with_values(column: nodes.Expr, values: nodes.Expr) -> Iterator[tuple[str, Any]]:
    if isinstance(column, nodes.Name):
        yield from ((column.name, value) for value in _list_written_values(values))


ValuePath = tuple[str, ...]
"""The keys of a value in a row, such as `("replies", "a", "body")` for `replies.a.body` and `replies['a'].body`."""


class ValueChoice(NamedTuple):
    """A choice between two values by a column that is compared with constants.

    Attributes:
        column: the column.
        one: the paths of the values that are read only if the comparison holds.
        other: those that are read only if it does not hold.
        is_of_answers: whether it chooses between two columns or two items, whatever the other answer reads.
    """

    column: str
    one: frozenset[ValuePath]
    other: frozenset[ValuePath]
    is_of_answers: bool


def list_choices(node: nodes.Expr) -> Iterator[ValueChoice]:
    """Yield the choices of a whole expression: `a if x == 'y' else b`, `x == 'y' and a or b`, `[b, a][x == 'y']`."""
    while isinstance(node, nodes.Getitem | nodes.Getattr):  # such as [b, a][x == 'y'].text
        if isinstance(node, nodes.Getitem):
            for column, _ in list_comparisons(node.arg):
                yield ValueChoice(column, frozenset(), frozenset(), is_of_answers=True)
        node = node.node
    branches = _find_branches(node)
    if branches is None:
        return
    test, *sides = branches
    one, other = (frozenset(list_paths(side)) for side in sides)
    columns, other_columns = ({path[0] for path in paths} for paths in (one, other))
    is_between_columns = bool(columns - other_columns and other_columns - columns)
    for column, _ in list_comparisons(test):
        yield ValueChoice(column, one - other, other - one, is_between_columns)


def _find_branches(node: nodes.Expr) -> tuple[nodes.Expr, nodes.Expr, nodes.Expr] | None:
    """Return the test of a choice, the value if it holds, and the value if it does not hold."""
    if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        return node.test, node.expr1, node.expr2
    if isinstance(node, nodes.Or) and isinstance(node.left, nodes.And):
        return node.left.left, node.left.right, node.right
    return None


def list_paths(node: nodes.Node) -> Iterator[ValuePath]:
    """Yield the paths of the values that an expression reads, each with all keys that are written out."""
    path = _read_path(node)
    if path is not None:
        yield path
        return
    for child in node.iter_child_nodes():
        yield from list_paths(child)


def _read_path(node: nodes.Node) -> ValuePath | None:
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        key = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = str(node.arg.value)
    else:
        return None
    parent = _read_path(node.node)
    return None if parent is None else (*parent, key)


def _list_written_values(node: nodes.Expr) -> list[Any]:
    items = node.items if isinstance(node, nodes.List | nodes.Tuple) else [node]
    return [item.value for item in items if isinstance(item, nodes.Const)]


def _list_columns_next_to_values(*sides: nodes.Expr) -> Iterator[str]:
    operands = [_strip_label_filters(side) for side in sides]
    columns = [operand.name for operand in operands if isinstance(operand, nodes.Name)]
    values = [operand for operand in operands if not isinstance(operand, nodes.Name)]
    if any(_is_written_out(value) for value in values):
        yield from columns


def _strip_label_filters(node: nodes.Expr) -> nodes.Expr:
    """Return the label inside filters that leave it a label."""
    while isinstance(node, nodes.Filter) and node.name in _LABEL_FILTERS and node.node is not None:
        node = node.node
    return node


def _is_written_out(node: nodes.Expr) -> bool:
    """Return whether an expression is a constant or a list of constants; none and "" only test for presence."""
    if isinstance(node, nodes.List | nodes.Tuple):
        return any(_is_written_out(item) for item in node.items)
    return isinstance(node, nodes.Neg) or (isinstance(node, nodes.Const) and node.value not in ("", None))
