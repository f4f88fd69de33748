"""What a function or class does, as text: layout, place and comments are no part of it, and what it reads is."""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import HANGS, in_new_process

import preftemplates
from preftemplates import Preference, RowModel, Template, register_filter
from preftemplates.core.python_files import run_source
from preftemplates.core.source_code import canonical_tokens, class_source, function_source

LIMIT = 3
MARKS = re.compile("a|b")


def cut(text):
    return text[:LIMIT]


def helped(text):
    return cut(text).upper()


def again(text):
    return again(text[1:]) if text else MARKS.sub("", text)


def in_module(source, name="somewhere"):
    """What a module of this source defines."""
    return run_source(f"/{name}.py", source).__dict__


def defined(source, name="f", module="somewhere"):
    return function_source(in_module(source, module)[name])


# --- what changes nothing ------------------------------------------------------------------------------------------

SAME = [
    "def f(text):\n    return text[1:]\n",
    "def f(text):\n  return text[1:]\n",
    "def f(text):\n\treturn text[1:]\n",
    "def f(text):\r\n    return text[1:]\r\n",
    "def f(text):\n    '''Cut.'''\n    # the first\n\n    return text[1:]  # and on\n",
    "def f(\n    text\n):\n    return text[ 1 : ]\n",
    "if True:\n    def f(text):\n        return text[1:]\n",
    "from preftemplates import register_filter\n@register_filter\ndef f(text):\n    return text[1:]\n",
    "UNREAD = 1\ndef f(text):\n    return text[1:]\n",
    "import functools\ndef outer(g):\n    return g\ndef f(text):\n    return text[1:]\n",
]


@pytest.mark.parametrize("source", SAME)
def test_layout_comments_place_and_registration_change_nothing(source):
    assert defined(source, module=f"other{SAME.index(source)}") == defined(SAME[0])


def test_an_f_string_is_one_token_in_every_version_of_python():
    source = "def f(a):\n    return f'{a!r:>{len(a)}} {{x}}' f\"{f'{a}'}\"\n"
    assert canonical_tokens(source) == ("""def f ( a ) : ; { return f'{a!r:>{len(a)}} {{x}}' f\"{f'{a}'}\" ; }""")


# --- what makes it another -----------------------------------------------------------------------------------------

OTHER = [
    ("def f(a):\n    return a[1:]\n", "def f(a):\n    return a[2:]\n"),
    ("def f(a):\n    return 'a b'\n", "def f(a):\n    return 'a  b'\n"),
    ("def f(a):\n    if a:\n        a = 1\n    return a\n", "def f(a):\n    if a:\n        a = 1\n        return a\n"),
    ("N = 1\ndef f(a):\n    return a[N:]\n", "N = 2\ndef f(a):\n    return a[N:]\n"),
    ("N = {'a': (1, {2})}\ndef f(a):\n    return a in N\n", "N = {'a': (1, {3})}\ndef f(a):\n    return a in N\n"),
    ("N = 1\ndef f(a):\n    return f'{N}'\n", "N = 2\ndef f(a):\n    return f'{N}'\n"),
    ("N = 1\ndef f(a, n=N):\n    return n\n", "N = 2\ndef f(a, n=N):\n    return n\n"),
    ("N = 1\ndef f(a):\n    return [N for _ in a]\n", "N = 2\ndef f(a):\n    return [N for _ in a]\n"),
    (
        "import re\nN = re.compile('a')\ndef f(a):\n    return N\n",
        "import re\nN = re.compile('a', re.I)\ndef f(a):\n    return N\n",
    ),
    ("def g(a):\n    return 1\ndef f(a):\n    return g(a)\n", "def g(a):\n    return 2\ndef f(a):\n    return g(a)\n"),
    (
        "class G:\n    def g(self):\n        return 1\ndef f(a):\n    return G().g()\n",
        "class G:\n    def g(self):\n        return 2\ndef f(a):\n    return G().g()\n",
    ),
    (
        "def m(n):\n    def f(a):\n        return n\n    return f\nf = m(1)\n",
        "def m(n):\n    def f(a):\n        return n\n    return f\nf = m(2)\n",
    ),
    ("f = lambda a: 1\n", "f = lambda a: 2\n"),
    ("f, g = lambda a: 1, lambda a: 2\n", "g, f = lambda a: 1, lambda a: 2\n"),
    ("def f(a):\n    return 1\n", "import functools\n@functools.cache\ndef f(a):\n    return 1\n"),
    ("G = lambda: 1\nH = lambda: 1\ndef f(a):\n    return G(), H()\n",
     "G = lambda: 1\nH = lambda: 2\ndef f(a):\n    return G(), H()\n"),
    ("def f(a):\n    if a: a = 1; a = 2\n    return a\n", "def f(a):\n    if a: a = 1\n    a = 2\n    return a\n"),
    ("def f(a):\n    return '''\n  a'''\n", "if True:\n    def f(a):\n        return '''\n      a'''\n"),
    ("def f(a):\n    return '''\n\na'''\n", "def f(a):\n    return '''\n  \na'''\n"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_does_another_thing_has_another_text(one, other):
    assert defined(one) != defined(other)
    assert defined(one) == defined(one, module="elsewhere")


LINE_ENDS = ["\n", "\r\n", "\r"]
NO_LINE_ENDS = ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", " ", "x"]

inner_lines = st.lists(st.sampled_from([*LINE_ENDS, *NO_LINE_ENDS]), max_size=5).map("".join)


@given(inner_lines, inner_lines, st.sampled_from(LINE_ENDS), st.sampled_from(["a", "b"]), st.sampled_from(["'", "f'"]))
def test_a_function_is_found_after_any_text_and_its_own_text_counts(before, inside, end, result, quote):
    quote = quote + "''"

    def write(inside, result):
        lines = ["X = '''" + before + "'''", "class G:", "  def f(a):", "    return 0", "  def g(a):"]
        lines += [f"    a = {quote}{inside}'''", f"    return a + '{result}'", "f = G.g", ""]
        return in_module(end.join(lines), "lines")["f"]

    function = write(inside, result)
    assert function("") == inside.replace("\r\n", "\n").replace("\r", "\n") + result
    assert result in function_source(function)
    for other in (write(inside, result + "!"), write(inside + " ", result), write(inside + "x\n", result)):
        assert function_source(other) != function_source(function)
    alone = f"def g(a):\n    a = {quote}{inside}'''\n    return a + '{result}'\n"
    assert function_source(in_module(alone, "alone")["g"]) == function_source(function)


CLASS_MEMBERS = [
    "def __call__(self, a): return {n}",
    "def __init__(self, a): self.a = {n}",
    "def __eq__(self, other): return {n}",
    "def __class_getitem__(cls, key): return {n}",
    "__call__ = lambda self, a: {n}",
    "@property\n    def a(self): return {n}",
    "@functools.cached_property\n    def a(self): return {n}",
    "@staticmethod\n    def a(): return {n}",
    "LIMIT = {n}",
]
CLASSES = [
    "class G:\n    {member}\n",
    "class Parent:\n    {member}\nclass G(Parent):\n    pass\n",
    "@dataclasses.dataclass\nclass G:\n    {member}\n",
]
READERS = ["def f(a):\n    return G(a)\n", "HELPER = G.__new__(G)\ndef f(a):\n    return HELPER\n"]


@pytest.mark.parametrize("member", CLASS_MEMBERS)
@pytest.mark.parametrize("written", CLASSES)
@pytest.mark.parametrize("reader", READERS)
def test_each_member_of_a_class_that_a_function_reads_counts(member, written, reader):
    def write(n):
        return "import dataclasses, functools\n" + written.format(member=member.format(n=n)) + reader

    assert defined(write(1)) != defined(write(2))
    assert defined(write(1)) == defined(write(1), module="elsewhere")


@pytest.mark.parametrize("n", [1, 2])
def test_the_value_of_an_enum_counts(n):
    source = "import enum\nclass G(enum.Enum):\n    A = {}\ndef f(a):\n    return G\n"
    assert (defined(source.format(1)) == defined(source.format(n), module="elsewhere")) == (n == 1)


GENERATED = """
import abc, dataclasses, enum, functools, typing

class Plain:
    "Doc."
    hint: int
    __slots__ = ("a",)
    def __hash__(self): return 1

@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Data:
    a: int
    def __str__(self): return "x"

@functools.total_ordering
class Ordered(abc.ABC, typing.Generic[typing.TypeVar("T")]):
    def __lt__(self, other): return True
    def __eq__(self, other): return True

class Pair(typing.NamedTuple):
    a: int
    def __str__(self): return "x"

class Word(enum.StrEnum):
    A = enum.auto()
    def __str__(self): return "x"

class Proto(typing.Protocol):
    def __len__(self): ...
"""


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("Plain", {"__hash__"}),
        ("Data", {"__str__"}),
        ("Ordered", {"__lt__", "__eq__"}),
        ("Pair", {"__str__", "_fields", "_field_defaults"}),
        ("Word", {"A", "__str__"}),
        ("Proto", {"__len__", "_is_protocol"}),
    ],
)
def test_what_python_adds_to_a_class_is_no_part_of_it(name, members):
    """So the digest is the same in all versions, which add different members."""
    function = in_module(GENERATED + f"def f(a):\n    return {name}\n", name)["f"]
    assert set(json.loads(function_source(function))["reads"][name]["class"]) == members


def test_generated_methods_of_executed_text_are_no_part_of_it_and_written_ones_are():
    space = {"__name__": "__main__"}
    exec(GENERATED, space)
    assert set(json.loads(class_source(space["Data"]))) == {"__str__"}
    assert set(json.loads(class_source(space["Ordered"]))) == {"__lt__", "__eq__"}


def test_the_methods_of_built_in_types_are_named():
    assert json.loads(function_source(str.upper)) == {"name": "builtins.str.upper"}
    assert "UPPER" not in json.loads(defined("UPPER = str.upper\ndef f(a):\n    return UPPER(a)\n"))["reads"]


def test_keys_that_hold_sets_have_one_text_in_every_process():
    code = """
from preftemplates.core.digest import canonical_json
print(canonical_json({frozenset(("x", "y", "zz")): 1, (2, frozenset(("p", "q", "rr"))): {"b", "c", "dd"}}))
"""
    assert len({run_with_hash_seed(code, seed) for seed in range(5)}) == 1


def run_with_hash_seed(code, seed):
    """What `code` prints in a process in which the order of sets is that of this seed."""
    library = str(Path(preftemplates.__file__).parents[1])
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": library}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True, timeout=HANGS)
    return done.stdout


def test_executed_text_has_one_text_in_every_process():
    code = """
from preftemplates.core.source_code import function_source
space = {"N": {"p", "q", "rr"}, "M": {frozenset(("a", "b", "c")): 1}}
exec("def f(a):\\n    return a in {'x', 'y', 'zz'} and [b in {('p', 1), ('q', 2)} for b in a], N, M", space)
print(function_source(space["f"]))
"""
    assert len({run_with_hash_seed(code, seed) for seed in range(5)}) == 1


def test_without_a_source_two_functions_differ_by_their_instructions():
    one, same, other = {}, {}, {}
    exec("def f(a):\n    return a[1:]\n", one)
    exec("def f(a):\n    return a[1:]\n", same)
    exec("def f(a):\n    return a[2:]\n", other)
    assert function_source(one["f"]) == function_source(same["f"]) != function_source(other["f"])


def test_helpers_and_recursion_end():
    assert json.loads(function_source(again))["reads"]["again"] == {"name": "again"}
    assert "LIMIT" in json.loads(function_source(helped))["reads"]["cut"]["reads"]


def test_what_is_no_python_function_is_named():
    assert json.loads(function_source(len)) == {"name": "builtins.len"}
    assert json.loads(function_source(functools.partial(cut, "x")))["name"]


# --- classes -------------------------------------------------------------------------------------------------------

HOMEWORK = """
from preftemplates import Template
{mixin}
class {name}({bases}Template):
    mark: str = {mark!r}

    def format_preference_sample(self, raw_sample):
        return {{"better_text": self.mark + raw_sample["a"]}}
"""


def by_hand(name="Mine", mark="> ", mixin="", bases="", module="somewhere"):
    return in_module(HOMEWORK.format(name=name, mark=mark, mixin=mixin, bases=bases), module)[name]


def test_a_class_is_what_it_defines_whatever_it_and_its_module_are_called():
    assert class_source(by_hand()) == class_source(by_hand("Yours", module="elsewhere"))
    assert by_hand()().digest == by_hand("Yours")().digest
    assert by_hand()() == by_hand("Yours")()


def test_a_class_with_another_constant_method_or_parent_is_another():
    mixin = "class More:\n    def check_equal(self, raw_sample):\n        return {}\n"
    classes = [
        by_hand(),
        by_hand(mark=">> "),
        by_hand(mixin=mixin.format("False"), bases="More, "),
        by_hand(mixin=mixin.format("True"), bases="More, "),
    ]
    assert len({cls().digest for cls in classes}) == len({cls() for cls in classes}) == 4


def test_what_a_parent_class_does_is_part_of_it():
    def child(mark):
        module = in_module(HOMEWORK.format(name="Parent", mark=mark, mixin="", bases=""), f"parent{len(mark)}")
        return type("Child", (module["Parent"],), {})

    assert child("> ")().digest != child(">> ")().digest


def test_a_filter_with_another_constant_makes_another_template():
    digests = []
    for limit in (1, 1, 2):
        function = in_module(f"N = {limit}\ndef first(text):\n    return text[:N]\n", f"file{limit}")["first"]
        register_filter("first_ones")(function)

        class Mine(Template):
            class Row(RowModel):
                a: str

            preference = Preference(prompt="{{ a }}", chosen="{{ a | first_ones }}", rejected="no")

        digests.append(Mine().digest)
        from preftemplates.templates.expressions import FILTERS

        del FILTERS._items["first_ones"], FILTERS._sites["first_ones"]
    assert digests[0] == digests[1] != digests[2]


def test_a_class_typed_into_a_session_without_a_file_is_what_it_defines():
    """As in a notebook, where the source of a class is not to be had."""
    code = """
import sys
from preftemplates import Template
def typed(mark):
    space = {"__name__": "__main__", "Template": Template}
    exec(f"class Mine(Template):\\n    def format_preference_sample(self, row):\\n        return {mark!r}", space)
    return space["Mine"]()
answer = [typed("a").digest == typed("a").digest, typed("a").digest == typed("b").digest]
"""
    assert in_new_process(code) == [True, False]


def test_a_changed_file_is_another_and_its_older_version_stays_what_it_was():
    name = "changing"
    older = in_module("def f(a):\n    return 1\n", name)["f"]
    text = function_source(older)
    assert defined("def f(a):\n    return 2\n", module=name) != text
    assert isinstance(sys.modules[older.__module__], ModuleType)
