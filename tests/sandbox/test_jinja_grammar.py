"""Whatever Jinja can say ends in a text, or in an error of ours, within its limits."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from jinja_words import BINARY, CONSTANTS, FILTERS, GROWTH, METHODS, NAMES, TESTS

from preftemplates.errors import PrefTemplatesError
from preftemplates.sandbox.bounded import BoundedEnvironment
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.environment import ChatTemplateEnvironment

LIMITS = Limits(steps=20_000, work=2**24, string=2**20, output=2**22, seconds=1.0)
MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Four.", "calls": [{"a": [1, None]}]}]


class Bounded(BoundedEnvironment, ChatTemplateEnvironment):
    """What chat templates are written for, bounded."""


ENVIRONMENT = Bounded(LIMITS)

leaves = st.sampled_from(NAMES + CONSTANTS)


def larger(smaller):
    """Expressions of smaller ones."""
    return st.one_of(
        leaves,
        leaves,
        st.builds("({} {} {})".format, smaller, st.sampled_from(BINARY), smaller),
        st.builds("({} | {})".format, smaller, st.sampled_from(FILTERS)),
        st.builds("({} is {})".format, smaller, st.sampled_from(TESTS)),
        st.builds("({}).{}".format, smaller, st.sampled_from(METHODS)),
        st.builds("({})[{}]".format, smaller, smaller),
        st.builds("({})[{}:{}]".format, smaller, smaller, st.sampled_from(["", "1", "-2"])),
        st.builds("[{}, {}]".format, smaller, smaller),
        st.builds("({}, {})".format, smaller, smaller),
        st.builds("{{{}: {}}}".format, smaller, smaller),
        st.builds("({} if {} else {})".format, smaller, smaller, smaller),
        st.builds("range({})".format, smaller),
        st.builds("f({})".format, smaller),
        st.builds("dict(a={})".format, smaller),
        st.builds("raise_exception({})".format, smaller),
    )


expressions = larger(larger(larger(leaves)))


def blocks(bodies):
    """Statements with these bodies."""
    return st.one_of(
        st.builds("{{{{ {} }}}}".format, expressions),
        st.builds("{{% set ns.x = {} %}}".format, expressions),
        st.builds("{{% set ns.y = [ns.x, {}] %}}".format, expressions),
        st.sampled_from(GROWTH),
        st.builds("{{% for i in {} %}}{}{{% endfor %}}".format, expressions, bodies),
        st.builds("{{% for i in {} if {} %}}{}{{% endfor %}}".format, expressions, expressions, bodies),
        st.builds("{{% for i in {} recursive %}}{}{{{{ loop([i]) }}}}{{% endfor %}}".format, expressions, bodies),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, expressions, bodies, bodies),
        st.builds("{{% macro f(i) %}}{}{{% endmacro %}}".format, bodies),
        st.builds("{{% call f({}) %}}{}{{% endcall %}}".format, expressions, bodies),
        st.builds("{{% filter {} %}}{}{{% endfilter %}}".format, st.sampled_from(FILTERS), bodies),
        st.builds("{{% set t %}}{}{{% endset %}}{{{{ t }}}}".format, bodies),
        st.just("text\n"),
    )


def several(statements):
    """A few statements in a row."""
    return st.lists(statements, max_size=3).map("".join)


statements = blocks(several(blocks(several(blocks(st.just("b"))))))
templates = st.lists(statements, min_size=1, max_size=5).map(
    lambda parts: "{% set ns = namespace(x='ab', y=1) %}" + "".join(parts)
)


def ends(source):
    """The text of a template; None where it ends in an error of ours."""
    try:
        return ENVIRONMENT.from_string(source).render(messages=MESSAGES)
    except PrefTemplatesError:
        return None
    except TemplateError as error:
        if type(error) is TemplateError:  # its own, by raise_exception
            return None
        raise


def as_transformers(source):
    """The text as transformers renders it; None where it raises, or computes a wrong constant before it renders."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        return _compile_jinja_template(source).render(messages=MESSAGES)
    except Exception:  # noqa: BLE001  a template may raise anything
        return None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(templates)
def test_any_template_ends_within_its_limits(source):
    start = time.thread_time()
    text = ends(source)
    assert time.thread_time() - start < 60  # CPU seconds: it does not run away
    if text is not None:
        assert len(text) <= LIMITS.output


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(templates)
def test_any_template_that_renders_does_so_as_in_transformers(source):
    text = None if "**" in source else ends(source)
    expected = None if text is None else as_transformers(source)
    if expected is not None:
        assert text == expected
