"""Words of Jinja, of which tests put templates together."""

from __future__ import annotations

NAMES = ["messages", "messages[0].content", "messages[1].calls", "ns.x", "ns.y", "i", "loop", "nothing", "f", "none"]
CONSTANTS = ["0", "1", "7", "-3", "2.5", "''", "'a'", "'%s-%9d'", "'{}{0}'", "'x' * 99", "[]", "{}", "true", "99999"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "not in", "and", "or"]
FILTERS = [
    "length", "list", "join", "join('ab')", "string", "tojson", "tojson(indent=2)", "upper", "trim", "title", "first",
    "last", "sort", "unique", "reverse", "sum", "max", "int", "float", "abs", "round", "items", "dictsort", "safe",
    "replace('a', 'bcd')", "replace('', 'xy')", "indent(9)", "format('a', 3)", "map('string')", "map('upper')",
    "map(attribute='role')", "selectattr('role')", "selectattr('role', 'eq', 'user')", "groupby('role')", "default(1)",
    "int(0, 16)", "round(9)", "capitalize", "min", "reject('none')",
]  # fmt: skip
TESTS = ["defined", "none", "string", "mapping", "iterable", "sequence", "odd", "eq(1)", "in([1])", "callable"]
METHODS = [
    "split()", "split('a')", "strip()", "replace('a', 'bb')", "join(['a', 'b'])", "format(1, 2)", "items()",
    "get('a')",
    "keys()", "upper", "append(1)", "pop()", "index('a')", "find('a')",
    "rsplit('a', 1)", "splitlines()",
    "center(9)",     "role", "content", "copy()", "count('a')", "cycle(1, 2)", "format_map({})", "encode()",
]  # fmt: skip

GROWTH = ["{% set ns.x = ns.x + ns.x %}", "{% set ns.x = ns.x ~ ns.x %}", "{% set ns.x = [ns.x] * 3 %}"]
