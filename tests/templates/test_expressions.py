"""Expressions look things up in a row, keep types, and reach nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import NASTY, texts

from preftemplates import RowModel, Supervised, Template, get_template, register_filter
from preftemplates.core.provenance import Traced
from preftemplates.errors import Code, DefinitionError, RowError
from preftemplates.templates.expression_environment import BUILTIN_FILTERS
from preftemplates.templates.expressions import Field


def value_of(source: str, **columns: Any) -> Any:
    return Field(source).evaluate(columns)


def failure(source: str, **columns: Any) -> RowError:
    with pytest.raises(RowError) as caught:
        value_of(source, **columns)
    return caught.value


# --- values --------------------------------------------------------------------------------------------------------


@given(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts() | st.lists(texts()))
def test_a_field_that_is_one_expression_keeps_the_value_and_its_type(value):
    for source in ("{{ x }}", "{{x}}", "{{- x -}}", "{{ (x) }}", "{{ [x, 0][0] }}"):
        assert value_of(source, x=value) == value
        assert type(value_of(source, x=value)) is type(value)


@pytest.mark.parametrize("value", ["n/a", "", "7/5", "up", "nan", None, [4], {}])
def test_no_number_is_made_of_what_is_none(value):
    for source in ("{{ x | int }}", "{{ [x] | map('int') | list }}"):
        error = failure(source, x=value)
        assert (error.code, str(error.value)) == (Code.BAD_LABEL, str(value))
    assert value_of("{{ x | int(7) }}", x="n/a") == value_of("{{ x | int(default=7) }}", x="n/a") == 7


@pytest.mark.parametrize(("value", "number"), [("4", 4), (" 12 ", 12), ("4.0", 4), (True, 1), (3.9, 3), (-2, -2)])
def test_a_number_that_is_written_as_text_is_read(value, number):
    assert value_of("{{ x | int }}", x=value) == number


@pytest.mark.parametrize("text", ["1", "1.0", "None", "True", "[1]", "{'a': 1}", "0x10", "1_000", "'quoted'", ""])
def test_a_text_that_looks_like_another_value_stays_text(text):
    assert value_of("{{ x }}", x=text) == text
    assert value_of("{{ x | trim }}", x=text) == text
    assert value_of("{{ x ~ '' }}", x=text) == text


@given(texts(), texts())
def test_what_a_cell_holds_is_never_executed_escaped_or_trimmed(one, other):
    assert value_of("{{ one }}{{ other }}", one=one, other=other) == one + other
    assert value_of(" {{ one }}\n{{ other }}\n", one=one, other=other) == f" {one}\n{other}\n"
    assert value_of("{{ one ~ other }}", one=one, other=other) == one + other
    assert value_of("{{ [one, other] | join('-') }}", one=one, other=other) == f"{one}-{other}"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("", ""),
        ("text\n", "text\n"),
        ("\n{{ a }}\n\n", "\nx\n\n"),
        ("{# a remark #}", ""),
        ("{{ [a, b][i] }}", "y"),
        ("{{ [a, b][1 - i] }}", "x"),
        ("{{ m.content }}", "c"),
        ("{{ m['content'] }}", "c"),
        ("{{ a if i else b }}", "x"),
        ("{{ i + 1 }}", 2),
        ("{{ i == 1 }}", True),
        ("{{ [m, m] | map(attribute='content') | list }}", ["c", "c"]),
        ("{{ (l | last).content }}", "c"),
        ("{{ {'k': a} }}", {"k": "x"}),
        ("{{ a.upper() }}", "X"),
        ("{{ nothing | default('d', true) }}", "d"),
    ],
)
def test_look_ups_give_what_they_say(source, value):
    columns = {"a": "x", "b": "y", "i": 1, "m": {"content": "c"}, "l": [{"content": "c"}], "nothing": None}
    got = value_of(source, **columns)
    assert got == value
    assert type(got) is type(value) or isinstance(got, str)


@pytest.mark.parametrize("value", [1, 1.5, True, None, ["a"], {"a": 1}], ids=repr)
def test_a_value_among_text_must_be_text_and_is_never_printed(value):
    error = failure("Answer: {{ x }}", x=value)
    assert (error.code, error.column) == (Code.WRONG_TYPE, "x")
    assert error.value == value


@pytest.mark.parametrize(
    "name",
    ["self", "loop", "result", "context", "environment", "caller", "super", "varargs", "missing", "range", "dict",
     "namespace", "cycler", "joiner", "lipsum", "undefined", "template", "concat", "l_0_x", "t_1"],
)  # fmt: skip
def test_a_column_may_have_any_name_that_jinja_uses_itself(name):
    assert Field(f"{{{{ {name} }}}}").names == {name}
    assert value_of(f"{{{{ {name} ~ '!' }}}}", **{name: "x"}) == "x!"


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("{{ a }}", [("a", 0)]),
        ("{{ a }}{{ b }}", [("a", 0), ("b", 0)]),
        ("{{ a ~ b }}", [("a", 0), ("b", 0)]),
        ("{{ a + '!' + b }}", [("a", 0), ("b", 0)]),
        ("{{ [a, b] | join }}", [("a", 0), ("b", 0)]),
        ("{{ [a, 'c', b] | join(', ') }}", [("a", 0), ("b", 0)]),
        ("{{ [{'k': a}, {'k': b}] | map(attribute='k') | join('-') }}", [("a", 0), ("b", 0)]),
        ("{{ [{'k': a}, {'k': b}] | join('-', attribute='k') }}", [("a", 0), ("b", 0)]),
        ("{{ a | trim }}", [("a", 1)]),
        ("{{ a.strip() }}", [("a", 1)]),
        ("{{ a[2:] }}", [("a", 2)]),
        ("{{ a | replace('ne', 'w') }}", [("a", 0), ("a", 4)]),
        ("{{ a.split('n') | last }}", [("a", 3)]),
        ("{{ [a, b] | last }}", [("b", 0)]),
        ("{{ a | upper }}", [("a", None)]),
        ("{{ a if b else '' }}", [("a", 0)]),
    ],
)
def test_text_keeps_where_it_came_from_through_operators_filters_and_methods(source, pieces):
    value = value_of(source, a=Traced.whole(" one ", "a"), b=Traced.whole("two", "b"))
    assert [(piece.origin, piece.offset) for piece in value.pieces] == pieces


# --- what is read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("{{ a }}", {"a"}),
        ("{{ a.b }}{{ c['d'] }}", {"a", "c"}),
        ("{{ a[b] }}", {"a", "b"}),
        ("{{ a | replace(b, c) }}", {"a", "b", "c"}),
        ("{{ a if b else c }}", {"a", "b", "c"}),
        ("{{ a is defined and b }}", {"a", "b"}),
        ("{{ f(x=y) }}", {"f", "y"}),
        ("{{ range(3) }}", {"range"}),
        ("{{ {'k': v} }}", {"v"}),
        ("a {{ 'b' }}", set()),
    ],
)
def test_the_free_names_are_the_columns_that_are_read(source, names):
    assert Field(source).names == names


@pytest.mark.parametrize("name", ["range", "dict", "lipsum", "cycler", "joiner", "namespace"])
def test_nothing_has_a_name_but_the_columns(name):
    assert failure(f"{{{{ {name}() }}}}").code == Code.BAD_EXPRESSION


# --- what is refused when it is written ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "{% if a %}b{% endif %}", "{% for m in a %}{{ m }}{% endfor %}", "{% set a = 1 %}", "{% include 'a' %}",
        "{% import 'a' as b %}", "{% extends 'a' %}", "{% macro f() %}{% endmacro %}", "{% block a %}{% endblock %}",
        "{% filter upper %}a{% endfilter %}", "{{ a }}{% set b = 1 %}{{ b }}",
    ],
)  # fmt: skip
def test_a_statement_is_refused(source):
    with pytest.raises(DefinitionError, match="contains a statement"):
        Field(source)


@pytest.mark.parametrize("source", ["a\rb", "a\r\n", "{{ a }}\r", "{{ a ~ '\r' }}"])
def test_a_carriage_return_is_refused_since_jinja_would_rewrite_it(source):
    with pytest.raises(DefinitionError, match="carriage return"):
        Field(source)


def test_a_carriage_return_may_be_written_as_an_escape():
    assert value_of(r"{{ a ~ '\r\n' }}", a="x") == "x\r\n"


@pytest.mark.parametrize(
    "source",
    ["{{", "{{ a", "{{ }}", "{{ a b }}", "{{ a | }}", "{% nonsense %}", "{{ a. }}", "{{ 'a }}", "{# a", "{{ a[ }}"],
)
def test_what_does_not_parse_is_refused(source):
    with pytest.raises(DefinitionError, match="does not parse"):
        Field(source)


@pytest.mark.parametrize(
    "source", ["{{ a is nonsense }}", "{{ a | replace('b', count=1, count=2) }}", "{{ a is divisibleby(x=1, x=2) }}"]
)
def test_what_does_not_compile_is_refused_when_it_is_written_and_not_at_the_first_row(source):
    with pytest.raises(DefinitionError):
        Field(source)


@pytest.mark.parametrize("source", [None, 5, b"{{ a }}", ["{{ a }}"]])
def test_what_is_no_text_is_no_field(source):
    with pytest.raises(DefinitionError, match="expected text with"):
        Field(source)


@pytest.mark.parametrize("source", ["{{ a.__class__ }}", "{{ a._private }}", "{{ a.b.__init__.c }}", "{{ [a.__x] }}"])
def test_a_name_with_an_underscore_in_front_is_closed(source):
    with pytest.raises(DefinitionError, match="names that begin with _ are not allowed"):
        Field(source)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("human_asistant_turns", "human_assistant_turns"), ("trimm", "trim"), ("Upper", "upper"), ("joinn", "join")],
)
def test_an_unknown_filter_is_answered_with_the_nearest_one(written, meant):
    with pytest.raises(DefinitionError, match=f"uses an unknown filter '{written}'. Did you mean '{meant}'"):
        Field(f"{{{{ a | {written} }}}}")


@pytest.mark.parametrize("name", ["attr", "random", "pprint", "xmlattr", "urlize", "safe", "escape", "groupby"])
def test_jinja_s_filters_that_reach_into_objects_escape_or_depend_on_chance_are_not_there(name):
    assert name not in BUILTIN_FILTERS
    with pytest.raises(DefinitionError, match=f"uses an unknown filter '{name}'"):
        Field(f"{{{{ a | {name} }}}}")


# --- what fails on a row -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "{{ m.missing }}", "{{ m['missing'] }}", "{{ m.missing ~ '' }}", "{{ m.missing or 'x' }}", "{{ l[5] }}",
        "{{ [] | first }}", "{{ [] | last }}", "{{ m.missing.more }}", "{{ m.missing | upper }}",
        "{{ not m.missing }}",
        "{{ m.missing == 1 }}", "{{ l | map(attribute='missing') | join }}", "{{ 'a' if m.missing else 'b' }}",
        "{{ [m.missing] }}", "{{ {'k': m.missing} }}", "{{ l | map(attribute='missing') | list }}",
    ],
)  # fmt: skip
def test_what_is_not_there_is_an_error_and_never_an_empty_text(source):
    assert failure(source, m={"content": "c"}, l=[{"content": "c"}]).code == Code.BAD_EXPRESSION


@pytest.mark.parametrize(
    "source",
    [
        "{{ l.append(1) }}", "{{ l.pop() }}", "{{ l.clear() }}", "{{ l.sort() }}", "{{ l.reverse() }}",
        "{{ l.insert(0, 1) }}", "{{ l.extend(l) }}", "{{ l.remove(1) }}", "{{ m.update(a=1) }}", "{{ m.clear() }}",
        "{{ m.pop('a') }}", "{{ m.popitem() }}", "{{ m.setdefault('b', 1) }}",
    ],
)  # fmt: skip
def test_a_method_that_changes_the_row_is_refused_and_changes_nothing(source):
    columns = {"l": [3, 1, 2], "m": {"a": 1}}
    assert failure(source, **columns).code == Code.BAD_EXPRESSION
    assert columns == {"l": [3, 1, 2], "m": {"a": 1}}


@pytest.mark.parametrize(
    "source",
    [
        "{{ a['__class__'] }}", "{{ a['__class__']['__name__'] }}",
        "{{ [a] | map(attribute='__class__') | list }}", "{{ [a] | map(attribute='__class__') | first }}",
        "{{ [a] | selectattr('__class__') | list }}", "{{ [a, a] | sort(attribute='__class__') }}",
        "{{ '{0.__class__}'.format(a) }}", "{{ '{0.__class__}'.format_map({'0': a}) }}", "{{ [a['__class__']] }}",
        "{{ a['format']['__self__'] }}",
    ],
)  # fmt: skip
def test_no_way_leads_into_python_s_objects(source):
    assert failure(source, a="x").code == Code.BAD_EXPRESSION


@pytest.mark.parametrize("source", ["{{ 1 / n }}", "{{ 'a' + n }}", "{{ m[m] }}", "{{ a() }}", "{{ n.real.imag() }}"])
def test_whatever_else_fails_on_a_row_is_a_row_error(source):
    assert failure(source, n=0, a="x", m={}).code == Code.BAD_EXPRESSION


# --- filters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raised", [KeyError, RuntimeError, AssertionError, RecursionError, OSError])
def test_a_filter_that_fails_is_a_row_error_that_says_how(raised):
    @register_filter
    def failing(_text):
        raise raised("no such thing")

    error = failure("{{ a | failing }}", a="x")
    assert error.code == Code.BAD_EXPRESSION
    assert raised.__name__ in str(error)
    assert "no such thing" in str(error)


def test_a_filter_s_own_row_error_passes_as_it_is():
    @register_filter
    def choosy(text):
        raise RowError("will not", code=Code.BAD_TURNS, value=text)

    error = failure("{{ a | choosy }}", a="x")
    assert (error.code, error.message, error.value) == (Code.BAD_TURNS, "will not", "x")


def test_a_filter_is_used_under_its_name_or_the_one_given():
    @register_filter
    def shout(text, mark="!"):
        return text + mark

    register_filter("whisper")(lambda text: text + "...")
    assert value_of("{{ a | shout }}", a="x") == "x!"
    assert value_of("{{ a | shout('?') }}", a="x") == "x?"
    assert value_of("{{ a | whisper }}", a="x") == "x..."
    assert Field("{{ a | shout | whisper | trim }}").filters == {"shout", "whisper"}


@pytest.mark.parametrize("name", ["trim", "join", "last", "common_history", "no name"])
def test_a_filter_cannot_take_a_name_that_is_taken_or_is_none(name):
    with pytest.raises(DefinitionError):
        register_filter(name)(lambda text: text)


def test_a_filter_that_another_filter_calls_by_name_is_part_of_the_template_too():
    @register_filter
    def shouted(text):
        return text + "!"

    class Loud(Template):
        class Row(RowModel):
            texts: list[str]

        supervised = Supervised(prompt="", completion="{{ texts | map('shouted') | join }}")

    result = Loud().format({"texts": ["a", "b"]}, "supervised")
    assert result["completion"] == [{"role": "assistant", "content": "a!b!"}]
    assert [name for name, _ in Loud().parts.declaration.filters] == ["shouted"]


def test_an_unknown_filter_is_refused_where_a_filter_calls_it_by_name_too():
    with pytest.raises(DefinitionError, match="shoutd"):
        Field("{{ texts | map('shoutd') | list }}")


@given(st.lists(st.sampled_from(NASTY), min_size=2, max_size=2), st.integers(0, 1))
def test_a_bundled_template_never_runs_what_a_row_holds(responses, better):
    row = dict(
        zip(("response_0", "response_1"), responses, strict=True), prompt="{{ 7 * 7 }}", better_response_id=better
    )
    result = get_template("PKUSafeRLHF").format(row, "preference")
    opening = "BEGINNING OF CONVERSATION: USER: {{ 7 * 7 }} ASSISTANT:"
    assert json.dumps(result) == json.dumps(
        {"better_text": opening + responses[better], "worse_text": opening + responses[1 - better]}
    )
