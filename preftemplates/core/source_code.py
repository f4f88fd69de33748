"""What a function or class does, as text that does not depend on where it is defined or how it is laid out."""

from __future__ import annotations

import ast
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from types import CodeType, FunctionType
from typing import Any

from preftemplates.core.digest import canonical_json
from preftemplates.core.python_files import find_source_file

_DROPPED_TOKENS = (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER)
"""Tokens that change nothing."""

_LAYOUT_TOKENS = {tokenize.INDENT: "{", tokenize.DEDENT: "}", tokenize.NEWLINE: ";"}
"""How the tokens that stand for line ends and indentation are written."""

_ABSENT = object()


def function_source(function: Callable[..., Any]) -> str:
    """Return what a function does, as canonical JSON.

    The text holds the function's tokens, and the values of the module's constants and the tokens of the module's
    functions that it reads. Comments, docstrings, indentation, line ends and the decorator that registers it are left
    out; functions of other modules count by their names.

    >>> def one(text):
    ...     return text[:3]
    >>> def other(text):
    ...     '''Cut it.'''
    ...     return text[:3]  # the first three
    >>> function_source(one).replace("one", "other") == function_source(other)
    True
    """
    return canonical_json(_describe(function, set()))


def class_source(cls: type[Any]) -> str:
    """Return what a class and its parents define, as canonical JSON: their methods and plain values by name.

    The names of the class and of its module are no part of it, nor is what it inherits from this library.
    """
    visited: set[tuple[str, str]] = set()
    members: dict[str, Any] = {}
    for parent in reversed(cls.__mro__):
        if parent is not object and not parent.__module__.startswith("preftemplates."):
            own_members = _list_own_members(parent)
            members |= {name: _describe_value(value, parent.__module__, visited) for name, value in own_members}
    return canonical_json(_without_absent(members))


def _list_own_members(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in sorted(vars(cls).items()) if not name.startswith("__"))


def _without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not _ABSENT}


def _describe(function: Any, visited: set[tuple[str, str]]) -> dict[str, Any]:
    """Return the tokens of a function and what it reads; a function that is described already is named only."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return {"name": f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"}
    if (function.__module__, function.__qualname__) in visited:
        return {"name": function.__name__}
    visited.add((function.__module__, function.__qualname__))
    try:
        source = textwrap.dedent(_read_source(function)).replace("\r\n", "\n")
        described: dict[str, Any] = {"tokens": canonical_tokens(source)}
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        source, described = "", {"code": _describe_code(code)}
    if source.count("lambda") > 1:  # the source of a lambda is the whole of its lines
        described["code"] = _describe_code(code)
    module = function.__module__
    reads = {name: _describe_value(value, module, visited) for name, value in _list_reads(function, source)}
    return {**described, "reads": _without_absent(reads)}


def _read_source(function: FunctionType) -> str:
    """Return the lines of a function; those of a file that was run by its path as they were then."""
    file = find_source_file(function)
    if file is None:
        if function.__code__.co_filename == "<string>":  # any executed text; Python 3.13 finds that of `python -c`
            raise OSError("source code not available")
        return inspect.getsource(function)
    return "".join(inspect.getblock(file.text.splitlines(keepends=True)[function.__code__.co_firstlineno - 1 :]))


def _list_reads(function: FunctionType, source: str) -> Iterator[tuple[str, Any]]:
    """Yield what a function finds outside of itself by name: defaults, variables of a closure, globals."""
    yield "=defaults", [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name != "__class__" and not _is_empty(cell):
            yield name, cell.cell_contents
    for name in sorted(_list_names(source, function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _is_empty(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  asking is the only way to know
    except ValueError:
        return True
    return False


def _list_names(source: str, code: CodeType) -> set[str]:
    """Return the names that a function may look up among its module's."""
    try:
        return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)} or {*code.co_names}
    except SyntaxError:
        return {*code.co_names}


def _describe_value(value: Any, module: str, visited: set[tuple[str, str]]) -> Any:
    """Return plain data, a pattern, or a function or class of the module in canonical form; else `_ABSENT`."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        accessors = (value.fget, value.fset)
        return [_describe(accessor, visited) for accessor in accessors if accessor is not None]
    if inspect.isroutine(value):
        return _describe(value, visited) if inspect.unwrap(value).__module__ == module else _ABSENT
    if isinstance(value, type):
        if value.__module__ != module or (module, value.__qualname__) in visited:
            return _ABSENT
        visited.add((module, value.__qualname__))
        routines = ((name, member) for name, member in _list_own_members(value) if inspect.isroutine(member))
        methods = {name: _describe_value(routine, module, visited) for name, routine in routines}
        return {"class": _without_absent(methods)}
    return _constant(value)


def _constant(value: Any) -> Any:
    """Return plain data in canonical form; `_ABSENT` for a value that is none."""
    if isinstance(value, Enum):
        return {"member": [type(value).__qualname__, value.name]}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, re.Pattern):
        return {"pattern": _constant(value.pattern), "flags": int(value.flags)}
    if isinstance(value, Mapping):
        return _all_or_none("items", (pair for pair in value.items()))
    if isinstance(value, list | tuple):
        return _all_or_none("list", value)
    if isinstance(value, set | frozenset):
        items = _all_or_none("set", value)
        return items if items is _ABSENT else {"set": sorted(items["set"], key=canonical_json)}
    return _ABSENT


def _all_or_none(kind: str, values: Iterable[Any]) -> Any:
    constants = [_constant(value) for value in values]
    return _ABSENT if any(constant is _ABSENT for constant in constants) else {kind: constants}


def _describe_code(code: CodeType) -> list[Any]:
    """Return a function without a source as its instructions, which are those of one version of Python."""
    constants = [_describe_code(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts]
    return [code.co_code.hex(), constants, list(code.co_names)]


def canonical_tokens(source: str) -> str:
    r"""Return the tokens of Python source, a space apart: whitespace, comments and docstrings are left out.

    >>> canonical_tokens("def f(a):\n    'Add.'\n    return (a +  # one\n        1)\n")
    'def f ( a ) : ; { return ( a + 1 ) ; }'

    Raises:
        SyntaxError, TokenError: the source is no whole statement.
    """
    lines: list[list[str]] = [[]]
    for kind, text in _tokens(source):
        lines[-1].append(text)
        if kind == tokenize.NEWLINE:
            lines.append([])
    lines = [line for line in map(_without_docstring, lines) if not _is_registering_decorator(line)]
    return " ".join(word for line in lines for word in line)


def _tokens(source: str) -> Iterator[tuple[int, str]]:
    """Yield the tokens that count; an f-string, which newer versions of Python take apart, is one token."""
    lines = source.splitlines(keepends=True)
    depth, begin = 0, (0, 0)
    for kind, text, start, end, _ in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[kind]
        if name.endswith("STRING_START"):
            depth, begin = depth + 1, begin if depth else start
        elif name.endswith("STRING_END"):
            depth -= 1
            if not depth:
                yield tokenize.STRING, _cut_lines(lines, begin, end)
        elif not depth and kind not in _DROPPED_TOKENS:
            yield kind, _LAYOUT_TOKENS.get(kind, text)


def _cut_lines(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return the characters from one place up to another; lines are counted from 1, columns from 0."""
    block = lines[start[0] - 1 : end[0]]
    block[-1] = block[-1][: end[1]]
    block[0] = block[0][start[1] :]
    return "".join(block)


def _without_docstring(line: list[str]) -> list[str]:
    """Return a logical line without a statement that is nothing but text: a docstring."""
    layout = [word for word in line if word in ("{", "}")]
    rest = line[len(layout) :]
    is_text = rest[-1:] == [";"] and len(rest) > 1 and all(word[-1] in "\"'" for word in rest[:-1])
    return layout if is_text else line


def _is_registering_decorator(line: list[str]) -> bool:
    """Return whether a logical line is the decorator of a registry, which changes nothing in a function."""
    return line[:1] == ["@"] and any(word.startswith("register_") for word in line)
