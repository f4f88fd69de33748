"""An untrusted template renders as transformers renders it, within its limits."""

# ruff: noqa: E501
import threading

import pytest
from jinja2.exceptions import TemplateError
from pydantic import ValidationError
from real_templates import CONVERSATIONS, TOKENS, WEATHER, assistant, real_templates, user

from preftemplates.core.provenance import pieces_of, trace_fully
from preftemplates.errors import Code, RowError, StyleLimitError, StyleRefusedError, StyleSyntaxError
from preftemplates.sandbox import budget
from preftemplates.sandbox.bounded import BoundedEnvironment
from preftemplates.sandbox.budget import _STEPS_PER_CHECK, _WORK_PER_CHECK, SMALL_TEXT, Budget, limit_total_seconds
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.environment import ChatTemplateEnvironment


class Bounded(BoundedEnvironment, ChatTemplateEnvironment):
    """What chat templates are written for, bounded."""


ENVIRONMENT = Bounded()
MESSAGES = [user("What is 2 + 2?"), assistant("Four.")]

UNPRINTABLE = {
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use",  # message.reasoning_content of a tool call
    "K-intelligence-Midm-2.0-Mini-Instruct",  # system_message, which it forgets to set
    "Qwen-Qwen3-Reranker-0.6B",  # the first of no system messages
    "rita-cohere-tya-eng-v1-t06-user",  # message.data of a tool result
    "zai-org-glm-4-9b-chat",  # message.metadata
    "zai-org-glm-4-9b-chat-1m",  # message.metadata
}
"""Real templates that print on some conversation what is not defined; transformers prints nothing in its place."""


def variables(messages, generate=False, **more):
    tokens = {"tools": None, "documents": None, **TOKENS, "messages": messages}
    return {**tokens, "add_generation_prompt": generate, **more}


def render(source, messages=MESSAGES, environment=ENVIRONMENT, **more):
    return environment.from_string(source).render(variables(messages, **more))


def as_transformers(source, messages, **more):
    """The text as transformers renders it; None where it raises."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        return _compile_jinja_template(source).render(variables(messages, **more))
    except Exception:  # noqa: BLE001  a template may raise anything
        return None


def bounded(template, messages, **more):
    """The text; None where the template raises, and the error where it is refused."""
    try:
        return template.render(variables(messages, **more))
    except (StyleRefusedError, StyleLimitError) as error:
        return error
    except Exception as error:
        if template.environment is ENVIRONMENT and not isinstance(error, RowError | TemplateError):
            raise
        return None


VARIANTS = [{}, {"generate": True}, {"tools": [WEATHER]}]


def test_every_template_that_is_said_to_print_what_is_not_defined_does_so():
    for name in UNPRINTABLE:
        template = ENVIRONMENT.from_string(real_templates()[name])
        outcomes = [bounded(template, messages) for messages in CONVERSATIONS.values()]
        assert any(isinstance(error, StyleRefusedError) and "not defined" in error.message for error in outcomes), name


def test_limits_leave_each_text_its_origin():
    count = 0
    for source in list(real_templates().values())[::5]:
        templates = [environment.from_string(source) for environment in (ENVIRONMENT, ChatTemplateEnvironment())]
        for messages in CONVERSATIONS.values():
            traced = [
                trace_fully(message, str(index)) | {"role": message["role"]} for index, message in enumerate(messages)
            ]
            text, expected = (bounded(template, traced) for template in templates)
            if isinstance(text, str) and expected is not None:
                count += 1
                assert (text, pieces_of(text)) == (expected, pieces_of(expected))
    assert count > 1000


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' if false }}|{{ ('a' if false) | trim }}",
        "{% if x %}{% endif %}{{ x | default('none') }}{{ x or 'no' }}{{ x is defined }}{{ x | length }}",
        "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ loop.last }}{{ m.content }}{% else %}no{% endfor %}",
        "{% for m in messages recursive %}{{ m.role or 'a' }}{% endfor %}",
        "{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}{{ m(1) }}{% call m(3) %}x{% endcall %}",
        "{% filter upper %}abc{{ messages[0].role }}{% endfilter %}",
        "{% set x %}a{{ messages[0].content }}{% endset %}{{ x }}{{ x[1:3] }}{{ x[::-1] }}",
        "{{ messages }}{{ messages[0] }}{{ (1, 2.5, none, true) }}{{ messages[0].items() }}{{ range(3) }}",
        "{{ messages | tojson }}{{ messages | tojson(indent=2) }}{{ messages | tojson(separators=(',', ':')) }}",
        "{{ '%s is %5.2f' % ('a', 2.5) }}{{ '{:>6}|{a}|{!r}'.format('b', 'c', a=1) }}{{ '%s-%d' | format('a', 3) }}",
        "{{ 7 // 2 }}{{ 7 / 2 }}{{ 7 % 4 }}{{ 2 ** 10 }}{{ 2 ** -1 }}{{ -7 - 3 }}{{ 3 * 'ab' }}{{ [1] * 3 + [2] }}",
        "{{ 1 < 2 < 3 }}{{ 'a' in 'abc' }}{{ 1 not in [1, 2] }}{{ 'role' in messages[0] }}{{ messages[0] in messages }}",
        "{{ messages | map(attribute='role') | join(', ') }}{{ messages | selectattr('role', 'eq', 'user') | list }}",
        "{{ 'true' if messages | selectattr('role', 'eq', 'nobody') }}",
        "{{ ['b', 'a', 'a'] | sort | unique | join }}{{ {'b': 1, 'a': 2} | dictsort }}{{ [3, 1] | max }}{{ [3, 1] | sum }}",
        "{{ messages | groupby('role') | map(attribute='grouper') | join }}{{ (messages | groupby('role'))[0].list }}",
        "{{ 'a b c'.split() }}{{ 'a,b'.split(',', 1) }}{{ 'a,b'.split(sep=',') }}{{ ','.join(['a', 'b']) }}",
        "{{ ','.join(messages | map(attribute='role')) }}{{ 'aXb'.replace('X', '--') }}{{ 'abc'.find('c') }}",
        "{% set ns = namespace(a=1) %}{% for i in range(5) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
        "{{ dict(a=1, b=2).get('b') }}{{ {'a': 1}.get('x', 'y') }}{{ {('a', 1): 2}[('a', 1)] }}",
        "{{ '7' | int + 1 }}{{ 2.567 | round(1) }}{{ -3 | abs }}{{ 'a\nb' | indent(2) }}{{ '<b>' | safe + '<' }}",
        "{% if false %}{{ messages.pop() }}{{ 'a' | fromjson }}{% endif %}a",
        "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% break %}{% endfor %}",
    ],
)  # fmt: skip
def test_what_is_harmless_renders_as_transformers_renders_it(source):
    expected = as_transformers(source, MESSAGES)
    assert expected is not None
    assert render(source) == expected


@pytest.mark.parametrize("source", ["{{ 'a' | fromjson }}", "{{ 'a' is foo }}", "{{ none + 'a' }}", "{{ [] | foo }}"])
def test_where_transformers_raises_an_error_of_ours_is_raised(source):
    assert as_transformers(source, MESSAGES) is None
    with pytest.raises((StyleSyntaxError, RowError)) as caught:
        render(source)
    assert caught.value.line == 1


def test_an_error_names_the_line_of_the_template():
    with pytest.raises(StyleRefusedError) as refused:
        render("a\n{% for m in messages %}\n{{ m.conten }}\n{% endfor %}")
    assert (refused.value.line, refused.value.code) == (3, Code.REFUSED_BY_STYLE)
    assert "conten" in refused.value.message
    with pytest.raises(StyleLimitError) as limited:
        render("a\n\n{{ 'a' * 10 ** 9 }}")
    assert (limited.value.line, limited.value.code) == (3, Code.OVER_LIMIT)
    with pytest.raises(StyleRefusedError) as unread:
        ENVIRONMENT.from_string("a\n\n\n{% include 'b' %}")
    assert (unread.value.line, unread.value.code) == (4, None)


def test_what_a_template_raises_itself_stays_apart():
    with pytest.raises(TemplateError, match="roles must alternate") as raised:
        render("{{ raise_exception('roles must alternate') }}")
    assert type(raised.value) is TemplateError


def test_the_error_keeps_nothing_of_the_render():
    with pytest.raises(StyleLimitError) as caught:
        render("{% set x = 'a' * 1000000 %}{{ x * 1000 }}")
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    names = set()
    traceback = error.__traceback__
    while traceback is not None:
        names.add(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    assert "<template>" not in names


@pytest.mark.parametrize(
    ("limits", "within", "over"),
    [
        ({"source": 20}, "{{ messages[0].role ", "{{ messages[0].role  "),
        ({"tokens": 9}, "{{ 1 + 1 }}", "{{ 1 + 1 }}a"),
        ({"nesting": 3}, "{{ [[[1]]] }}", "{{ [[[[1]]]] }}"),
        ({"nesting": 3}, "{{ [[[]]] }}", "{{ [[[[]]]] }}"),
        ({"nesting": 3}, "{% set x = [[1]] %}{{ [x] }}", "{% set x = [[1]] %}{{ [[x]] }}"),
        ({"nesting": 3}, "{% set x = [{}] %}{{ {1: x} }}", "{% set x = [{}] %}{{ [[x]] }}"),
        ({"nesting": 3}, "{{ [('a'[0])] }}", "{{ [([('a'[0])])] }}"),
        ({"operators": 3}, "{{ 1 + 1 + 1 + 1 }}", "{{ 1 + 1 + 1 + 1 + 1 }}"),
        ({"blocks": 2}, "{% if 1 %}{% if 1 %}{% endif %}{% endif %}", "{% if 1 %}" * 3 + "{% endif %}" * 3),
        ({"steps": 64}, "{% for i in range(64) %}{% endfor %}", "{% for i in range(128) %}{% endfor %}"),
        ({"work": 2**20}, "{{ ('a' * 2**18) | length }}", "{{ ('a' * 2**21) | length }}"),
        ({"string": 2000}, "{{ 'a' * 2000 }}", "{{ 'a' * 2001 }}"),
        ({"string": SMALL_TEXT}, f"{{{{ 'a' * {SMALL_TEXT} }}}}", f"{{{{ 'a' * {SMALL_TEXT + 1} }}}}"),
        ({"string": 9}, "{{ 'a' * 9 }}", "{{ 'a' * 10 }}"),
        ({"string": 9}, "{{ 'aaaa' + 'aaaaa' }}", "{{ 'aaaaa' + 'aaaaa' }}"),
        ({"string": 9}, "{{ 'aaaa' ~ 'aaaaa' }}", "{{ 'aaaaa' ~ 'aaaaa' }}"),
        ({"string": 9}, "{{ 'a' + 'bcd' + 'aaaaa' }}", "{{ 'ab' + 'bcd' + 'aaaaa' }}"),
        ({"string": 9}, "{{ 'aaaaaaaaa' | upper }}", "{{ 'aaaaaaaaaa' | upper }}"),
        ({"string": 20}, "{{ 'aa' | tojson }}", "{{ 'aaa' | tojson }}"),
        ({"output": 10}, "{{ 'a' * 10 }}", "{{ 'a' * 10 }}b"),
        ({"bits": 16}, "{{ 2 ** 8 * 2 ** 7 }}", "{{ 2 ** 8 * 2 ** 8 }}"),
        ({"bits": 16}, "{{ 2 ** 8 }}", "{{ 2 ** 9 }}"),
        ({"bits": 16}, "{{ 2 ** -8 }}{{ 1 ** 99 }}{{ (-1) ** 99 }}{{ 0 ** 99 }}", "{{ 2 ** -9 }}"),
        ({"bits": 16}, "{{ 65535 }}", "{{ 65536 }}"),
        ({"bits": 16}, "{{ 65_534 + 1 }}", "{{ 65_535 + 1 }}"),
        ({"bits": 16}, "{{ 0xffff }}{{ 0o77777 }}{{ 0b1111111111111111 }}", "{{ 0x10000 }}"),
        ({"bits": 16}, "{{ 0o77777 }}", "{{ 0o777777 }}"),
        ({"bits": 16}, "{{ 0b1111111111111111 }}", "{{ 0b11111111111111111 }}"),
        ({"bits": 400}, "{{ " + "1" * 100 + " }}", "{{ " + "1" * 101 + " }}"),
        ({"bits": 399}, "{{ " + "9" * 99 + " }}", "{{ " + "1" * 100 + " }}"),
        ({"bits": 329}, "{{ " + "9" * 99 + " }}", "{{ " + "1" * 100 + " }}"),
    ],
)  # fmt: skip
def test_each_limit_is_kept(limits, within, over):
    environment = Bounded(Limits(**limits))
    if limits.get("source"):
        with pytest.raises(StyleSyntaxError):
            environment.from_string(within)
    else:
        assert render(within, environment=environment) == as_transformers(within, MESSAGES)
    with pytest.raises(StyleLimitError):
        render(over, environment=environment)


BLOCKS = "{% if 1 %}" * 8 + "a" + "{% endif %}" * 8
"""Seven tokens of each `if`, a text, and five of each `endif`; the text and the first `endif` stand in eight blocks."""


@pytest.mark.parametrize(("source", "tokens"), [(BLOCKS, 56 + 2 + 10 + 35), (BLOCKS[10:-11], 49 + 1 + 35)])
def test_a_token_in_eight_blocks_counts_as_two(source, tokens):
    assert render(source, environment=Bounded(Limits(tokens=tokens))) == "a"
    with pytest.raises(StyleLimitError, match=f"more than {tokens - 1} tokens"):
        Bounded(Limits(tokens=tokens - 1)).from_string(source)


@pytest.mark.parametrize(("written", "read"), [("1e308", "1e+308"), ("1e3_0_8", "1e+308")])
def test_the_greatest_numbers_are_read_and_greater_ones_are_not(written, read):
    assert render(f"{{{{ {written} }}}}") == read
    with pytest.raises(StyleLimitError, match="too large for a float"):
        render("{{ " + written.replace("8", "9") + " }}")


@pytest.mark.parametrize(
    ("within", "over", "says"),
    [
        ("{{ '%999d' % 5 }}", "{{ '%1000d' % 5 }}", "a width over 999"),
        ("{{ '%.999f' % 5 }}", "{{ '%.1000f' % 5 }}", "a width over 999"),
        ("{{ '{:999}'.format(5) }}", "{{ '{:1000}'.format(5) }}", "a width over 999"),
        ("{{ 'a' | indent(999, true) }}", "{{ 'a' | indent(1000, true) }}", "more than 999 characters"),
        ("{{ 'a' | indent('b' * 999, true) }}", "{{ 'a' | indent('b' * 1000, true) }}", "more than 999 characters"),
        ("{{ 1.5 | round(30) }}", "{{ 1.5 | round(31) }}", "more than 30 digits"),
        ("{{ 1.5 | round(-30) }}", "{{ 1.5 | round(-31) }}", "more than 30 digits"),
        ("{{ (' ' * 998 ~ '1') | int }}", "{{ (' ' * 999 ~ '1') | int }}", "more than 999 characters"),
        ("{{ (' ' * 998 ~ '1') | float }}", "{{ (' ' * 999 ~ '1') | float }}", "more than 999 characters"),
        ("{{ [1] | tojson(indent=30) }}", "{{ [1] | tojson(indent=31) }}", "more than 30 characters"),
        ("{{ [1] | tojson(indent=' ' * 30) }}", "{{ [1] | tojson(indent=' ' * 31) }}", "more than 30 characters"),
        (
            "{{ [1, 2] | tojson(separators=(',' * 15, ':' * 15)) }}",
            "{{ [1, 2] | tojson(separators=(',' * 15, ':' * 16)) }}", "more than 30 characters",
        ),
        (
            f"{{{{ [] | map(attribute='{'.'.join('a' * 16)}') | list }}}}",
            f"{{{{ [] | map(attribute='{'.'.join('a' * 17)}') | list }}}}", "more than 16 steps",
        ),
        (
            f"{{{{ [] | sort(attribute='{','.join('a' * 16)}') }}}}",
            f"{{{{ [] | sort(attribute='{','.join('a' * 17)}') }}}}", "more than 16 steps",
        ),
        (
            "{{ [] | sum('a' * 999) }}", "{{ [] | sum('a' * 1000) }}", "999 characters",
        ),
        ("{{ ['a', 'b'] | join([1] * 11) }}", "{{ ['a', 'b'] | join([1] * 12) }}", "more than 999 characters"),
        (
            "{{ strftime_now('' ~ '.' * 999) }}", "{{ strftime_now('.' * 1000) }}", "more than 999 characters",
        ),
    ],
)  # fmt: skip
def test_each_limit_of_a_filter_or_function_is_kept(within, over, says):
    expected = as_transformers(within, MESSAGES)
    assert expected is not None
    assert render(within) == expected
    with pytest.raises(StyleLimitError, match=says):
        render(over)


def test_steps_and_work_are_looked_at_when_so_much_was_done_and_may_reach_their_limits():
    steps = Budget(Limits(steps=_STEPS_PER_CHECK - 1))
    for _ in range(_STEPS_PER_CHECK - 1):
        steps.tick()
    with pytest.raises(StyleLimitError, match="more than 63 steps"):
        steps.tick()
    work = Budget(Limits(work=_WORK_PER_CHECK))
    work.spend(_WORK_PER_CHECK)
    work.spend(_WORK_PER_CHECK - 1)
    with pytest.raises(StyleLimitError, match="more than 524,288 bytes"):
        work.spend(1)


def test_short_texts_are_looked_at_too_when_many_were_made():
    spent = Budget(Limits(work=_WORK_PER_CHECK - 1))
    spent.spend(_WORK_PER_CHECK - 4 * SMALL_TEXT - 64)
    with pytest.raises(StyleLimitError, match="more than 524,287 bytes"):
        spent.count_text(SMALL_TEXT, "a" * SMALL_TEXT)


@pytest.mark.parametrize(
    ("text", "work"),
    [
        ("a" * SMALL_TEXT, 4 * SMALL_TEXT + 64), ("é" * SMALL_TEXT, 4 * SMALL_TEXT + 64), ("a" * (SMALL_TEXT + 1), SMALL_TEXT + 1 + 64),
        ("é" * (SMALL_TEXT + 1), 4 * (SMALL_TEXT + 1) + 64),
    ],
    ids=["small", "small and wide", "ASCII", "wide"],
)  # fmt: skip
def test_a_text_is_charged_by_its_width_unless_it_is_small(text, work):
    spent = Budget(Limits())
    spent.count_text(len(text), text)
    assert spent.work == work


def test_the_time_may_be_used_up_and_not_be_exceeded(monkeypatch):
    now = 100.0
    monkeypatch.setattr(budget, "monotonic", lambda: now)
    own = Budget(Limits(seconds=2))
    with limit_total_seconds(1.5), limit_total_seconds(9):
        shared = Budget(Limits(seconds=2))
    for spent, deadline in ((shared, 101.5), (own, 102.0)):
        now = deadline
        spent.spend(_WORK_PER_CHECK)
        now = deadline + 0.1
        with pytest.raises(StyleLimitError, match="longer than 2 seconds"):
            spent.spend(_WORK_PER_CHECK)


def test_the_time_is_limited():
    environment = Bounded(Limits(seconds=0.05))
    with pytest.raises(StyleLimitError, match=r"0\.05 seconds"):
        render("{% for i in range(99999) %}{% set x = i ~ 'a' %}{% endfor %}" * 20, environment=environment)


def test_limits_are_positive_and_known():
    with pytest.raises(ValidationError):
        Limits(steps=0)
    with pytest.raises(ValidationError):
        Limits(stepz=1)


def test_renders_on_eight_threads_do_not_mix():
    template = ENVIRONMENT.from_string("{% for m in messages %}{{ m.content * 50 }}{% endfor %}")
    environment = Bounded(Limits(steps=64))
    endless = environment.from_string("{% for i in range(1000) %}{% endfor %}")
    wrong = []

    def work(number):
        for turn in range(250):
            expected = f"{number}.{turn}" * 50
            if template.render(variables([user(f"{number}.{turn}")])) != expected:
                wrong.append(expected)
            if not isinstance(bounded(endless, MESSAGES), StyleLimitError):
                wrong.append("a budget of another thread")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_render_within_a_render_has_its_own_budget():
    environment = Bounded(Limits(steps=100))
    inner = environment.from_string("{% for i in range(70) %}{% endfor %}in")
    environment.globals["strftime_now"] = lambda _: inner.render(variables([]))
    outer = "{% for i in range(70) %}{% endfor %}{{ strftime_now('') }}{{ strftime_now('') }}"
    assert render(outer, environment=environment) == "inin"


def test_the_messages_are_not_changed():
    messages = [user("a"), assistant("b", tool_calls=[{"a": [1]}])]
    before = repr(messages)
    with pytest.raises(StyleRefusedError):
        render("{% for m in messages %}{{ m.update({'role': 'x'}) }}{% endfor %}", messages)
    assert repr(messages) == before
