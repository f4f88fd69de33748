"""The names that an untrusted template may use."""

from __future__ import annotations

from jinja2 import nodes

ALLOWED_FILTERS = frozenset((
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "format", "groupby",
    "indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject",
    "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "sort", "string", "sum", "title",
    "tojson", "trim", "unique", "upper",
))  # fmt: skip
"""Allowed filters, out of those that Jinja or the environment has."""

ALLOWED_TESTS = frozenset((
    "!=", "<", "<=", "==", ">", ">=", "boolean", "callable", "defined", "divisibleby", "eq", "equalto", "even",
    "false", "float", "ge", "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt",
    "mapping", "ne", "none", "number", "odd", "sameas", "sequence", "string", "true", "undefined", "upper",
))  # fmt: skip
"""Allowed tests, out of those that Jinja has."""

ALLOWED_GLOBALS = frozenset({"dict", "namespace", "raise_exception", "range", "strftime_now"})
"""Allowed functions, out of those that Jinja or the environment has."""

# without `center`, `ljust`, `rjust`, `zfill` and `expandtabs`, which fill a text up to any length
TEXT_METHODS = frozenset((
    "capitalize", "casefold", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isascii",
    "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle",
    "isupper", "join", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind",
    "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase",
    "title", "upper",
))  # fmt: skip
"""Allowed methods of strings."""

LIST_METHODS = frozenset({"copy", "count", "index"})
"""Allowed methods of lists and tuples."""

MAPPING_METHODS = frozenset({"copy", "get", "items", "keys", "values"})
"""Allowed methods of mappings."""

LOOP_ATTRIBUTES = frozenset((
    "changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length", "nextitem", "previtem",
    "revindex", "revindex0",
))  # fmt: skip
"""Allowed attributes of the variable `loop`."""

MACRO_ATTRIBUTES = frozenset({"arguments", "caller", "catch_kwargs", "catch_varargs", "name"})
"""Allowed attributes of macros."""

ALLOWED_STATEMENTS = (
    nodes.Template, nodes.Output, nodes.For, nodes.If, nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.With,
    nodes.Scope, nodes.Assign, nodes.AssignBlock, nodes.ExprStmt, nodes.Continue, nodes.Break,
)  # fmt: skip
"""Allowed statements."""

ALLOWED_EXPRESSIONS = (
    nodes.Name, nodes.NSRef, nodes.Const, nodes.TemplateData, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair,
    nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice,
    nodes.Concat, nodes.Compare, nodes.Operand, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Add, nodes.Sub, nodes.Mod,
    nodes.Pow, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos,
)  # fmt: skip
"""Allowed expressions."""
