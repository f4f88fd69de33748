"""Source code as text that does not depend on where it is defined or how it is laid out."""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any

from preftemplates.core.digest import canonical_json
from preftemplates.core.python_files import find_source_file

_DROPPED_TOKENS = (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER)
"""Tokens that do not change the meaning of code."""

_LAYOUT_TOKENS = {tokenize.INDENT: "{", tokenize.DEDENT: "}", tokenize.NEWLINE: ";"}
"""The spelling of the tokens for line ends and indentation."""

_GENERATED_MEMBERS = ("__annotate__", "__annotate_func__")
"""Functions that Python 3.14 adds to a class."""

_STANDARD_LIBRARY = tuple(f"{name}." for name in sys.stdlib_module_names)

_ABSENT = object()  # None would not do: it is a constant that a function may read


def function_source(function: Callable[..., Any]) -> str:
    """Return what a function does, as canonical JSON.

    The text holds the tokens of the function, the values of the module constants that it reads, and the tokens of the
    module functions and classes that it reads. Comments, docstrings, layout and the decorator that registers it are
    left out. Functions of other modules count by name.

    >>> def one(text):
    ...     return text[:3]
    >>> def other(text):
    ...     '''Cut it.'''
    ...     return text[:3]  # the first three
    >>> function_source(one).replace("one", "other") == function_source(other)
    True
    """
    return canonical_json(_describe(function, {}))


def class_source(cls: type[Any]) -> str:
    """Return what a class and its parents define, as canonical JSON: their methods and plain values by name.

    The names of the class and its module are left out, and so is everything inherited from this library.
    """
    skipped = ("preftemplates.", "builtins.", "typing.")  # the members of typing.Generic depend on the Python version
    parents = [parent for parent in cls.__mro__ if not f"{parent.__module__}.".startswith(skipped)]
    return canonical_json(_describe_members(parents, {}))


def _describe_members(parents: list[type[Any]], visited: dict[int, Any]) -> dict[str, Any]:
    """Describe what these classes define, by name; the first one of them that defines a name counts."""
    members: dict[str, Any] = {}
    for parent in reversed(parents):
        own_members = _list_own_members(parent)
        members |= {name: _describe_value(value, parent.__module__, visited) for name, value in own_members}
    return _without_absent(members)


def _list_own_members(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield what the author of a class wrote in it, so that all versions of Python yield the same."""
    is_enum = issubclass(cls, Enum)
    for name, value in sorted(vars(cls).items()):
        if is_enum and name in cls.__members__:
            yield name, [cls.__members__[name].value]
        elif name.startswith("__"):
            if _is_written_method(cls, name, value):
                yield name, value
        elif not (is_enum and name.startswith("_") and name.endswith("_")):  # the tables of an Enum, as _member_map_
            yield name, value


def _is_written_method(cls: type[Any], name: str, value: Any) -> bool:
    """Return whether a member is a method that the author of a class wrote, and not one that Python or attrs added."""
    if f"{cls.__module__}.".startswith(_STANDARD_LIBRARY) or name in _GENERATED_MEMBERS:
        return False
    method = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    code = getattr(inspect.unwrap(method), "__code__", None) if callable(method) else None
    if code is None:
        return False
    # dataclass and attrs compile their methods outside of the class, from a text whose name is such as "<string>"
    return not code.co_filename.startswith("<") or code.co_qualname.startswith(f"{cls.__qualname__}.")


def _without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not _ABSENT}


def _describe(function: Any, visited: dict[int, Any]) -> dict[str, Any]:
    """Return the tokens of a function and what it reads; only the name, if the function is described already.

    Args:
        function: the function.
        visited: the functions and classes described so far, by identity: two lambdas have the same name.
    """
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        module = getattr(function, "__module__", "builtins")
        return {"name": f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"}
    if id(function) in visited:
        return {"name": function.__name__}
    visited[id(function)] = function  # which keeps it alive, so that no other object gets this identity
    try:
        source = _read_source(function)
        described: dict[str, Any] = {"tokens": canonical_tokens(source)}
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        # executed text has no source, and the lines of a lambda may be a part of a statement
        source, described = "", {"code": _describe_code(code)}
    if source.count("lambda") > 1:  # a lambda's source is the whole line, so the tokens do not show which one it is
        described["code"] = _describe_code(code)
    module = function.__module__
    reads = {name: _describe_value(value, module, visited) for name, value in _list_reads(function, source)}
    return {**described, "reads": _without_absent(reads)}


def _read_source(function: FunctionType) -> str:
    """Return the source lines of a function; for a file run by path, those that were run, not those on disk now."""
    file = find_source_file(function)
    if file is None:
        if function.__code__.co_filename == "<string>":  # executed text has no file; Python 3.13 finds `python -c`
            raise OSError("source code not available")
        return inspect.getsource(function)
    return "".join(inspect.getblock(_split_lines(file.text)[function.__code__.co_firstlineno - 1 :]))


def _split_lines(source: str) -> list[str]:
    """Split source after each line end of Python, which becomes a newline; `str.splitlines` splits at others too."""
    return list(io.StringIO(source, newline=None))


def _list_reads(function: FunctionType, source: str) -> Iterator[tuple[str, Any]]:
    """Yield what a function reads from outside by name: defaults, closure variables and globals."""
    # no variable can have this name
    yield "=defaults", [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        # `super()` closes over `__class__`; a variable is empty if the outer function assigns it later
        if name != "__class__" and not _is_empty(cell):
            yield name, cell.cell_contents
    for name in sorted(_list_names(source, function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _is_empty(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  reading it is the only way to find out
    except ValueError:
        return True
    return False


def _list_names(source: str, code: CodeType) -> set[str]:
    """Return the names that a function may look up in its module."""
    # co_names lacks the names that inner functions read, and before Python 3.12 also comprehensions
    # the source of a method is indented; its lines cannot be dedented, as those within a string are a part of it
    statement = f"if True:\n{source}" if source.startswith((" ", "\t")) else source
    try:
        return {node.id for node in ast.walk(ast.parse(statement)) if isinstance(node, ast.Name)} or {*code.co_names}
    except SyntaxError:
        return {*code.co_names}


def _describe_value(value: Any, module: str, visited: dict[int, Any]) -> Any:
    """Return plain data, a pattern, or a function or class of the module in canonical form; else `_ABSENT`."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, cached_property):
        value = value.func
    if isinstance(value, property):
        accessors = (value.fget, value.fset)
        return [_describe(accessor, visited) for accessor in accessors if accessor is not None]
    if inspect.isroutine(value):
        # the methods of built-in types have no module
        return _describe(value, visited) if getattr(inspect.unwrap(value), "__module__", None) == module else _ABSENT
    if isinstance(value, type):
        if value.__module__ != module or id(value) in visited:
            return _ABSENT
        visited[id(value)] = value  # a method may read its own class
        return {"class": _describe_members([cls for cls in value.__mro__ if cls.__module__ == module], visited)}
    constant = _constant(value)
    if constant is _ABSENT and type(value).__module__ == module:
        return _describe_value(type(value), module, visited)  # an object counts by its class, as its state may change
    return constant


def _constant(value: Any) -> Any:
    """Return plain data in canonical form; `_ABSENT` for any other value."""
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
        # the order of a set of strings differs from process to process
        return items if items is _ABSENT else {"set": sorted(items["set"], key=canonical_json)}
    return _ABSENT


def _all_or_none(kind: str, values: Iterable[Any]) -> Any:
    constants = [_constant(value) for value in values]
    return _ABSENT if any(constant is _ABSENT for constant in constants) else {kind: constants}


def _describe_code(code: CodeType) -> list[Any]:
    """Describe a function that has no source by its instructions, which depend on the Python version."""
    return [code.co_code.hex(), [_describe_code_constant(item) for item in code.co_consts], list(code.co_names)]


def _describe_code_constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _describe_code(value)
    # Python compiles `a in {"x", "y"}` to a frozenset, whose order differs from process to process
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


def canonical_tokens(source: str) -> str:
    r"""Return the tokens of Python source separated by spaces, without layout, comments and docstrings.

    >>> canonical_tokens("def f(a):\n    'Add.'\n    return (a +  # one\n        1)\n")
    'def f ( a ) : ; { return ( a + 1 ) ; }'

    Raises:
        SyntaxError, TokenError: the source is not a complete statement.
    """
    tokens = list(_tokens(_split_lines(source)))
    if tokens and tokens[0][0] == tokenize.INDENT:  # of a method: its level in the file is not a part of it
        tokens = tokens[1:-1]
    lines: list[list[str]] = [[]]
    for kind, text in tokens:
        lines[-1].append(text)
        if kind == tokenize.NEWLINE:
            lines.append([])
    lines = [line for line in map(_without_docstring, lines) if not _is_registering_decorator(line)]
    return " ".join(word for line in lines for word in line)


def _tokens(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the tokens that count; an f-string is one token, although newer versions of Python split it."""
    depth, begin = 0, (0, 0)
    for kind, text, start, end, _ in tokenize.generate_tokens(iter(lines).__next__):
        name = tokenize.tok_name[kind]
        if name.endswith("STRING_START"):  # FSTRING_START since Python 3.12, TSTRING_START since 3.14
            depth, begin = depth + 1, begin if depth else start
        elif name.endswith("STRING_END"):
            depth -= 1
            if not depth:
                yield tokenize.STRING, _cut_lines(lines, begin, end)
        elif not depth and kind not in _DROPPED_TOKENS:
            # a semicolon is not a line end: in `if a: b; c`, both depend on a
            yield kind, _LAYOUT_TOKENS.get(kind, ";;" if text == ";" else text)


def _cut_lines(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return the characters from one position to another; lines are counted from 1, columns from 0."""
    block = lines[start[0] - 1 : end[0]]
    block[-1] = block[-1][: end[1]]  # before the start is cut, which moves the end if both are on one line
    block[0] = block[0][start[1] :]
    return "".join(block)


def _without_docstring(line: list[str]) -> list[str]:
    """Return a logical line, or only its layout if it is a docstring."""
    layout = [word for word in line if word in ("{", "}")]
    rest = line[len(layout) :]
    is_text = rest[-1:] == [";"] and len(rest) > 1 and all(word[-1] in "\"'" for word in rest[:-1])
    return layout if is_text else line


def _is_registering_decorator(line: list[str]) -> bool:
    """Return whether a logical line is a registry's decorator, which does not change what a function does."""
    return line[:1] == ["@"] and any(word.startswith("register_") for word in line)
