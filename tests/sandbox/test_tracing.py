"""In Jinja's sandbox, whatever becomes text keeps where it came from, and is the text that Jinja itself makes."""

import json
import re
from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from support import at_least, outcome, texts, transformers_text

from preftemplates import Style
from preftemplates.errors import RowError
from preftemplates.sandbox.tracing import TracedEnvironment

Part = namedtuple("Part", "text kind field")
MESSAGES = [{"role": "user", "content": "Hé <b>"}]
ARGUMENTS = {"city": "Oslo", "days": 3, "km": 1.5}
CALLING = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "", "tool_calls": [{"name": "w", "arguments": ARGUMENTS}]},
]


def trusted(source, **variables):
    """The style of a chat template of ours, which may use all that Jinja has."""

    class Trusted(Style):
        chat_template = source
        defaults = variables

    return Trusted()


def parts(source, messages=MESSAGES, **variables):
    """The text of each span, its kind and its field; the text is transformers'."""
    rendered = trusted(source, **variables).render(messages)
    assert rendered.text == transformers_text(source, messages, **variables)
    return [Part(rendered.text[span.start : span.end], span.kind, span.field) for span in rendered.spans]


def content(text):
    return Part(text, "content", "content")


def scaffold(text):
    return Part(text, "scaffold", None)


def derived(text, field="content"):
    return Part(text, "derived", field)


SOURCES = {
    "{{ c }}": [content("Hé <b>")],
    "<{{ c }}>": [scaffold("<"), content("Hé <b>"), scaffold(">")],
    "{{ '<' + c + '>' }}": [scaffold("<"), content("Hé <b>"), scaffold(">")],
    "{{ '<' ~ c ~ 7 }}": [scaffold("<"), content("Hé <b>"), scaffold("7")],
    "{{ '<%s|%d>' % (c, 3) }}": [scaffold("<"), content("Hé <b>"), scaffold("|3>")],
    "{{ '%%%s' % c }}": [scaffold("%"), content("Hé <b>")],
    "{{ '%(a)s.' % {'a': c} }}": [content("Hé <b>"), scaffold(".")],
    "{{ '%8s|' % c }}": [derived("  Hé <b>"), scaffold("|")],
    "{{ '%.1s|%s' % (c, c) }}": [derived("H"), scaffold("|"), content("Hé <b>")],
    "{{ '%s|%r' | format(c, 'x') }}": [content("Hé <b>"), scaffold("|'x'")],
    "{{ '{}|{}'.format(c, 3) }}": [content("Hé <b>"), scaffold("|3")],
    "{{ '{0}|{a}{{'.format(c, a=c) }}": [content("Hé <b>"), scaffold("|"), content("Hé <b>"), scaffold("{")],
    "{{ '{:>8}|'.format(c) }}": [derived("  Hé <b>"), scaffold("|")],
    "{{ '{a}'.format_map({'a': c}) }}": [content("Hé <b>")],
    "{{ ', '.join([c, 'x']) }}": [content("Hé <b>"), scaffold(", x")],
    "{{ [c, 'x', 1] | join('-') }}": [content("Hé <b>"), scaffold("-x-1")],
    "{{ 'a.b'.replace('.', c) }}": [scaffold("a"), content("Hé <b>"), scaffold("b")],
    "{{ 'a.b' | replace('.', c) }}": [scaffold("a"), content("Hé <b>"), scaffold("b")],
    "{{ c | replace('<b>', '!') }}": [content("Hé "), scaffold("!")],
    "{{ c * 2 }}": [content("Hé <b>"), content("Hé <b>")],
    "{{ c | upper }}": [derived("HÉ <B>")],
    "{{ ('a' + c).upper() }}": [scaffold("A"), derived("HÉ <B>")],
    "{{ c | title }}": [derived("Hé <B>")],
    "{{ c | e }}": [derived("Hé &lt;b&gt;")],
    "{{ (c | e) + '<i>' }}": [derived("Hé &lt;b&gt;"), scaffold("&lt;i&gt;")],
    "{{ ('&' | e) + '<i>' }}": [scaffold("&amp;&lt;i&gt;")],
    "{{ c | safe }}|": [content("Hé <b>"), scaffold("|")],
    "{{ (c | safe) + '<i>' }}": [content("Hé <b>"), scaffold("&lt;i&gt;")],
    "{{ ('<i>' | safe) + c }}": [scaffold("<i>"), derived("Hé &lt;b&gt;")],
    "{{ '<i>' + (c | safe) }}": [scaffold("&lt;i&gt;"), content("Hé <b>")],
    "{{ c | indent }}": [content("Hé <b>")],
    "{{ (c + '\\nx') | indent }}": [derived("Hé <b>\n    x")],
    "{{ ('x\\n' + c) | indent }}": [derived("x\n    Hé <b>")],
    "{{ c | tojson }}": [derived('"Hé <b>"')],
    "{{ [c] }}": [derived("['Hé <b>']")],
    "{{ [c] | string }}|": [derived("['Hé <b>']"), scaffold("|")],
    "{{ [c] | trim }}": [derived("['Hé <b>']")],
    "{{ c[::-1] }}": [derived(">b< éH")],
    "{{ c | reverse }}": [derived(">b< éH")],
    "{{ c[1:3] }}": [content("é ")],
    "{{ c[0] }}{{ c | last }}": [content("H"), content(">")],
    "{{ c.split(' ')[1] }}": [content("<b>")],
    "{{ c.center(8) }}": [derived(" Hé <b> ")],
    "{% for x in c %}{{ x }}{% endfor %}": [content("Hé <b>")],
    "{% set x %}({{ c }}){% endset %}{{ x }}": [scaffold("("), content("Hé <b>"), scaffold(")")],
    "{% macro f(x) %}({{ x }}){% endmacro %}{{ f(c) }}": [scaffold("("), content("Hé <b>"), scaffold(")")],
    "{% macro f() %}({{ caller() }}){% endmacro %}{% call f() %}{{ c }}{% endcall %}": [
        scaffold("("), content("Hé <b>"), scaffold(")")
    ],
    "{% filter trim %} {{ c }} {% endfilter %}": [content("Hé <b>")],
    "{% set ns = namespace(x='') %}{% for m in messages %}{% set ns.x = ns.x + c %}{% endfor %}{{ ns.x }}": [
        content("Hé <b>")
    ],
    "{{ messages[0] | tojson }}": [derived('{"role": "user", "content": "Hé <b>"}')],
    "{{ '12'.replace('', c) }}": [derived("Hé <b>1Hé <b>2Hé <b>")],
    "{{ c.replace('', '.') }}": [derived(".H.é. .<.b.>.")],
    "{{ 'Hé <b>'.replace('Hé <b>', c) }}": [content("Hé <b>")],
    "{{ c.replace('é', 'é') }}": [content("Hé <b>")],
    "{{ (c ~ '{}').format('1') }}": [derived("Hé <b>1")],
    "{{ (c ~ '%s') % 'x' }}": [content("Hé <b>"), scaffold("x")],
    "{{ (c ~ '%%%s') % 'x' }}": [content("Hé <b>"), scaffold("%x")],
    "{{ (c[0] ~ '5')[1:] | int }}{{ ('5' ~ c[:0]) | int }}": [scaffold("5"), derived("5")],
    "{{ ('5' ~ c[:0]) | float }}{{ c | int(7) }}": [derived("5.0"), derived("7")],
    "{{ strftime_now(c) }}": [derived("Hé <b>")],
    "{{ c | trim(chars='>H') }}": [content("é <b")],
    "{{ [{'a': {'b': c}}, {'a': {'b': 'x'}}] | join('-', attribute='a.b') }}": [content("Hé <b>"), scaffold("-x")],
    "{{ [[c, 'x'], ['y', 'z']] | join('', 0) }}": [content("Hé <b>"), scaffold("y")],
    "{{ [c, 'x'] | join(0) }}": [content("Hé <b>"), scaffold("0x")],
    "{{ (c | safe) % () }}": [derived("Hé <b>")],
    "{{ ('%s<' | safe) % c }}": [derived("Hé &lt;b&gt;<")],
    "{{ ('%(a)s<' | safe) % {'a': c} }}": [derived("Hé &lt;b&gt;<")],
    "{{ '%s<' | safe | format(c) }}": [derived("Hé &lt;b&gt;<")],
    "{{ ('{}<' | safe).format(c) }}": [derived("Hé &lt;b&gt;<")],
    "{{ ('|' | safe).join([c, '<', 1, c | safe]) }}": [
        derived("Hé &lt;b&gt;"), scaffold("|&lt;|1|"), content("Hé <b>")
    ],
    "{{ ['<' | safe, c] | join('&' | safe) }}": [scaffold("<&"), content("Hé <b>")],
    "{{ ('a.b' | safe).replace('.', c) }}": [derived("aHé &lt;b&gt;b")],
    "{{ ('a.b' | safe) | replace('.', c) }}": [scaffold("a"), content("Hé <b>"), scaffold("b")],
    "{{ (c | safe)[1:] + '<' }}": [content("é <b>"), scaffold("&lt;")],
    "{{ (c | safe)[0] + '<' }}": [content("H"), scaffold("&lt;")],
    "{{ (c | safe).upper() + '<' }}": [derived("HÉ <B>"), scaffold("&lt;")],
    "{{ (c | safe | upper) + '<' }}": [derived("HÉ <B>"), scaffold("&lt;")],
    "{{ (c | safe).strip('H') + '<' }}": [content("é <b>"), scaffold("&lt;")],
    "{{ (c | safe | trim) + '<' }}": [content("Hé <b>"), scaffold("&lt;")],
    "{{ (c | safe).split(' ')[1] + '<' }}": [content("<b>"), scaffold("&lt;")],
    "{{ (c | safe).partition(' ')[2] + '<' }}": [content("<b>"), scaffold("&lt;")],
    "{{ (c | safe) * 2 + '<' }}": [content("Hé <b>"), content("Hé <b>"), scaffold("&lt;")],
    "{{ (c[:2] | e) + '<' }}": [content("Hé"), scaffold("&lt;")],
    "{{ (c | safe) ~ '<' }}{{ ((c | safe) ~ '') + '<' }}": [
        content("Hé <b>"), scaffold("<"), content("Hé <b>"), scaffold("<")
    ],
    "{{ [c | safe] }}": [derived("[Markup('Hé <b>')]")],
    "{{ dict(a=c).a }}{{ dict.fromkeys([c]) | list | first }}": [content("Hé <b>"), content("Hé <b>")],
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_each_way_to_make_text_tells_whose_it_is(source):
    assert parts("{% set c = messages[0].content %}" + source) == SOURCES[source]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("{{ call.arguments.days }}", derived("3", "tool_calls[0].arguments.days")),
        ("{{ call.arguments.km }}", derived("1.5", "tool_calls[0].arguments.km")),
        ("{{ '%d' % call.arguments.days }}", derived("3", "tool_calls[0].arguments.days")),
        ("{{ call.arguments | list | first }}", derived("city", "tool_calls[0].arguments")),
        ("{{ call.arguments.city }}", Part("Oslo", "content", "tool_calls[0].arguments.city")),
        ("{{ call.arguments | tojson }}", derived(json.dumps(ARGUMENTS), "tool_calls[0].arguments")),
        ("{{ [call.name, call.arguments] }}", derived(str(["w", ARGUMENTS]), "tool_calls[0]")),
        ("{{ [call.name, messages[0].content] }}", derived("['w', 'Weather?']", None)),
    ],
)  # fmt: skip
def test_numbers_and_keys_of_a_tool_call_are_told_as_well(printed, expected):
    assert parts("{% set call = messages[1].tool_calls[0] %}" + printed, CALLING) == [expected]


MARKS = [
    "c | safe", "c | e", "'<%s>' | safe", "('<{}' | safe).format(c)", "(c | safe) + c", "c + (c | safe)",
    "c ~ (c | safe)", "(c | safe)[1:]", "(c | safe).replace('b', c)", "(c | safe) | replace('b', '<')",
    "[c, c | safe] | join('<')", "('<' | safe).join([c, c | e])", "(c | safe) % ()", "('%s' | safe) % c",
    "(c | safe) | upper", "(c | safe).split()", "(c | safe) | trim | string", "[c | safe]", "(c | safe) * 2",
    "(c | safe) | indent", "(c | safe) | title",
    "(c | e) | e", "(c | safe) | tojson", "(c | e).removeprefix('H')", "(c | safe).splitlines()", "'<' ~ (c | e)",
]  # fmt: skip
"""Expressions of which markupsafe's class has its own opinion."""

ENDS = ["a + b", "b + '<'", "'%s' % (b,)", "a ~ b", "b"]


@at_least(200)
@given(
    st.sampled_from(MARKS),
    st.sampled_from(MARKS),
    st.sampled_from(["a + b", "b + '<'", "'%s' % (b,)", "a ~ b", "b"]),
    texts(),
)
def test_what_is_safe_becomes_the_text_that_markupsafe_makes(first, second, end, text):
    source = f"{{% set c = messages[0].content %}}{{% set a = {first} %}}{{% set b = {second} %}}{{{{ {end} }}}}"
    messages = [{"role": "user", "content": text}]
    try:
        expected = transformers_text(source, messages)
    except Exception:  # noqa: BLE001  a template may raise anything
        expected = None
    rendered = outcome(lambda: trusted(source).render(messages).text)
    assert (None if isinstance(rendered, RowError) else rendered) == expected


def test_a_text_that_mixes_numbered_and_unnumbered_fields_is_refused_as_by_python():
    with pytest.raises(RowError, match="manual field"):
        trusted("{{ '{0}{}'.format(messages[0].content, 1) }}").render(MESSAGES)


FORMATS = ["%s", "%%", "%d", "%5s", "%-3d", "%r", "{}", "{0}", "{{", "<", "%x", "%(a)s", "{a}", "{:>4}", "%", "é"]


@at_least(200)
@given(
    st.lists(st.sampled_from(FORMATS), max_size=4).map("".join),
    st.sampled_from(
        ["f % (c, 3)", "f % c", "f % {'a': c}", "f.format(c, 3, a=c)", "f | format(c)", "f | format(a=c)"]
    ),
    texts(),
)
def test_any_format_makes_the_text_that_python_makes_or_is_refused_as_by_jinja(form, call, text):
    source = f"{{% set c = messages[0].content %}}{{{{ {call} }}}}"
    messages = [{"role": "user", "content": text}]
    try:
        expected = transformers_text(source, messages, f=form)
    except Exception:  # noqa: BLE001  a template may raise anything
        expected = None
    try:
        got = trusted(source, f=form).render(messages)
    except ValueError:
        assert expected is None
        return
    assert got.text == expected
    assert all(
        got.text[span.start : span.end] == text[: span.end - span.start]
        for span in got.spans
        if span.kind == "content" and span.end - span.start == len(text)
    )
    if text and text in got.text and text not in form and len(text) > 3:
        assert any(span.kind in ("content", "derived") for span in got.spans)


LOOKED_UP = (
    "m.a", "m['a']", "m['items']", "m.items", "m.keys()", "m['keys']", "m.b", "m['b']", "m.b.c", "m['b']['c']", "m[0]",
    "m.a.x", "m.a['x']", "m.a[0]", "m.none", "m['none']", "m.inner.a", "m['inner']['a']", "m.inner.b", "m['a' ~ '']",
    "n.a", "n['a']", "[m].a", "[m][0].a", "[m][0]['a']", "[m][1]", "m.get('a')", "m['get']", "m.__class__",
    "m['__class__']", "m.a['upper']", "(m if true).a", "m[none]", "m[['a']]",
)  # fmt: skip
USES = (
    "{{ X }}",
    "{{ X is defined }}",
    "{{ X or 1 }}",
    "{% for m in [m] %}{{ X is none }}{{ X == 'text' }}{% endfor %}",
)


@pytest.mark.parametrize("expression", LOOKED_UP)
@pytest.mark.parametrize("use", USES)
def test_a_key_is_looked_up_as_jinja_does(use, expression):
    row = {"a": "text", "items": 1, "none": None, "inner": {"a": 2}}
    source = use.replace("X", expression)
    assert render_in(TracedEnvironment, source, row) == render_in(ImmutableSandboxedEnvironment, source, row)


def render_in(environment, source, row):
    """The text without addresses of objects, or the error."""
    try:
        return re.sub(r"0x[0-9a-f]+", "0x", environment().from_string(source).render(m=row))
    except TemplateError as error:
        return type(error), str(error)
