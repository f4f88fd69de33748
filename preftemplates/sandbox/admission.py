"""The checks that an untrusted template passes before it is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.tests import TESTS as DEFAULT_TESTS

from preftemplates.errors import StyleLimitError, StyleRefusedError, StyleSyntaxError, spell_out
from preftemplates.sandbox.allowlist import (
    ALLOWED_EXPRESSIONS,
    ALLOWED_FILTERS,
    ALLOWED_GLOBALS,
    ALLOWED_STATEMENTS,
    ALLOWED_TESTS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from preftemplates.sandbox.limits import Limits

_BLOCK_TAGS = frozenset({"call", "filter", "for", "generation", "if", "macro", "with"})
"""Tags that open a block; `set` does without an equals sign."""

_BLOCKS_PER_EXTRA_COST = 8
"""A token counts once more per this many open blocks: Jinja looks its name up in each block, so it compiles slower."""

_OPERATOR_WORDS = frozenset({"and", "else", "if", "in", "is", "not", "or"})
"""Names that the lexer reports for operators."""


def check_source(source: str, limits: Limits, environment: Environment) -> None:
    """Reject a source that would take too many resources to parse.

    Raises:
        StyleLimitError: it is too long, has too many tokens, or is nested too deeply.
        StyleSyntaxError: the lexer fails, for example because a string or a tag does not end.
    """
    if len(source) > limits.source:
        raise StyleLimitError(f"the chat template has {len(source):,} characters; {limits.source:,} are allowed")
    depths, count = _NestingDepths(limits), 0
    for line, kind, value in _read_tokens(source, environment):
        count += 1 + depths.blocks // _BLOCKS_PER_EXTRA_COST
        if count > limits.tokens:
            raise StyleLimitError(f"the chat template has more than {limits.tokens:,} tokens", line=line)
        depths.count_token(line, kind, value)


def _read_tokens(source: str, environment: Environment) -> Iterator[tuple[int, str, str]]:
    """Yield the line, kind and value of each token of a source."""
    try:
        # tokeniter yields as it matches, so a source with too many tokens is rejected before the rest is matched
        yield from environment.lexer.tokeniter(source, None)
    except TemplateSyntaxError as error:
        raise StyleSyntaxError(f"the chat template does not parse: {error.message}", line=error.lineno) from error


class _NestingDepths:
    """Track how deep the tokens read so far are nested."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.blocks = 0
        self.tag: list[str] = []
        self.runs = [0]

    def count_token(self, line: int, kind: str, value: str) -> None:
        """Count one token.

        Raises:
            StyleLimitError: the token exceeds the nesting limit, or is too large a number.
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
            self._count_run(value in _OPERATOR_WORDS, line)
        # a literal is the result of no operation, so `Budget.check_number` never sees it
        elif kind == "integer" and _estimate_int_bits(value) > self.limits.bits:
            raise StyleLimitError(f"a number has more than {self.limits.bits} bits", line=line)
        elif kind == "float" and float(value.replace("_", "")) == float("inf"):
            # Jinja's compiler would write `inf`, which Python reads as a name
            raise StyleLimitError("a number is too large for a float", line=line)

    def _count_block(self, line: int) -> None:
        name = self.tag[0] if self.tag else ""
        if name in _BLOCK_TAGS or (name == "set" and "=" not in self.tag):
            self.blocks += 1
        elif name.startswith("end"):
            self.blocks -= 1  # a stray end tag may make it negative, but then Jinja's parser raises an error
        if self.blocks > self.limits.blocks:
            raise StyleLimitError(f"blocks are nested more than {self.limits.blocks} deep", line=line)

    def _count_operator(self, value: str, line: int) -> None:
        if value in ("(", "[", "{"):
            self._count_run(True, line)  # `a()()()` nests three calls, but its brackets are one deep
            self.runs.append(0)
        elif value in (")", "]", "}") and len(self.runs) > 1:
            self.runs.pop()
        elif value == ",":
            self.runs[-1] = 0  # items after a comma are siblings in the tree, not levels of it
        else:
            self._count_run(True, line)
        if len(self.runs) - 1 > self.limits.nesting:  # the first run is outside all brackets
            raise StyleLimitError(f"brackets are nested more than {self.limits.nesting} deep", line=line)

    def _count_run(self, counts: bool, line: int) -> None:
        self.runs[-1] += counts
        if self.runs[-1] > self.limits.operators:
            raise StyleLimitError(f"an expression has more than {self.limits.operators} operators in a row", line=line)


def _estimate_int_bits(written: str) -> int:
    """Estimate the bits of a written whole number, without ever returning fewer than it has."""
    digits = written.replace("_", "").lower()
    bits = {"0x": 4, "0o": 3, "0b": 1}.get(digits[:2])
    if bits is not None:
        # int() takes quadratic time, so a long number is estimated: a decimal digit needs fewer than 4 bits
        return bits * (len(digits) - 2)
    return int(digits).bit_length() if len(digits) < 100 else 4 * len(digits)


def check_tree(tree: nodes.Template) -> None:
    """Reject a tree that does something no untrusted template may do.

    Raises:
        StyleRefusedError: it names another file, an internal attribute or a function that is not allowed.
    """
    all_nodes = list(walk_nodes(tree))
    assigned = {node.name for node in all_nodes if isinstance(node, nodes.Name) and node.ctx != "load"}
    assigned |= {node.name for node in all_nodes if isinstance(node, nodes.Macro)}
    for node in all_nodes:
        reason = _find_objection(node, assigned)
        if reason:
            raise StyleRefusedError(f"the chat template {reason}", line=node.lineno)


def walk_nodes(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Yield the nodes of a tree; Jinja's own walk is recursive, and slow on deep trees."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.iter_child_nodes())


def _find_objection(node: nodes.Node, assigned: set[str]) -> str | None:
    """Explain why a node is rejected; return None if it is allowed."""
    if not isinstance(node, ALLOWED_STATEMENTS + ALLOWED_EXPRESSIONS):
        return f"uses the tag {type(node).__name__.lower()!r}, which is not allowed"
    if isinstance(node, nodes.Name):
        return _find_name_objection(node, assigned)
    if isinstance(node, nodes.Filter):
        return _find_function_objection("filter", node, ALLOWED_FILTERS, DEFAULT_FILTERS) or _find_path_objection(node)
    if isinstance(node, nodes.Test):
        return _find_function_objection("test", node, ALLOWED_TESTS, DEFAULT_TESTS)
    if isinstance(node, nodes.Getattr | nodes.NSRef) and node.attr.startswith("_"):
        return f"reads {node.attr!r}; the name of an attribute may not begin with an underscore"
    # Jinja's Context.call takes the arguments `_loop_vars` and `_block_vars` for its own
    if isinstance(node, nodes.Keyword) and node.key.startswith("_"):
        return f"passes the argument {node.key!r}; the name of an argument may not begin with an underscore"
    if isinstance(node, nodes.Getitem) and (name := _find_internal_name(node.arg)):
        return f"reads {name!r}; the name of an attribute or key may not begin with two underscores"
    return None


def _find_internal_name(node: nodes.Node) -> str | None:
    """Return a constant key that leads to a name with two leading underscores; keys of data may begin with one."""
    if not isinstance(node, nodes.Const) or not isinstance(node.value, str):
        return None  # `is_safe_attribute` checks a computed key when it is looked up: `messages['__cl' ~ 'ass__']`
    return node.value if any(step.startswith("__") for step in node.value.split(".")) else None


def _find_name_objection(node: nodes.Name, assigned: set[str]) -> str | None:
    # Python normalises the names of compiled code (NFKC), so `ﬁ` and `fi` would be one variable
    if not node.name.isascii():
        return f"uses the name {spell_out(node.name)}, which could be mistaken for another one"
    # a template may define its own variable with the name of a hidden global, such as `cycler`; where it is not set,
    # the name is undefined, since the environment does not have the global either
    hidden = node.name in DEFAULT_NAMESPACE and node.name not in ALLOWED_GLOBALS
    if (hidden or node.name == "self") and node.name not in assigned:
        return f"reads {node.name!r}, which is not allowed"
    return None


def _find_function_objection(
    kind: str, node: nodes.Filter | nodes.Test, allowed: frozenset[str], jinja_names: Mapping[str, object]
) -> str | None:
    """Explain why a filter or test is rejected; unknown ones are left to Jinja, which raises only if they run."""
    if node.name in jinja_names and node.name not in allowed:
        return f"uses the {kind} {node.name!r}, which is not allowed"
    return None


def _find_path_objection(node: nodes.Filter) -> str | None:
    """Explain why an attribute path is rejected: filters such as `map` look names up that are given as strings."""
    paths = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
    if node.name in ("groupby", "map", "rejectattr", "selectattr"):
        paths += node.args[:1]
    for path in paths:
        if name := _find_internal_name(path):
            return f"reads {name!r}; the name of an attribute or key may not begin with two underscores"
        # `map("upper")` applies a filter by its name, so the allowlist must hold there as well
        used = path.value if isinstance(path, nodes.Const) and node.name == "map" else None
        if used in DEFAULT_FILTERS and used not in ALLOWED_FILTERS:
            return f"uses the filter {used!r}, which is not allowed"
    return None
