"""Findings on operations on contents in the source: replacing, cutting, looking up, and testing their length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import nodes

from preftemplates.errors import preview
from preftemplates.sandbox.admission import walk_nodes
from preftemplates.styles.lint.findings import FindingCode, StyleFinding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from preftemplates.styles.lint.variables import MessageVariables

_CUTTING_METHODS = frozenset(("partition", "removeprefix", "removesuffix", "rpartition", "rsplit", "split"))
_STRIPPING = frozenset(("lstrip", "rstrip", "strip", "trim"))

_THINK_TAGS = frozenset(("<think>", "</think>"))
"""Tags at which reasoning models split contents to find thinking; probes show what is lost by that."""

_LOOK_UP_METHODS = frozenset(("count", "get", "index"))

_SMALL = 2
"""Smaller numbers test whether there is a content, or a first message."""

_FEW_PARTS = 3
"""Smaller lengths of contents count typed parts, or the texts before and after thinking."""

_Change = tuple[FindingCode, str, str | None]
"""A code, a message, and the field that it concerns."""


def find_changed_contents(tree: Iterable[nodes.Node], variables: MessageVariables) -> Iterator[StyleFinding]:
    """Yield findings on operations that change a content, or depend on its words or length.

    Args:
        tree: the nodes of the template.
        variables: the variables that hold messages and contents.
    """
    changes = ((change, node.lineno) for node in tree for change in _list_changes(node, variables))
    for (code, message, field), line in dict.fromkeys(changes):
        yield StyleFinding(code, message, line, field=field)


def _list_changes(node: nodes.Node, variables: MessageVariables) -> Iterator[_Change]:
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        yield from _list_method_changes(node.node, node.args, variables)
    elif isinstance(node, nodes.Filter):
        yield from _list_filter_changes(node, variables)
    elif isinstance(node, nodes.FilterBlock):
        yield from _list_block_changes(node, variables)
    elif isinstance(node, nodes.Getitem):
        yield from _list_item_changes(node, variables)
    yield from _list_look_ups(node, variables)
    yield from _list_length_branches(node, variables)


def _list_method_changes(
    method: nodes.Getattr, arguments: Sequence[nodes.Node], variables: MessageVariables
) -> Iterator[_Change]:
    """Yield changes by methods: `content.replace("a", "b")`, `content.split("a")`."""
    if not variables.is_content(method.node):
        return
    if method.attr == "replace":
        yield from _describe_replacement(arguments, variables)
    elif method.attr in _CUTTING_METHODS | _STRIPPING:
        yield from _describe_cut(method.attr, arguments, variables)


def _list_filter_changes(node: nodes.Filter, variables: MessageVariables) -> Iterator[_Change]:
    """Yield changes by filters: `content | replace("a", "b")`, also through `map`."""
    if node.node is None or not variables.is_content(node.node):
        return
    name, arguments = node.name, [*node.args, *(keyword.value for keyword in node.kwargs)]
    if name == "map" and arguments and isinstance(arguments[0], nodes.Const):
        name, arguments = str(arguments[0].value), arguments[1:]
    if name == "replace":
        yield from _describe_replacement(arguments, variables)
    elif name == "trim":
        yield from _describe_cut(name, arguments, variables)


def _list_block_changes(node: nodes.FilterBlock, variables: MessageVariables) -> Iterator[_Change]:
    """Yield changes by filter blocks: `{% filter replace("a", "b") %}{{ content }}{% endfilter %}`."""
    printed = [part for statement in node.body for part in statement.find_all(nodes.Expr)]
    if any(map(variables.is_content, printed)):
        applied: nodes.Node | None = node.filter
        while isinstance(applied, nodes.Filter):
            if applied.name == "replace":
                yield from _describe_replacement(applied.args, variables)
            applied = applied.node


def _describe_replacement(arguments: Sequence[nodes.Node], variables: MessageVariables) -> Iterator[_Change]:
    for text in variables.constants(arguments[0]) if arguments else ():
        yield FindingCode.CONTENT_REPLACED, f"the template replaces {preview(text)} in a content", "content"


def _describe_cut(name: str, arguments: Sequence[nodes.Node], variables: MessageVariables) -> Iterator[_Change]:
    for text in variables.constants(arguments[0]) if arguments else ():
        if text.strip() in ("", *_THINK_TAGS):
            continue
        what = "strips the characters" if name in _STRIPPING else "cuts a content at"
        end = " from a content" if name in _STRIPPING else ""
        yield FindingCode.CONTENT_CUT, f"the template {what} {preview(text)}{end}", "content"


def _list_item_changes(node: nodes.Getitem, variables: MessageVariables) -> Iterator[_Change]:
    """Yield changes by indexes: `content[:2500]`, `messages[-30:]`, `messages[30]`."""
    is_slice = isinstance(node.arg, nodes.Slice)
    numbers = [number for number in variables.numbers(node.arg) if abs(number) >= _SMALL]
    if not numbers:
        return
    if is_slice and variables.is_content(node.node) and not variables.is_list(node.node):
        yield FindingCode.CONTENT_CUT, f"the template cuts a content at position {numbers[0]}", "content"
    elif variables.is_list(node.node):
        yield FindingCode.LENGTH_BRANCH, f"the template slices or indexes the messages at {numbers[0]}", None


def _list_look_ups(node: nodes.Node, variables: MessageVariables) -> Iterator[_Change]:
    """Yield look-ups: `{"a": "b"}[content]`, `{"a": "b"}.get(content)`, `content in {"a": "b"}`."""
    found = False
    if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice):
        found = variables.is_content(node.arg)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        is_content = variables.is_content(node.node.node)
        found = node.node.attr in _LOOK_UP_METHODS and not is_content and any(map(variables.is_content, node.args))
    elif isinstance(node, nodes.Compare):
        operands = [operand.expr for operand in node.ops if operand.op in ("in", "notin")]
        found = variables.is_content(node.expr) and any(map(variables.is_table, operands))
    if found:
        message = "the template looks a content up in a table and acts on the result"
        yield FindingCode.CONTENT_LOOKED_UP, message, "content"


def _list_length_branches(node: nodes.Node, variables: MessageVariables) -> Iterator[_Change]:
    """Yield comparisons of a length, or of a position among the messages, with a number."""
    sides: list[nodes.Node]
    if isinstance(node, nodes.Compare):
        sides = [node.expr, *(operand.expr for operand in node.ops)]
    elif isinstance(node, nodes.Test):
        sides = [node.node, *node.args]
    elif isinstance(node, nodes.If | nodes.CondExpr):
        sides = [node.test]
    else:
        return
    measured = [side for side in sides if variables.is_length(side)]
    field = "content" if _measures_content(measured, variables) else None
    least = _FEW_PARTS if field else _SMALL
    numbers = [number for side in sides for number in _list_thresholds(side, variables) if abs(number) >= least]
    if measured and numbers:
        what = "the length of a content" if field else "the number of messages"
        yield FindingCode.LENGTH_BRANCH, f"the template compares {what} with {numbers[0]} and acts on it", field


def _list_thresholds(node: nodes.Node, variables: MessageVariables) -> Iterator[int]:
    """Yield the numbers in one side of a comparison; `% 2` only tests whose turn it is."""
    if isinstance(node, nodes.Mod) and isinstance(node.right, nodes.Const) and node.right.value == _SMALL:
        return
    if isinstance(node, nodes.BinExpr):
        yield from _list_thresholds(node.left, variables)
        yield from _list_thresholds(node.right, variables)
    elif isinstance(node, nodes.Compare | nodes.Test):  # visited separately
        return
    else:
        yield from variables.numbers(node)


def _measures_content(nodes_with_lengths: Iterable[nodes.Node], variables: MessageVariables) -> bool:
    parts = (part for node in nodes_with_lengths for part in walk_nodes(node))
    filters = (part for part in parts if isinstance(part, nodes.Filter))
    return any(one.node is not None and variables.is_content(one.node) for one in filters)
