"""What a style does to conversations is found: one planted fault a code, and none where nothing is planted."""

import json
import pickle
import re
import time
from collections import defaultdict

import pytest
from hostile_templates import ENDLESS, REFUSED, UNREADABLE, cases
from real_templates import real_templates
from support import DOCS

from preftemplates import Style, get_style, list_styles
from preftemplates.errors import StyleError, StyleRefusedError
from preftemplates.sandbox import budget
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.lint import probes
from preftemplates.styles.lint.contract import find_findings
from preftemplates.styles.lint.conversations import TOOL, TWO_TURNS, turn
from preftemplates.styles.lint.findings import GROUPS, FindingCode, StyleFinding
from preftemplates.styles.lint.probes import with_tools

FAITHFUL = (
    "{% if tools %}<|tools|>{{ tools | tojson }}<|end|>{% endif %}"
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}{{ part.text }}{% endfor %}"
    "{% endif %}"
    "{% for call in m.tool_calls or [] %}<call>{{ call | tojson }}</call>{% endfor %}"
    "<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""A template that keeps everything."""

PRINT = "{{ m.content }}"

PLANTED = {
    "prefix_unstable": [("<|assistant|>{% endif %}", "<|assistant|><think>{% endif %}")],
    "no_generation_prompt": [("{% if add_generation_prompt %}<|assistant|>{% endif %}", "")],
    "no_stop": [("<|end|>{% endfor %}", "{% endfor %}")],
    "uneven_stop": [
        ("<|end|>{% endfor %}", "{{ '<|eos|>' if loop.last and m.role == 'assistant' else '<|end|>' }}{% endfor %}")
    ],
    "same_text": [(PRINT, "{{ m.content[:300] }}")],
    "drops_answer": [(PRINT, "{% if m.role != 'assistant' %}{{ m.content }}{% endif %}")],
    "drops_system": [("<|{{ m.role }}|>", "{% if m.role == 'system' %}{% continue %}{% endif %}<|{{ m.role }}|>")],
    "drops_message": [("<|{{ m.role }}|>", "{% if m.role == 'tool' %}{% continue %}{% endif %}<|{{ m.role }}|>")],
    "drops_reasoning": [("<think>{{ m.reasoning_content }}</think>", "")],
    "drops_history_reasoning": [("{% if m.reasoning_content %}", "{% if m.reasoning_content and loop.last %}")],
    "drops_tool_calls": [("<call>{{ call | tojson }}</call>", "<call></call>")],
    "drops_tools": [("{{ tools | tojson }}", "{{ tools | length }}")],
    "rewrites_reasoning": [(PRINT, "{{ m.content | replace('<think>', '<thought>') }}")],
    "trims_content": [(PRINT, "{{ m.content | trim }}")],
    "rewrites_content": [(PRINT, "{{ m.content | upper }}")],
    "repeats_content": [(PRINT, "{{ m.content + m.content if m.role == 'user' else m.content }}")],
    "reorders_content": [("in messages %}", "in messages | sort(attribute='role') %}")],
    "merges_roles": [("<|{{ m.role }}|>", "<|{{ 'user' if m.role == 'tool' else m.role }}|>")],
    "prints_repr": [("{{ tools | tojson }}", "{{ tools }}")],
    "prints_parts": [("{{ part.text }}", ""), ("{% for part in", "{{ m.content }}{% for part in")],
    "prints_undefined": [("<|{{ m.role }}|>", "<|{{ m.rol }}|>")],
    "refuses_conversation": [
        ("{% if tools %}", "{% if messages | length > 3 %}{{ raise_exception('long') }}{% endif %}{% if tools %}")
    ],
    "refuses_role": [
        ("<|{{ m.role }}|>", "{% if m.role == 'developer' %}{{ raise_exception('no') }}{% endif %}<|{{ m.role }}|>")
    ],
    "refuses_tool_calls": [("{{ call | tojson }}", "{{ call.name + '' }}")],
    "over_limit": [
        (
            "{% if tools %}",
            "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}{% if tools %}",
        )
    ],
    "writes_bos": [("{% if tools %}", "{{ bos_token }}{% if tools %}")],
    "default_system": [
        (
            "{% for m in messages %}",
            "{% if messages[0].role != 'system' %}<|system|>You are a helpful assistant.<|end|>{% endif %}"
            "{% for m in messages %}",
        )
    ],
    "depends_on_date": [("{% if tools %}", "{{ strftime_now('%d %b %Y') }}{% if tools %}")],
    "unstable": [("{% if tools %}", "{{ range(99999) | random }}{% if tools %}")],
    "content_branch": [("<|end|>", "{% if 'deploy' in m.content %}<|root|>{% endif %}<|end|>")],
    "unknown_field": [(PRINT, "{{ m.content }}{% if m.conten %}!{% endif %}")],
    "hidden_characters": [("<|end|>", "<|e\u200bnd|>")],
}
"""By code, what is replaced in the faithful template so that it has this finding."""


def imported(source, **options):
    return Style.from_chat_template(source, bos_token="<s>", eos_token="</s>", **options).layout


def planted(code):
    source = FAITHFUL
    for old, new in PLANTED[code]:
        assert source.count(old) >= 1, old
        source = source.replace(old, new)
    return source


def codes(layout):
    return [str(finding.code) for finding in find_findings(layout)]


def test_a_template_that_keeps_everything_has_no_findings():
    assert codes(imported(FAITHFUL)) == []


def test_every_code_is_planted():
    assert set(PLANTED) == set(FindingCode)


@pytest.mark.parametrize("code", PLANTED)
def test_a_planted_fault_is_found(code):
    source = planted(code)
    if code == "unstable":  # a function that templates of strangers do not have
        layout = ChatTemplate.read(source, "<s>", "</s>", {})
    else:
        layout = imported(source, limits=Limits(steps=10_000))
    assert code in codes(layout)


ALONE = sorted(set(PLANTED) - {
    "refuses_conversation",  # and the four turns around a tool
    "rewrites_content",  # and its thinking
    "same_text",  # answers are cut, so they are rewritten too
    "drops_answer",  # and its thinking with it
    "drops_message",  # and the tool's turn
    "unknown_field", "over_limit", "prints_undefined", "unstable", "reorders_content",
})  # fmt: skip


@pytest.mark.parametrize("code", ALONE)
def test_a_planted_fault_is_the_only_finding(code):
    assert set(codes(imported(planted(code)))) == {code}


@pytest.mark.parametrize(
    ("code", "role", "field"),
    [
        ("drops_message", "tool", None),
        ("refuses_role", "developer", None),
        ("merges_roles", "tool", None),
        ("repeats_content", "user", "content"),
        ("drops_reasoning", "assistant", "reasoning_content"),
        ("rewrites_reasoning", "assistant", "content"),
        ("unknown_field", None, "conten"),
    ],
)
def test_a_finding_names_the_role_and_the_field(code, role, field):
    found = next(finding for finding in find_findings(imported(planted(code))) if finding.code == code)
    assert (found.role, found.field) == (role, field)


def test_trimming_is_told_for_each_role_and_end():
    source = FAITHFUL.replace(PRINT, "{{ m.content.lstrip() if m.role == 'user' else m.content.rstrip('\n') }}")
    told = {finding.role: finding.message for finding in find_findings(imported(source))}
    assert told == {
        "system": "blanks at the end of a content of the role system are not printed",
        "user": "blanks at the start of a content of the role user are not printed",
        "assistant": "blanks at the end of an answer are not printed",
    }


def test_a_system_message_in_the_users_turn_is_merged_and_one_in_a_turn_of_its_own_is_not():
    merged = (
        "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}<|{{ m.role }}|>"
        "{% if loop.index0 == 1 and messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}"
        "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    assert [f.role for f in find_findings(imported(merged)) if f.code == "merges_roles"] == ["system"]
    assert "merges_roles" not in codes(imported(FAITHFUL))


def test_what_is_refused_is_told_with_the_templates_reason_and_line():
    found = find_findings(imported("\n" + planted("prints_undefined")))
    first = found[0]
    assert (first.code, first.line) == ("prints_undefined", 2)
    assert "'rol'" in first.message
    role = next(f for f in find_findings(imported(planted("refuses_role"))) if f.code == "refuses_role")
    assert role.message == "the role developer is refused: no"


def test_a_special_token_that_is_not_given_is_told_and_the_rest_is_checked_with_a_made_up_one():
    source = FAITHFUL.replace("{% if tools %}", "{{ eos_token }}\n{{ bos_token }}{% if tools %}", 1)
    source = source.replace(PRINT, "{{ m.content | trim }}")
    found = find_findings(Style.from_chat_template(source).layout)
    assert [(f.line, f.field) for f in found if f.code == "prints_undefined"] == [(1, "eos_token"), (2, "bos_token")]
    assert {f.code for f in found} == {"prints_undefined", "trims_content"}
    assert {f.code for f in find_findings(imported(source))} == {"trims_content"}


@pytest.mark.parametrize(
    "condition",
    [
        "m.content == 'deploy'",
        "m['content'].startswith('deploy')",
        "'deploy' in (m.content | lower)",
        "m.content in ['deploy', 'ship']",
        "m.content is eq 'deploy'",
        "m.content.strip().split(' ')[0] == 'deploy'",
        "m.get('content') and 'deploy' in m.content",
        "'deploy' in (m.content or '')",
        "messages | selectattr('content', 'equalto', 'deploy') | list",
    ],
)
def test_a_comparison_with_a_word_is_found_in_every_spelling(condition):
    source = FAITHFUL.replace(
        "<|end|>{% endfor %}", f"{{% if {condition} %}}\n<|root|>{{% endif %}}<|end|>{{% endfor %}}"
    )
    found = [finding for finding in find_findings(imported(source)) if finding.code == "content_branch"]
    assert (found[0].line, found[0].field) == (1, "content")
    assert "'deploy'" in found[0].message


def test_a_comparison_through_variables_and_macros_is_found():
    source = "{%- macro text(c) %}{{ c }}{% endmacro %}{% for m in messages %}{% set said = text(m.content) | trim %}"
    source += "\n{% set low = said | lower %}\n{% if low.endswith('deploy') %}!{% endif %}{{ m.content }}{% endfor %}"
    assert [f.line for f in find_findings(imported(source)) if f.code == "content_branch"] == [3]


@pytest.mark.parametrize(
    "source",
    [
        "{% set word = 'dep' ~ 'loy' %}{% for m in messages %}{% if word in m.content %}!{% endif %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.word = 'deploy' %}"
        "{% for m in messages %}{% if m.content == ns.word %}!{% endif %}{% endfor %}",
        "{% for m in messages %}{% for word in ['ship', 'deploy'] %}"
        "{% if word in m.content %}!{% endif %}{% endfor %}{% endfor %}",
        "{% set words = ['ship', 'deploy'] %}"
        "{% for m in messages %}{% if m.content in words %}!{% endif %}{% endfor %}",
    ],
    ids=["pieces", "a namespace", "a loop", "a list"],
)
def test_a_word_that_a_variable_holds_is_found(source):
    found = [finding.message for finding in find_findings(imported(source)) if finding.code == "content_branch"]
    assert "the template looks for 'deploy' in a content and acts on it" in found


@pytest.mark.parametrize(
    "condition",
    [
        "m.content == ''",
        "'<think>' in m.content",
        "'</think>' in m.content",
        "m.content.startswith('\\n')",
        "m.role == 'deploy'",
        "'content' in m",
        "m.content is string",
        "m.content | length > 10 ** 9",
        "m.name == 'deploy'",
    ],
)
def test_a_common_test_is_no_content_branch(condition):
    source = FAITHFUL.replace("<|end|>{% endfor %}", f"{{% if {condition} %}}{{% endif %}}<|end|>{{% endfor %}}")
    assert codes(imported(source)) == []


def test_a_layout_that_changes_with_a_contents_length_is_a_content_branch_too():
    source = FAITHFUL.replace("<|end|>{% endfor %}", "{% if m.content | length > 99 %}!{% endif %}<|end|>{% endfor %}")
    assert "content_branch" in codes(imported(source))


@pytest.mark.parametrize(("key", "found"), [("image", False), ("deploy", True)])
def test_asking_a_part_for_its_kind_is_no_content_branch(key, found):
    source = (
        "{% macro written(content) %}{% if content.type == 'image' or 'KEY' in content %}!{% endif %}{% endmacro %}"
        "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
        "{{ written(part) }}{% endfor %}{% endif %}</s>{% endfor %}"
    ).replace("KEY", key)
    assert ("content_branch" in codes(imported(source))) == found


def test_a_misspelt_field_is_told_with_the_line_and_the_nearest_name():
    source = (
        "{% for m in messages %}{{ m.content }}\n{% if m.tool_cals %}!{% endif %}{{ m['rolle'] or '' }}{% endfor %}"
    )
    told = [(f.line, f.field, f.message) for f in find_findings(imported(source)) if f.code == "unknown_field"]
    assert told == [
        (2, "tool_cals", "the template reads 'tool_cals' of a message, which no message has; near: 'tool_calls'"),
        (2, "rolle", "the template reads 'rolle' of a message, which no message has; near: 'role'"),
    ]


@pytest.mark.parametrize("name", ["items", "get", "copy", "keys", "values"])
def test_a_method_of_a_message_is_no_field(name):
    source = f"{{% for m in messages %}}{{% if m.{name} is defined %}}{{% endif %}}{{{{ m.content }}}}{{% endfor %}}"
    assert "unknown_field" not in codes(imported(source))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{# a\u202eb #}", "U+202E (right-to-left override)"),
        ("x\ufeff", "U+FEFF"),
        ("{{ 'a\\u200bb' }}", "U+200B (zero width space)"),
        ("{{ '\\b' }}", "U+0008 (a control character)"),
        ("a\U000e0041", "U+E0041"),
    ],
)
def test_a_character_that_does_not_show_is_named_with_its_line(source, said):
    found = [f for f in find_findings(imported("\n" + source + FAITHFUL)) if f.code == "hidden_characters"]
    assert found
    assert all(said in f.message and f.line == 2 and f.message.isascii() for f in found)


def test_a_name_that_looks_like_another_is_found_in_a_trusted_template_and_refused_in_a_strangers():
    source = "{% set r\u043ele = 1 %}" + FAITHFUL
    trusted = find_findings(ChatTemplate.read(source, None, None, {}))
    assert [(f.code, f.line, f.message) for f in trusted] == [
        ("hidden_characters", 1, "the name 'rU+043Ele' has letters that are not ASCII")
    ]
    with pytest.raises(StyleRefusedError, match=r"rU\+043Ele"):
        imported(source)


def test_the_marks_of_real_models_hide_nothing():
    source = FAITHFUL.replace("<|end|>", "<｜end▁of▁sentence｜>").replace("<call>", "<call>✔️ 回答")
    assert codes(imported(source)) == []


@pytest.mark.parametrize("name", list_styles())
def test_an_exported_style_loses_and_changes_nothing_that_the_style_keeps(name):
    """Only its roles, closing and policy are no longer declared, so that what they do is told."""
    layout = get_style(name).layout
    source = "{#- edited -#}" + get_style(name).chat_template
    exported = Style.from_chat_template(source, bos_token=getattr(layout, "bos_token", None)).layout
    told = {"uneven_stop"} if layout.closing else set()
    told |= {"drops_history_reasoning"} if layout.reasoning == "drop-history" else set()
    kept, found = (
        {code for code in codes(one) if code != "drops_tools" and not code.startswith("refuses_")}
        for one in (layout, exported)
    )
    assert found == kept | told


def test_tools_reach_a_chat_template_and_leave_fragments_alone():
    assert "water_herb" in with_tools(imported(FAITHFUL), [TOOL]).text([{"role": "user", "content": "x"}], False)
    assert with_tools(get_style("chatml").layout, [TOOL]) == get_style("chatml").layout


def test_a_template_that_does_not_end_costs_one_render(monkeypatch):
    layout = imported(planted("over_limit"), limits=Limits(seconds=0.2, steps=10**9))
    ended = []
    over = budget.over
    monkeypatch.setattr(budget, "over", lambda message: (ended.append(message), over(message)))
    assert codes(layout) == ["over_limit"]
    assert ended == ["takes longer than 0.2 seconds"]


def test_a_template_that_is_slow_every_time_is_left_off_in_the_middle_and_that_is_told(monkeypatch):
    monkeypatch.setattr(probes, "SECONDS", 0.001)
    slow = "{% for i in range(9999) %}{% for j in [1, 2] %}{% endfor %}{% endfor %}" + FAITHFUL
    found = find_findings(imported(slow))
    assert [f.message for f in found if f.code == "over_limit"] == [
        "what comes after is not checked: the conversations of this check take more than 0.001 seconds"
    ]


def test_a_limit_that_only_a_long_content_reaches_is_told():
    found = find_findings(imported(FAITHFUL.replace(PRINT, "{{ m.content * 9 }}"), limits=Limits(string=30_000)))
    assert "over_limit" in {finding.code for finding in found}


@pytest.mark.parametrize("source", ["chatml", FAITHFUL], ids=["fragments", "a chat template"])
def test_the_policy_for_thinking_is_declared_and_no_finding(source):
    style = get_style(source) if source in list_styles() else Style.from_chat_template(source)
    for policy in ("drop", "drop-history"):
        assert codes(style.with_reasoning(policy).layout) == []


def test_a_finding_pickles_and_is_json():
    finding = StyleFinding(FindingCode.CONTENT_BRANCH, "the template looks for 'x'", 3, field="content")
    again = pickle.loads(pickle.dumps(finding))
    assert again == finding
    assert again.code is FindingCode.CONTENT_BRANCH
    assert json.loads(json.dumps(finding.as_json())) == {
        "code": "content_branch",
        "message": "the template looks for 'x'",
        "line": 3,
        "field": "content",
    }
    assert str(finding) == "line 3: the template looks for 'x' [content_branch]"


def test_every_code_has_a_group_and_a_sentence():
    grouped = [code for group in GROUPS.values() for code in group]
    assert sorted(grouped) == sorted(FindingCode)
    assert all(code.meaning[0].isupper() and code.meaning.endswith(".") for code in FindingCode)


def test_what_a_hostile_template_says_is_escaped():
    source = "{% for m in messages %}{{ raise_exception('\x1b[31m[red]x\n\u202e') }}{% endfor %}"
    found = find_findings(imported(source))
    assert found
    assert all(finding.message.isprintable() for finding in found)


MEASURED = {
    "prefix_unstable": 123,
    "drops_system": 47,
    "depends_on_date": 38,
}
"""How many of the 786 were counted apart from this check, by rendering them with jinja2 alone."""


def found_in(names):
    """From a code, and from a code with a role and a field, to the real templates with such a finding."""
    found = defaultdict(set)
    for name in names:
        for finding in find_findings(imported(real_templates()[name])):
            assert finding.message.isprintable(), (name, finding)
            found[str(finding.code)].add(name)
            found[str(finding.code), finding.role, finding.field].add(name)
    return found


SIXTH = {
    "prefix_unstable": 21, "no_generation_prompt": 1, "no_stop": 18, "uneven_stop": 9, "same_text": 2,
    "drops_answer": 3, "drops_system": 7, "drops_message": 61, "drops_reasoning": 96,
    "drops_history_reasoning": 36, "drops_tool_calls": 72, "drops_tools": 67, "rewrites_reasoning": 22,
    "trims_content": 49, "rewrites_content": 0, "repeats_content": 0, "reorders_content": 1, "merges_roles":
    11, "prints_repr": 1, "prints_parts": 23, "prints_undefined": 1, "refuses_conversation": 4,
    "refuses_role": 20, "refuses_tool_calls": 1, "over_limit": 0, "writes_bos": 45, "default_system": 39,
    "depends_on_date": 3, "unstable": 0, "content_branch": 9, "unknown_field": 3, "hidden_characters": 0,
}  # fmt: skip
"""The same of every sixth template, for all codes."""


def test_the_counts_over_a_sixth_of_the_real_templates():
    found = found_in([*real_templates()][::6])
    assert {str(code): len(found[str(code)]) for code in FindingCode} == SIXTH


@pytest.mark.slow
def test_the_shares_over_the_real_templates_are_those_that_were_measured_apart():
    found = found_in(real_templates())
    assert {code: len(found[code]) for code in MEASURED} == MEASURED
    assert len(found["refuses_role", "system", None]) == 22
    page = (DOCS / "reference" / "findings.md").read_text()
    shown = re.findall(r"^\| `(\w+)` \| .*? \| (\d+) \| ", page, flags=re.MULTILINE)
    assert {code: int(count) for code, count in shown} == {str(code): len(found[str(code)]) for code in FindingCode}


@pytest.mark.parametrize(("name", "source"), [*cases(REFUSED), *cases(ENDLESS), *UNREADABLE.items()])
def test_a_hostile_template_is_refused_or_has_findings_that_print_and_ends(name, source):
    start = time.thread_time()
    try:
        found = find_findings(imported(source, limits=Limits(seconds=0.05)))
    except StyleError:
        return
    assert found
    assert all(finding.message.isprintable() and len(finding.message) < 1000 for finding in found)
    assert time.thread_time() - start < 120  # CPU seconds: it does not run away


def test_a_line_end_of_the_styles_own_does_not_hide_that_one_is_trimmed():
    source = FAITHFUL.replace("<|{{ m.role }}|>", "<|{{ m.role }}|>{{ '\\n' }}").replace(
        "<|end|>{% endfor %}", "\\n<|end|>{% endfor %}"
    )
    assert "trims_content" not in codes(imported(source))
    for trimmed in ("m.content.lstrip('\\n')", "m.content.rstrip('\\n')"):
        assert "trims_content" in codes(imported(source.replace(PRINT, f"{{{{ {trimmed} }}}}")))


def test_what_is_trimmed_and_dropped_is_what_the_provenance_of_the_texts_says():
    """The check compares texts, and knows nothing of the way on which a content went through the template."""
    padded = [
        [turn(m["role"], f"{a}{m['content']}{b}") for m in TWO_TURNS] for a, b in (("\n ", " \n"), (" \n", "\n "))
    ]
    differing = []
    for name, source in list(real_templates().items())[::7]:
        layout = imported(source)
        found = find_findings(layout)
        if {"refuses_conversation", "prints_undefined"} & {str(finding.code) for finding in found}:
            continue
        changes = [change for messages in padded for change in layout.changes(messages, False)]
        trimmed = {change.role for change in changes if change.what == "trimmed"}
        dropped = {change.role for change in changes if change.what == "dropped"}
        told = defaultdict(set)
        for finding in found:
            told[str(finding.code)].add(finding.role)
        if not trimmed <= told["trims_content"] <= trimmed | {"system"}:
            differing.append((name, "trims", trimmed, told["trims_content"]))
        if dropped != told["drops_answer"] | (told["drops_message"] & {"user"}):
            differing.append((name, "drops", dropped, told["drops_message"]))
    assert differing == []
