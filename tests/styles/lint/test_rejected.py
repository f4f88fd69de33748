"""What raises an error is found, with the template's reason and line, and nothing is rendered over the limits."""

from style_faults import FAITHFUL, PRINT, import_layout, list_codes, plant_fault

from preftemplates.sandbox import budget
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.lint import probes
from preftemplates.styles.lint.check import find_findings


def test_what_is_refused_is_told_with_the_templates_reason_and_line():
    findings = find_findings(import_layout("\n" + plant_fault("prints_undefined")))
    first = findings[0]
    assert (first.code, first.line) == ("prints_undefined", 2)
    assert "'rol'" in first.message
    role = next(f for f in find_findings(import_layout(plant_fault("refuses_role"))) if f.code == "refuses_role")
    assert role.message == "the role developer is rejected: no"


def test_a_template_that_does_not_end_costs_one_render(monkeypatch):
    layout = import_layout(plant_fault("over_limit"), limits=Limits(seconds=0.2, steps=10**9))
    messages = []
    raise_over_limit = budget.raise_over_limit
    monkeypatch.setattr(budget, "raise_over_limit", lambda what: (messages.append(what), raise_over_limit(what)))
    assert list_codes(layout) == ["over_limit"]
    assert messages == ["takes longer than 0.2 seconds"]


def test_a_template_that_is_slow_every_time_is_left_off_in_the_middle_and_that_is_told(monkeypatch):
    monkeypatch.setattr(probes, "MAX_PROBE_SECONDS", 0.001)
    slow = "{% for i in range(9999) %}{% for j in [1, 2] %}{% endfor %}{% endfor %}" + FAITHFUL
    findings = find_findings(import_layout(slow))
    assert [f.message for f in findings if f.code == "over_limit"] == [
        "the remaining conversations were not checked: the conversations of this check take more than 0.001 seconds"
    ]


def test_a_limit_that_only_a_long_content_reaches_is_told():
    source = FAITHFUL.replace(PRINT, "{{ m.content * 9 }}")
    assert "over_limit" in list_codes(import_layout(source, limits=Limits(string=30_000)))
