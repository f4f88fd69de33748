"""What is refused of a stranger's chat template before it is compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.tests import TESTS as DEFAULT_TESTS

from preftemplates.errors import StyleLimitError, StyleRefusedError, StyleSyntaxError, spell_out
from preftemplates.sandbox.allowlist import EXPRESSIONS, FILTERS, GLOBALS, STATEMENTS, TESTS
from preftemplates.sandbox.limits import Limits

BLOCKS = frozenset({"call", "filter", "for", "generation", "if", "macro", "with"})
"""Tags that open a block; `set` does without an equals sign."""

DEEP = 8
"""In every so many blocks a token takes as long again to compile, since Jinja looks at the names of each."""

WORDS = frozenset({"and", "else", "if", "in", "is", "not", "or"})
"""Names that are operators."""


def check_source(source: str, limits: Limits, environment: Environment) -> None:
    """Refuse a source that would need too much to be parsed.

    Raises:
        StyleLimitError: it is too long, or nested too deeply.
        StyleSyntaxError: it has no tokens, since a text or a tag does not end, for example.
    """
    if len(source) > limits.source:
        raise StyleLimitError(f"the chat template has {len(source):,} characters; {limits.source:,} are allowed")
    depths, count = Depths(limits), 0
    for line, kind, value in tokens(source, environment):
        count += 1 + depths.blocks // DEEP
        if count > limits.tokens:
            raise StyleLimitError(f"the chat template has more than {limits.tokens:,} tokens", line=line)
        depths.read(line, kind, value)


def tokens(source: str, environment: Environment) -> Iterator[tuple[int, str, str]]:
    """The source's tokens with their lines and kinds."""
    try:
        yield from environment.lexer.tokeniter(source, None)
    except TemplateSyntaxError as error:
        raise StyleSyntaxError(f"the chat template does not parse: {error.message}", line=error.lineno) from error


class Depths:
    """How deep the tokens read so far are nested."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.blocks = 0
        self.tag: list[str] = []
        self.runs = [0]

    def read(self, line: int, kind: str, value: str) -> None:
        """Count one token.

        Raises:
            StyleLimitError: it is nested too deeply, or is too large a number.
        """
        if kind in ("block_begin", "variable_begin"):
            self.tag, self.runs = [], [0]
        elif kind == "block_end":
            self._count_block(line)
        elif kind == "operator":
            self.tag.append(value)
            self._count_operator(value, line)
        elif kind == "name":
            self.tag.append(value)
            self._count_run(value in WORDS, line)
        elif kind == "integer" and int_bits(value) > self.limits.bits:
            raise StyleLimitError(f"a number has more than {self.limits.bits} bits", line=line)
        elif kind == "float" and float(value.replace("_", "")) == float("inf"):
            raise StyleLimitError("a number is greater than the greatest one", line=line)

    def _count_block(self, line: int) -> None:
        name = self.tag[0] if self.tag else ""
        if name in BLOCKS or (name == "set" and "=" not in self.tag):
            self.blocks += 1
        elif name.startswith("end"):
            self.blocks -= 1
        if self.blocks > self.limits.blocks:
            raise StyleLimitError(f"more than {self.limits.blocks} blocks stand in each other", line=line)

    def _count_operator(self, value: str, line: int) -> None:
        if value in ("(", "[", "{"):
            self._count_run(True, line)
            self.runs.append(0)
        elif value in (")", "]", "}") and len(self.runs) > 1:
            self.runs.pop()
        elif value == ",":
            self.runs[-1] = 0
        else:
            self._count_run(True, line)
        if len(self.runs) - 1 > self.limits.nesting:  # the first run stands in no bracket
            raise StyleLimitError(f"more than {self.limits.nesting} brackets stand in each other", line=line)

    def _count_run(self, counts: bool, line: int) -> None:
        self.runs[-1] += counts
        if self.runs[-1] > self.limits.operators:
            raise StyleLimitError(f"an expression has more than {self.limits.operators} operators in a row", line=line)


def int_bits(written: str) -> int:
    """About how many bits a written whole number has; never fewer than it has."""
    digits = written.replace("_", "").lower()
    bits = {"0x": 4, "0o": 3, "0b": 1}.get(digits[:2])
    if bits is not None:
        return bits * (len(digits) - 2)
    return int(digits).bit_length() if len(digits) < 100 else 4 * len(digits)


def check_tree(tree: nodes.Template) -> None:
    """Refuse a tree that does what no template of a stranger may do.

    Raises:
        StyleRefusedError: it names another file, something internal, or a function that is not allowed.
    """
    found = list(every_node(tree))
    assigned = {node.name for node in found if isinstance(node, nodes.Name) and node.ctx != "load"}
    assigned |= {node.name for node in found if isinstance(node, nodes.Macro)}
    for node in found:
        reason = _objection(node, assigned)
        if reason:
            raise StyleRefusedError(f"the chat template {reason}", line=node.lineno)


def every_node(tree: nodes.Node) -> Iterator[nodes.Node]:
    """The nodes of a tree; Jinja's own walk takes a time that grows with the depth of each."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.iter_child_nodes())


def _objection(node: nodes.Node, assigned: set[str]) -> str | None:
    """Why a node is refused."""
    if not isinstance(node, STATEMENTS + EXPRESSIONS):
        return f"has the tag {type(node).__name__.lower()!r}, which no chat template may have"
    if isinstance(node, nodes.Name):
        return _objection_to_name(node, assigned)
    if isinstance(node, nodes.Filter):
        return _objection_to_function("filter", node, FILTERS, DEFAULT_FILTERS) or _objection_to_paths(node)
    if isinstance(node, nodes.Test):
        return _objection_to_function("test", node, TESTS, DEFAULT_TESTS)
    if isinstance(node, nodes.Getattr | nodes.NSRef) and node.attr.startswith("_"):
        return f"reads {node.attr!r}; names inside a value may not begin with an underscore"
    if isinstance(node, nodes.Keyword) and node.key.startswith("_"):
        return f"gives an argument the name {node.key!r}; it may not begin with an underscore"
    if isinstance(node, nodes.Getitem) and (name := _internal(node.arg)):
        return f"reads {name!r}; names inside a value may not begin with two underscores"
    return None


def _internal(node: nodes.Node) -> str | None:
    """A text that is looked up, if it leads to what begins with two underscores; data may have keys with one."""
    if not isinstance(node, nodes.Const) or not isinstance(node.value, str):
        return None
    return node.value if any(step.startswith("__") for step in node.value.split(".")) else None


def _objection_to_name(node: nodes.Name, assigned: set[str]) -> str | None:
    if not node.name.isascii():
        return f"has the name {spell_out(node.name)}, which looks like another"
    hidden = node.name in DEFAULT_NAMESPACE and node.name not in GLOBALS
    if (hidden or node.name == "self") and node.name not in assigned:
        return f"reads {node.name!r}, which no chat template may"
    return None


def _objection_to_function(
    kind: str, node: nodes.Filter | nodes.Test, allowed: frozenset[str], known: Mapping[str, object]
) -> str | None:
    """One that Jinja does not know either is left to Jinja, which objects only where it is used."""
    if node.name in known and node.name not in allowed:
        return f"uses the {kind} {node.name!r}, which no chat template may"
    return None


def _objection_to_paths(node: nodes.Filter) -> str | None:
    """Filters such as `map` look names up that are texts."""
    paths = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
    if node.name in ("groupby", "map", "rejectattr", "selectattr"):
        paths += node.args[:1]
    for path in paths:
        if name := _internal(path):
            return f"reads {name!r}; names inside a value may not begin with two underscores"
        used = path.value if isinstance(path, nodes.Const) and node.name == "map" else None
        if used in DEFAULT_FILTERS and used not in FILTERS:
            return f"uses the filter {used!r}, which no chat template may"
    return None
