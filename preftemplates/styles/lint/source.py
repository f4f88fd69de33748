"""What the source of a chat template says about it, without a render."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jinja2 import Environment, nodes

from preftemplates.errors import find_nearest, preview, spell_out
from preftemplates.sandbox.admission import every_node
from preftemplates.styles.lint.findings import FindingCode, StyleFinding

FIELDS = frozenset((
    "annotations", "audio", "channel", "citations", "content", "content_blocks", "documents", "files", "from",
    "function_call", "function_calls", "functions", "images", "loss_mask", "name", "prefix", "reasoning",
    "reasoning_content", "reasoning_details", "recipient", "refusal", "response_format", "role", "thinking",
    "thought", "thoughts", "tool_call", "tool_call_id", "tool_calls", "tool_name", "tool_plan", "tool_responses",
    "tool_results", "tools", "type", "value", "videos", "weight",
))  # fmt: skip
"""What the fields of messages are called, by the chat APIs and by the templates of well-known models."""

TAGS = frozenset(
    f"<{slash}{name}>"
    for slash in ("", "/")
    for name in ("reasoning", "think", "thinking", "thought", "tool_call", "tool_response")
)
"""Constants with which contents are commonly compared to find thinking and tools, and that are no one's secret."""

PART_KEYS = frozenset((
    "audio", "audio_url", "blocks", "file", "image", "image_url", "input_audio", "name", "parts", "response", "text",
    "type", "value", "video", "video_url",
))  # fmt: skip
"""Keys of typed parts; `'image' in content` asks for one where `content` may be a part."""

LOOKING = frozenset({"count", "endswith", "find", "index", "rfind", "rindex", "startswith"})
"""Methods of texts that look for another text."""

MEASURING = frozenset({"count", "length", "string", "tojson"})
"""Filters of which the result is no longer the text that goes in; `string` is, but tests whether a content is one."""

EQUALITY = frozenset({"!=", "==", "eq", "equalto", "in", "ne", "sameas"})
PICKING = frozenset({"rejectattr", "selectattr"})


def source_findings(source: str, environment: Environment) -> Iterator[StyleFinding]:
    """What is remarkable about a source that parses.

    Args:
        source: the template's text.
        environment: that it is written for.
    """
    tree = environment.parse(source)
    nodes_in_order = sorted([*every_node(tree)][::-1], key=lambda node: node.lineno or 0)
    yield from _hidden(source, nodes_in_order)
    names = Names.read(nodes_in_order)
    yield from _branches(nodes_in_order, names)
    yield from _unknown_fields(nodes_in_order, names)


def _hidden(source: str, tree: Iterable[nodes.Node]) -> Iterator[StyleFinding]:
    """Characters that do not show, in the source and in its constants, and names with letters that are not ASCII."""
    for number, line in enumerate(source.split("\n"), start=1):
        for char in dict.fromkeys(filter(_hides, line)):
            yield _hidden_finding(f"the template holds {_named(char)}, which does not show", number)
    for node in tree:
        if isinstance(node, nodes.Const) and isinstance(node.value, str):
            for char in dict.fromkeys(char for char in node.value if _hides(char) and char not in source):
                yield _hidden_finding(f"a text of the template holds {_named(char)}, which does not show", node.lineno)
        name = _identifier(node)
        if name is not None and not name.isascii():
            yield _hidden_finding(f"the name {spell_out(name)} has letters that are not ASCII", node.lineno)


def _hidden_finding(message: str, line: int) -> StyleFinding:
    return StyleFinding(FindingCode.HIDDEN_CHARACTERS, message, line)


def _hides(char: str) -> bool:
    """Whether a character takes no room, or steers what stands around it."""
    if char.isascii():
        return (char < " " and char not in "\n\r\t\f\x1b") or char in "\x1b\x7f"
    variation = "\ufe00" <= char <= "\ufe0d" or "\U000e0100" <= char <= "\U000e01ef"
    return unicodedata.category(char) in ("Cf", "Cc") or variation or char in "\u115f\u1160\u3164\u2800"


def _named(char: str) -> str:
    return f"U+{ord(char):04X} ({unicodedata.name(char, 'a control character').lower()})"


def _identifier(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Name | nodes.Macro):
        return node.name
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.arg.value
    return node.key if isinstance(node, nodes.Keyword) else None


@dataclass
class Names:
    """Which variables of a template hold messages, lists of them, and contents."""

    lists: set[str] = field(default_factory=lambda: {"messages"})
    messages: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=lambda: {"content"})
    parts: set[str] = field(default_factory=set)
    values: dict[str, list[nodes.Node]] = field(default_factory=dict)
    """What is assigned to each variable."""

    @classmethod
    def read(cls, tree: Iterable[nodes.Node]) -> Names:
        """The names, found by following what is assigned to what until nothing new is found."""
        names = cls(parts={*_mappings(tree)})
        bindings = [*_bindings(tree)]
        for target, value, _ in bindings:
            names.values.setdefault(target, []).append(value)
        before = -1
        while before != (before := names._count()):
            for target, value, looped in bindings:
                names._bind(target, value, looped)
        return names

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
        """Whether an expression is the messages, or some of them."""
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            return self.is_list(node.node)
        if isinstance(node, nodes.Filter) and node.name in (*PICKING, "list", "reverse") and node.node is not None:
            return self.is_list(node.node)
        return _name(node) in self.lists

    def is_message(self, node: nodes.Node) -> bool:
        """Whether an expression is one message."""
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice) and self.is_list(node.node):
            return not isinstance(node.arg, nodes.Const) or isinstance(node.arg.value, int)
        return _name(node) in self.messages

    def is_content(self, node: nodes.Node) -> bool:
        """Whether an expression is a message's content, or made from one."""
        if isinstance(node, nodes.Getattr | nodes.Getitem):
            key = _key(node)
            return key == "content" or (not isinstance(key, str) and self.is_content(node.node))
        if isinstance(node, nodes.Filter) and node.node is not None:
            return node.name not in MEASURING and self.is_content(node.node)
        if isinstance(node, nodes.Call):
            method = node.node if isinstance(node.node, nodes.Getattr) and node.node.attr not in LOOKING else None
            return (method is not None and self.is_content(method.node)) or any(map(self.is_content, node.args))
        if isinstance(node, nodes.CondExpr):
            return any(self.is_content(side) for side in (node.expr1, node.expr2) if side is not None)
        if isinstance(node, nodes.Add | nodes.Or | nodes.And):
            return self.is_content(node.left) or self.is_content(node.right)
        if isinstance(node, nodes.Concat):
            return any(map(self.is_content, node.nodes))
        return _name(node) in self.contents

    def constants(self, node: nodes.Node, depth: int = 4) -> Iterator[str]:
        """The texts that an expression may be, or that stand in it: written there, or assigned to a variable."""
        if isinstance(node, nodes.Const):
            if isinstance(node.value, str):
                yield node.value
        elif isinstance(node, nodes.List | nodes.Tuple | nodes.Concat | nodes.Add | nodes.CondExpr):
            if isinstance(node, nodes.Concat | nodes.Add) and (joined := _joined(node)) is not None:
                yield joined
            else:
                for part in node.iter_child_nodes():
                    yield from self.constants(part, depth)
        elif depth and not self.is_content(node):
            for value in self.values.get(_name(node) or "", ()):
                yield from self.constants(value, depth - 1)


def _joined(node: nodes.Node) -> str | None:
    """The text that constants are when they are put together; None where there is something else among them."""
    try:
        value = node.as_const() if isinstance(node, nodes.Expr) else None
    except nodes.Impossible:
        return None
    return value if isinstance(value, str) else None


def _bindings(tree: Iterable[nodes.Node]) -> Iterator[tuple[str, nodes.Node, bool]]:
    """Each variable, what is assigned to it, and whether it takes one value of that after the other."""
    for node in tree:
        if isinstance(node, nodes.Assign | nodes.For):
            looped = isinstance(node, nodes.For)
            value = node.iter if isinstance(node, nodes.For) else node.node
            name = _name(node.target)
            if name is not None:
                yield name, value, looped


def _mappings(tree: Iterable[nodes.Node]) -> Iterator[str]:
    """The variables that are tested for being mappings, or of which a type is read."""
    for node in tree:
        tested = isinstance(node, nodes.Test) and node.name == "mapping"
        if tested or (isinstance(node, nodes.Getattr | nodes.Getitem) and _key(node) == "type"):
            name = _name(node.node)  # type: ignore[attr-defined]
            if name is not None:
                yield name


def _name(node: nodes.Node) -> str | None:
    """The variable that an expression is, in a namespace or not."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.NSRef):
        return f"{node.name}.{node.attr}"
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return f"{node.node.name}.{node.attr}"
    return None


def _key(node: nodes.Getattr | nodes.Getitem) -> object:
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) else None


def _branches(tree: Iterable[nodes.Node], names: Names) -> Iterator[StyleFinding]:
    """Comparisons of contents with texts of the template."""
    told: dict[tuple[int, str], None] = {}
    for node in tree:
        for constant in _compared(node, names):
            if constant.strip() and constant.strip() not in TAGS:
                told[node.lineno, constant] = None
    for line, constant in told:
        yield StyleFinding(
            FindingCode.CONTENT_BRANCH,
            f"the template looks for {preview(constant)} in a content and acts on it",
            line,
            field="content",
        )


def _compared(node: nodes.Node, names: Names) -> Iterator[str]:
    """The texts with which a node compares contents."""
    if isinstance(node, nodes.Compare):
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        if any(map(names.is_content, sides)):
            keys = PART_KEYS if any(_name(side) in names.parts for side in sides) else frozenset()
            yield from (text for side in sides for text in names.constants(side) if text not in keys)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in LOOKING:
        if names.is_content(node.node.node):
            yield from (text for given in node.args for text in names.constants(given))
    elif isinstance(node, nodes.Test) and node.name in EQUALITY and names.is_content(node.node):
        yield from (text for given in node.args for text in names.constants(given))
    elif isinstance(node, nodes.Filter) and node.name in PICKING:
        given = [list(names.constants(argument)) for argument in node.args]
        if given and given[0] == ["content"]:
            yield from (text for texts in given[2:] for text in texts)


def _unknown_fields(tree: Iterable[nodes.Node], names: Names) -> Iterator[StyleFinding]:
    """Fields that are read of messages, and that no message has."""
    told: set[str] = set()
    for node in tree:
        name = _field_read(node, names)
        if name is None or name in FIELDS or name in told:
            continue
        told.add(name)
        meant = find_nearest(name, FIELDS)
        guess = f"; near: {meant!r}" if meant else ""
        yield StyleFinding(
            FindingCode.UNKNOWN_FIELD,
            f"the template reads {spell_out(name)} of a message, which no message has{guess}",
            node.lineno,
            field=name,
        )


def _field_read(node: nodes.Node, names: Names) -> str | None:
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get":
        given = node.args[0] if node.args else None
        if names.is_message(node.node.node) and isinstance(given, nodes.Const) and isinstance(given.value, str):
            return given.value
        return None
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not names.is_message(node.node):
        return None
    key = _key(node)
    methods = ("copy", "get", "items", "keys", "values")
    return key if isinstance(key, str) and not (isinstance(node, nodes.Getattr) and key in methods) else None
