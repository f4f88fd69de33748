"""Plans within the limits of a template: making one stays within its budget too."""

import pyarrow as pa
import pytest

from preftemplates import BatchFormatter, Style, get_template
from preftemplates.errors import Code, StyleLimitError
from preftemplates.sandbox.limits import Limits

ROWS = [{"prompt": f"Question {n}?", "response_0": "A", "response_1": "B", "better_response_id": 0} for n in range(5)]
LOOPS = "{% for i in range(9000) %}{% for j in range(9000) %}{% endfor %}{% endfor %}"
TEXTS = "{% for message in messages %}[{{ message['content'] }}]{% endfor %}"


def make_formatter(source, steps, **options):
    style = Style.from_chat_template(source, limits=Limits(steps=steps))
    return BatchFormatter(get_template("PKUSafeRLHF").with_style(style), "preference", **options)


def test_a_style_with_endless_loops_ends_at_its_limit():
    with pytest.raises(StyleLimitError, match="takes more than 500 steps") as caught:
        make_formatter(LOOPS + TEXTS, 500)(pa.Table.from_pylist(ROWS))
    assert caught.value.code == Code.OVER_LIMIT


def test_the_plan_says_that_the_style_needs_too_much():
    formatter = make_formatter(LOOPS + TEXTS, 500, on_error="column")
    formatted = formatter(pa.Table.from_pylist(ROWS))
    assert formatted["preftemplates_error"].null_count == 0
    (reason,) = formatter.plan.reasons
    assert "takes more than 500 steps" in reason
    assert formatter.plan.columnar == 0


def test_a_style_within_its_limits_is_planned():
    formatter = make_formatter(TEXTS, 500)
    formatter(pa.Table.from_pylist(ROWS))
    assert formatter.plan.columnar == len(ROWS)
