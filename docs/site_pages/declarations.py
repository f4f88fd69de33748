"""The source of a bundled class: its statement, and the statements of its file that it needs."""

from __future__ import annotations

import ast
import inspect
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DEFINITIONS = (ast.ClassDef, ast.FunctionDef)


class Statement(NamedTuple):
    """A statement of a file: its text, its line numbers from 1, the names that it binds and those that it reads."""

    node: ast.stmt
    first: int
    last: int
    bound: frozenset[str]
    read: frozenset[str]


def write_declaration(cls: type[Any]) -> str:
    """Return the class statement, and before it the statements of its file that it needs, as Python source."""
    source = inspect.getsource(sys.modules[cls.__module__])
    statements = read_statements(source)
    needed = find_needed(statements, cls.__name__)
    imports = [each for each in statements if _is_import(each.node)]
    rest = [each for each in statements if not _is_import(each.node) and each.bound & needed]
    body = _join(rest, source.splitlines())
    return _write_imports(imports, needed, source.splitlines()) + _gap(rest[0].node) + body


def read_statements(source: str) -> list[Statement]:
    """Return the statements of a module, each with the comment above it and the text that documents it."""
    lines, nodes = source.splitlines(), ast.parse(source).body
    statements: list[Statement] = []
    for node in nodes:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text and statements and isinstance(statements[-1].node, ast.Assign | ast.AnnAssign):
            statements[-1] = statements[-1]._replace(last=node.end_lineno or 0)
        elif not is_text:
            statements.append(_read_statement(node, lines))
    return statements


def _read_statement(node: ast.stmt, lines: Sequence[str]) -> Statement:
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
    read = frozenset(each.id for each in names if isinstance(each.ctx, ast.Load))
    return Statement(node, first, node.end_lineno or first, frozenset(_list_bound(node)), read)


def _list_bound(node: ast.stmt) -> Iterable[str]:
    """Return the names that a statement of a module binds."""
    if isinstance(node, _DEFINITIONS):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return [each.id for each in names if isinstance(each.ctx, ast.Store)]


def find_needed(statements: Iterable[Statement], name: str) -> set[str]:
    """Return a name of a module and the names that its statements need, directly or not."""
    needed, left = set[str](), {name}
    while left:
        needed |= left
        left = {read for each in statements if each.bound & left for read in each.read} - needed
    return needed


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _write_imports(imports: Iterable[Statement], needed: set[str], lines: Sequence[str]) -> str:
    """Return the imports of the needed names, in the blocks of the file."""
    written: list[str] = []
    for each in imports:
        if written and each.first > 1 and not lines[each.first - 2] and written[-1]:
            written.append("")
        text = _write_import(each, needed)
        written += [text] if text else []
    return "\n".join(written).strip("\n")


def _write_import(statement: Statement, needed: set[str]) -> str:
    """Return an import of the needed names; empty if it has none of them."""
    node: Any = statement.node
    if getattr(node, "module", "") == "__future__":
        return ast.unparse(node)
    names = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in needed]
    node.names = names
    return ast.unparse(node) if names else ""


def _join(statements: Sequence[Statement], lines: Sequence[str]) -> str:
    """Return the text of statements, with the gaps of the file between neighbours."""
    text, previous = "", None
    for each in statements:
        if previous is not None:
            between = lines[previous.last : each.first - 1]
            text += "\n" * (1 + len(between)) if not any(between) else _gap(each.node, previous.node)
        text += "\n".join(lines[each.first - 1 : each.last])
        previous = each
    return text


def _gap(*nodes: ast.stmt) -> str:
    """Return the line ends before a statement: two empty lines next to a class or function, else one."""
    return "\n\n\n" if any(isinstance(node, _DEFINITIONS) for node in nodes) else "\n\n"
