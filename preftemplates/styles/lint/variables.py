"""Variables of a chat template that hold messages, contents and lengths, found by following assignments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEARCH_METHODS = frozenset({"count", "endswith", "find", "index", "rfind", "rindex", "startswith"})
"""Methods of strings that search for another string."""

_MEASURING_FILTERS = frozenset({"count", "length", "string", "tojson"})
"""Filters whose result is no longer the content; `string` keeps it, but is used to test whether it is text."""

SELECTION_FILTERS = frozenset({"rejectattr", "selectattr"})
_LIST_FILTERS = SELECTION_FILTERS | {"list", "reverse"}


_LENGTH_FILTERS = frozenset({"count", "length"})
_NUMBER_FILTERS = frozenset({"abs", "d", "default", "float", "int", "round", "string"})
_PLACES = frozenset({"depth", "depth0", "index", "index0", "length", "revindex", "revindex0"})
"""Attributes of a loop that give the position of a message."""

_MAX_STEPS = 4
"""The most variables followed one after another."""

_MAX_VALUES = 30
"""The most values of a variable that are followed."""

_MAX_PASSES = 20
"""The most passes over all assignments."""


@dataclass
class MessageVariables:
    """The variables of a template that hold messages, lists of messages, and contents."""

    lists: set[str] = field(default_factory=lambda: {"messages"})
    messages: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=lambda: {"content"})
    parts: set[str] = field(default_factory=set)
    values: dict[str, list[nodes.Node]] = field(default_factory=dict)
    """The values assigned to each variable."""

    @classmethod
    def read(cls, tree: Iterable[nodes.Node]) -> MessageVariables:
        """Find the variables by following assignments until a pass finds nothing new."""
        variables = cls(parts={*_list_mappings(tree)})
        bindings = [*_list_bindings(tree), *_list_macro_bindings(tree)]
        for target, value, _ in bindings:
            values = variables.values.setdefault(target, [])
            if len(values) < _MAX_VALUES:
                values.append(value)
        before = -1
        for _ in range(_MAX_PASSES):
            if before == (before := variables._count()):
                break
            # in alternating order, since an assignment may depend on a later one
            bindings.reverse()
            for target, value, looped in bindings:
                variables._bind(target, value, looped)
        return variables

    def _count(self) -> int:
        return sum(map(len, (self.lists, self.messages, self.contents, self.parts)))

    def _bind(self, target: str, value: nodes.Node, looped: bool) -> None:
        if self.is_list(value):
            (self.messages if looped else self.lists).add(target)
        elif self.is_message(value):
            self.messages.add(target)
        elif self.is_content(value):
            (self.parts if looped else self.contents).add(target)

    def is_list(self, node: nodes.Node) -> bool:
        """Return whether an expression is the list of messages, or a part of it."""
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            return self.is_list(node.node)
        if isinstance(node, nodes.Filter) and node.name in _LIST_FILTERS and node.node is not None:
            return self.is_list(node.node)
        return find_variable(node) in self.lists

    def is_message(self, node: nodes.Node) -> bool:
        """Return whether an expression is one message."""
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice) and self.is_list(node.node):
            return not isinstance(node.arg, nodes.Const) or isinstance(node.arg.value, int)
        return find_variable(node) in self.messages

    def is_content(self, node: nodes.Node) -> bool:
        """Return whether an expression is the content of a message, or made from one."""
        if isinstance(node, nodes.Getattr | nodes.Getitem):
            key = find_key(node)
            if key == "text" and find_variable(node.node) in self.parts:
                return True
            return key == "content" or (not isinstance(key, str) and self.is_content(node.node))
        if isinstance(node, nodes.Filter) and node.node is not None:
            return node.name not in _MEASURING_FILTERS and (self.is_content(node.node) or self._maps_contents(node))
        if isinstance(node, nodes.Call):
            return self._is_content_method(node.node) or any(map(self.is_content, node.args))
        if isinstance(node, nodes.CondExpr):
            return any(self.is_content(side) for side in (node.expr1, node.expr2) if side is not None)
        if isinstance(node, nodes.Add | nodes.Or | nodes.And):
            return self.is_content(node.left) or self.is_content(node.right)
        if isinstance(node, nodes.Concat):
            return any(map(self.is_content, node.nodes))
        return find_variable(node) in self.contents

    def _maps_contents(self, node: nodes.Filter) -> bool:
        """Return whether a filter takes the contents of some messages."""
        keys = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
        is_content = any(isinstance(key, nodes.Const) and key.value == "content" for key in keys)
        return node.name == "map" and is_content and node.node is not None and self.is_list(node.node)

    def _is_content_method(self, function: nodes.Node) -> bool:
        """Return whether a function is a method of a content that returns more than a position in it."""
        if not isinstance(function, nodes.Getattr) or function.attr in SEARCH_METHODS:
            return False
        return self.is_content(function.node)

    def constants(self, node: nodes.Node, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """Yield the strings that an expression is or contains, as constants or through variables."""
        if isinstance(node, nodes.Const):
            if isinstance(node.value, str):
                yield node.value
        elif isinstance(node, nodes.List | nodes.Tuple | nodes.Concat | nodes.Add | nodes.CondExpr):
            if isinstance(node, nodes.Concat | nodes.Add) and (joined := _join_constants(node)) is not None:
                yield joined
            else:
                for part in node.iter_child_nodes():
                    yield from self.constants(part, seen)
        else:
            for value, inside in self._follow(node, seen):
                yield from self.constants(value, inside)

    def _follow(self, node: nodes.Node, seen: frozenset[str]) -> Iterator[tuple[nodes.Node, frozenset[str]]]:
        """Yield the values assigned to a variable, each with the variables followed to reach it."""
        name = find_variable(node)
        if name is not None and name not in seen and len(seen) < _MAX_STEPS and not self.is_content(node):
            for value in self.values.get(name, ()):
                yield value, seen | {name}

    def is_length(self, node: nodes.Node, seen: frozenset[str] = frozenset()) -> bool:
        """Return whether an expression uses the length of a content, the number of messages or a position in them."""
        if isinstance(node, nodes.Filter) and node.name in _LENGTH_FILTERS and node.node is not None:
            return self.is_content(node.node) or self.is_list(node.node)
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "loop":
            return node.attr in _PLACES
        if isinstance(node, nodes.BinExpr):
            return self.is_length(node.left, seen) or self.is_length(node.right, seen)
        if isinstance(node, nodes.Filter) and node.name in _NUMBER_FILTERS and node.node is not None:
            return self.is_length(node.node, seen)
        return any(self.is_length(value, inside) for value, inside in self._follow(node, seen))

    def numbers(self, node: nodes.Node, seen: frozenset[str] = frozenset()) -> Iterator[int]:
        """Yield the whole numbers in an expression, as constants or through variables."""
        if isinstance(node, nodes.Const):
            if type(node.value) is int:
                yield node.value
        elif isinstance(node, nodes.Getitem | nodes.Getattr):
            for value, inside in self._follow(node, seen):
                yield from self.numbers(value, inside)
        else:
            for part in node.iter_child_nodes():
                yield from self.numbers(part, seen)
            for value, inside in self._follow(node, seen):
                yield from self.numbers(value, inside)

    def is_table(self, node: nodes.Node, seen: frozenset[str] = frozenset()) -> bool:
        """Return whether an expression is a mapping that the template defines."""
        if isinstance(node, nodes.Dict):
            return bool(node.items)
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "dict":
            return True
        return any(self.is_table(value, inside) for value, inside in self._follow(node, seen))


def _join_constants(node: nodes.Node) -> str | None:
    """Return constants joined to one string; None if anything else is among them.

    Only strings are joined: Jinja's own `as_const` computes anything, such as `8 ** (9 ** 10)`.
    """
    if isinstance(node, nodes.Const):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, nodes.Concat | nodes.Add):
        return None
    parts = [_join_constants(part) for part in node.iter_child_nodes()]
    texts = [part for part in parts if part is not None]
    return "".join(texts) if len(texts) == len(parts) else None


def _list_bindings(tree: Iterable[nodes.Node]) -> Iterator[tuple[str, nodes.Node, bool]]:
    """Yield each variable, the value assigned to it, and whether it takes the items of that value in a loop."""
    for node in tree:
        pairs: list[tuple[nodes.Node, nodes.Node]] = []
        if isinstance(node, nodes.For):
            pairs = [(node.target, node.iter)]
        elif isinstance(node, nodes.Assign):
            pairs = [(node.target, node.node)]
        elif isinstance(node, nodes.With):
            pairs = [*zip(node.targets, node.values, strict=False)]
        elif isinstance(node, nodes.AssignBlock):
            pairs = [(node.target, part) for part in _list_printed(node.body)]
        for target, value in pairs:
            name = find_variable(target)
            if name is not None:
                yield name, value, isinstance(node, nodes.For)


def _list_printed(body: Iterable[nodes.Node]) -> Iterator[nodes.Node]:
    """Yield the expressions that the statements of a block print directly."""
    for statement in body:
        if isinstance(statement, nodes.Output):
            yield from statement.nodes


def _list_macro_bindings(tree: Iterable[nodes.Node]) -> Iterator[tuple[str, nodes.Node, bool]]:
    """Yield each parameter of a macro, and the values that calls of the macro pass for it."""
    macros = {node.name: node for node in tree if isinstance(node, nodes.Macro)}
    for node in tree:
        macro = macros.get(find_variable(node.node) or "") if isinstance(node, nodes.Call) else None
        if macro is not None and isinstance(node, nodes.Call):
            names = [parameter.name for parameter in macro.args]
            given = {keyword.key: keyword.value for keyword in node.kwargs}
            for name, value in [*zip(names, node.args, strict=False), *given.items()]:
                yield name, value, False


def _list_mappings(tree: Iterable[nodes.Node]) -> Iterator[str]:
    """Yield the variables that are tested for being mappings, or whose key `type` is read."""
    for node in tree:
        tested = isinstance(node, nodes.Test) and node.name == "mapping"
        if tested or (isinstance(node, nodes.Getattr | nodes.Getitem) and find_key(node) == "type"):
            name = find_variable(node.node)  # type: ignore[attr-defined]
            if name is not None:
                yield name


def find_variable(node: nodes.Node) -> str | None:
    """Return the name of the variable that an expression is, in a namespace or not."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.NSRef):
        return f"{node.name}.{node.attr}"
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return f"{node.node.name}.{node.attr}"
    return None


def find_key(node: nodes.Getattr | nodes.Getitem) -> object:
    """Return the key that is read of a value, if it is a constant: `x.a`, `x["a"]`, `x[0]`."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) else None
