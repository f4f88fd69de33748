"""A value that holds the same value twice per level, 60 levels deep, ends every operation in time and in memory.

Such a value takes 60 steps to build and 2**60 to print, hash, compare or search. It is given to every filter, test,
method, operator and function that a template may use, as each of the arguments.
"""

import inspect
import json
import os
import resource
import subprocess
import sys
from itertools import product
from pathlib import Path
from time import process_time

import pytest
from jinja2.exceptions import TemplateError
from support import HANGS

from preftemplates.core.provenance import Traced
from preftemplates.errors import RowError, StyleLimitError, StyleRefusedError
from preftemplates.sandbox.allowlist import (
    ALLOWED_FILTERS,
    ALLOWED_TESTS,
    LIST_METHODS,
    MAPPING_METHODS,
    TEXT_METHODS,
)
from preftemplates.sandbox.bounded import BoundedEnvironment
from preftemplates.sandbox.budget import Budget
from preftemplates.sandbox.levels import walk_levels
from preftemplates.sandbox.limits import Limits
from preftemplates.sandbox.tracing import TracedMarkup
from preftemplates.styles.environment import ChatTemplateEnvironment, ClosedNamespace

LEVELS = 60
CPU_SECONDS = 1.0
MEMORY = 128 * 2**20


class Bounded(BoundedEnvironment, ChatTemplateEnvironment):
    """What chat templates are written for, bounded."""


def nest(value, pair):
    """A value of 60 levels, each of which holds the one below it twice."""
    for _ in range(LEVELS):
        value = pair(value)
    return value


def shared_list():
    return nest("a", lambda value: [value, value])


def shared_tuple():
    return nest("a", lambda value: (value, value))


KINDS = {
    "list": shared_list,
    "tuple": shared_tuple,
    "dict": lambda: nest("a", lambda value: {"a": value, "b": value}),
    "items": lambda: {"a": shared_list()}.items(),
    "namespace": lambda: ClosedNamespace(a=shared_list(), unsafe_callable=True),
    "iterator": lambda: iter([(shared_tuple(), 1), (shared_tuple(), 2)]),
    "iterators in a list": lambda: [iter((shared_tuple(), 1)), iter((shared_tuple(), 2))],
    "traced": lambda: nest(Traced.whole("a", "row"), lambda value: [value, value]),
}

SUBJECTS = [
    "x", "[x, y]", "{'a': x, 'b': y}", "'a'", "'%s {}'", "content", "safe", "7", "1.5", "loop", "[['a', x], ['a', y]]",
    "[{'a': x}, {'a': y}]", "([x, y] | reverse)", "missing",
]  # fmt: skip
"""Values that a filter or test is applied to, and the left sides of operators."""

PATTERNS = ["(x)", "(x, y)", "('a', x)", "('a', x, y)", "('a', 'b', x)", "(attribute='a', default=x)"]
"""Arguments; the filters that take a name of a filter or test get one by the next list."""

APPLIED = ["('string')", "('join', x)", "('default', x)", "('eq', x)", "('in', x)", "('a', 'eq', x)", "('lower')"]

OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "+", "-", "*", "/", "//", "%", "**", "~", "and", "or"]

KNOWN = [
    "x | int", "x | float", "'a' | replace(x, 'c')", "'a' | replace('a', x)", "'a'.replace(x, 'c')", "'a'.split(x)",
    "content.replace(x, y)", "safe.replace('a', x)", "7 | round(1, x)", "x is lower", "loop | sort | length",
    "loop | unique | list | length", "loop | min", "[1] | map(x) | list", "'a' | tojson(indent=x)",
]  # fmt: skip
"""Operations that once walked such a value without a charge."""

OTHERS = [
    "x[0]", "x[x]", "x['a']", "x[1:]", "x[x:y]", "{}[x]", "{}[x:y]", "{'a': 1}[x]", "[1][x]", "'a'[x]", "{x: 1}",
    "{(x, 1): y}", "{(x,): 1}[(y,)]", "missing[x]", "x.a.b", "x()", "missing(x)", "not x", "-x", "+x", "x < y < x",
    "x if x else y", "(x, y)", "x is sameas y", "dict(x)", "dict([(x, 1)])", "dict([(x, 1)] | reverse)", "dict(loop)",
    "dict([(1, x)] | map('reverse'))", "dict(a=x)", "dict(dict(x))", "dict(**x)", "namespace(x)", "namespace(loop)",
    "namespace(a=x)", "namespace(a=x) == namespace(a=y)", "namespace(a=x)()", "range(x)", "range(1, x)",
    "strftime_now(x)", "raise_exception(x)", "raise_exception([x])", "loop.changed(x) and loop.changed(y)",
    "loop.cycle(x, y)", "loop.depth == 1 and loop(x)", "loop.changed(loop)", "macro(x)", "macro(x, y, x)",
    "macro(*x)", "macro(**x)",
    "macro(unknown=x)", "macro[x]", "loop[x]", "[x].index(namespace(a=y))", "[].index(x)", "[x.items()].count(y)",
    "{x.items: 1}", "{'a': x}.items() == {'a': y}.items()", "{'a': x}.items() in [{'a': y}.items()]",
    "[{'a': x}.values()] == [{'a': y}.values()]", "'%s' % {(1, 2): x}", "'%(a)s' % {'a': x}", "'%r %r' % (x, y)",
    "'%d' % x", "'%*d' % (x, 1)", "'{:{}}'.format(1, x)", "'{!r:>9}'.format(x)", "'{x}'.format(x=y)",
    "content ~ '{:>9}'.format(content, x)", "(content ~ '%s') % x", "safe % x", "safe.format(x)", "safe.join([x])",
]  # fmt: skip


def list_parameters(function):
    """The names of the parameters of a filter, except for what Jinja passes and for the value."""
    names = list(inspect.signature(inspect.unwrap(function)).parameters.values())
    return [name.name for name in names if name.kind is name.POSITIONAL_OR_KEYWORD][1:]


def filters():
    environment = ChatTemplateEnvironment()
    for name in sorted(ALLOWED_FILTERS):
        patterns = PATTERNS + [f"({parameter}=x)" for parameter in list_parameters(environment.filters[name])]
        patterns += APPLIED if name in ("map", "reject", "rejectattr", "select", "selectattr") else []
        yield from (f"{subject} | {name}{pattern}" for subject, pattern in product(SUBJECTS, ["", *patterns]))


def jinja_tests():
    yield from (
        f"{subject} is {name}{pattern}"
        for subject, name, pattern in product(SUBJECTS, sorted(ALLOWED_TESTS), ["", "(x)"])
        if name.isalpha()
    )


def methods():
    owners = {
        "'a'": TEXT_METHODS,
        "content": TEXT_METHODS,
        "safe": TEXT_METHODS,
        "[y]": LIST_METHODS,
        "(y, x)": LIST_METHODS,
    }
    for owner, names in {**owners, "{'a': y}": MAPPING_METHODS, "x": LIST_METHODS | MAPPING_METHODS}.items():
        yield from (
            f"{owner}.{name}{pattern}"
            for name, pattern in product(sorted(names), [*PATTERNS[:5], "()", "(*[x])", "('a', new=x)", "(sep=x)"])
        )


def operators():
    yield from (f"{left} {operator} {right}" for left, operator, right in product(SUBJECTS, OPERATORS, ["x", "[y]"]))


FAMILIES = {
    "filters": filters,
    "tests": jinja_tests,
    "methods": methods,
    "operators": operators,
    "others": lambda: KNOWN + OTHERS,
}

STEPS = {"filters": 61, "tests": 31, "methods": 31, "operators": 31, "others": 1}
"""A fast run takes one case in so many of a family; the kinds take turns, since there are eight of them."""


def run(is_fast):
    """Print the name of each case as it begins, and its outcome; run in a process apart."""
    cases = []
    for name, family in FAMILIES.items():
        cases += [*product(family(), KINDS)][:: STEPS[name] if is_fast else 1]
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
    template, last = None, None
    for expression, kind in cases:
        print(json.dumps([expression, kind]), flush=True)
        if expression != last:
            source = "{% macro macro(a) %}{{ a is defined }}{% endmacro %}{% for q in [y, x] recursive %}"
            source += "{% set r = " + expression + " %}{{ r }}{% break %}{% endfor %}"
            template, last = compiled(source), expression
        begin = process_time()
        # Linux counts whole seconds and ends the process, since code in C cannot be interrupted
        resource.setrlimit(resource.RLIMIT_CPU, (int(begin) + 3, resource.RLIM_INFINITY))
        print(json.dumps([outcome(template, kind), process_time() - begin]), flush=True)


def compiled(source):
    try:
        return Bounded().from_string(source)
    except Exception as error:  # noqa: BLE001  the error is the outcome
        return error


def outcome(template, kind):
    if isinstance(template, Exception):
        return describe(template)
    values = {"x": KINDS[kind](), "y": KINDS[kind](), "content": Traced.whole("a", "row"), "safe": TracedMarkup("a")}
    try:
        template.render(values)
        return ""
    except Exception as error:  # noqa: BLE001  the error is the outcome
        return describe(error)


def describe(error):
    known = isinstance(error, StyleLimitError | StyleRefusedError | RowError) or type(error) is TemplateError
    return "" if known and "too many resources" not in str(error) and len(str(error)) < 1000 else repr(error)[:300]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its own memory and time as Linux does")
@pytest.mark.parametrize("is_fast", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_shared_value_ends_every_operation_in_a_second_of_cpu_time(is_fast):
    """One process for all, since it needs longer to start than for most cases."""
    code = f"import runpy; runpy.run_path({__file__!r})['run']({is_fast})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=HANGS)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1:], done.stderr[-2000:])
    ends = list(zip(lines[::2], lines[1::2], strict=True))
    assert len(ends) > 1000
    assert [(case, end) for case, end in ends if end[0] or end[1] >= CPU_SECONDS] == []


def test_the_cases_name_every_filter_and_test():
    """A filter or test whose name is missing from the sources would not be looked at."""
    written = " ".join(filters())
    assert [name for name in ALLOWED_FILTERS if f"| {name}(" not in written] == []


def test_a_shared_value_weighs_as_often_as_it_is_printed():
    values = [["a" * 3] * 7, "b"]
    shared = [values] * 2000
    copied = [[["a" * 3 for _ in range(7)], "b"] for _ in range(2000)]
    budgets = [Budget(Limits()) for _ in range(2)]
    assert budgets[0].weigh(shared) == budgets[1].weigh(copied)
    assert budgets[0].work == budgets[1].work
    for budget, value in zip(budgets, (shared, copied), strict=True):
        budget.count_values(value)
    assert (budgets[0].steps, budgets[0].work) == (budgets[1].steps, budgets[1].work)


def test_a_walk_visits_a_shared_list_once_per_level():
    visits = 0

    def list_parts(value, _times):
        nonlocal visits
        visits += 1
        return value if isinstance(value, list) else ()

    *_, last = walk_levels(shared_list(), list_parts)
    assert sum(times * len(items) for times, items in last) == 2**LEVELS
    assert visits < 100_000


@pytest.mark.parametrize("parts", [["😀", "a" * 2000], ["a" * 2000, "😀"]])
def test_one_wide_character_makes_the_output_wide(parts):
    spent = Budget(Limits())
    spent.collect_output(iter(parts))
    assert spent.work == 4 * 2001 + 2 * 64


def test_json_in_ascii_is_charged_twelve_characters_per_character():
    environment = Bounded(Limits(string=24))
    template = environment.from_string("{{ content | tojson(ensure_ascii=true) }}")
    assert len(template.render(content="😀😀")) == 26  # with the quotes, which are not counted
    with pytest.raises(StyleLimitError, match="more than 24 characters"):
        template.render(content="😀😀a")
    assert environment.from_string("{{ content | tojson }}").render(content="😀😀") == '"😀😀"'


def test_jinjas_own_json_is_charged_as_ascii():
    template = BoundedEnvironment(Limits(string=24)).from_string("{{ content | tojson }}")
    assert len(template.render(content="😀😀")) == 26
    with pytest.raises(StyleLimitError, match="more than 24 characters"):
        template.render(content="😀😀a")


def test_a_percent_format_of_a_mapping_is_charged_with_its_keys():
    with pytest.raises(StyleLimitError):
        Bounded(Limits(string=200_000)).from_string("{{ '%s' % {content: 1} }}").render(content="a" * 100_000)


def test_the_error_about_a_missing_key_is_short():
    for key in (["a"] * 1000, "a" * 100_000):
        with pytest.raises(StyleRefusedError, match="object has no element") as caught:
            Bounded().from_string("{{ {}[key] }}").render(key=key)
        assert len(caught.value.message) < 300
