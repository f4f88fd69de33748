"""What the source of a chat template says is found, in every spelling and with its line."""

import pytest
from style_faults import FAITHFUL, import_layout, list_codes

from preftemplates.errors import StyleRefusedError
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.lint.check import find_findings


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
    branches = [finding for finding in find_findings(import_layout(source)) if finding.code == "content_branch"]
    assert (branches[0].line, branches[0].field) == (1, "content")
    assert "'deploy'" in branches[0].message


def test_a_comparison_through_variables_and_macros_is_found():
    source = "{%- macro text(c) %}{{ c }}{% endmacro %}{% for m in messages %}{% set said = text(m.content) | trim %}"
    source += "\n{% set low = said | lower %}\n{% if low.endswith('deploy') %}!{% endif %}{{ m.content }}{% endfor %}"
    assert [f.line for f in find_findings(import_layout(source)) if f.code == "content_branch"] == [3]


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
    messages = [f.message for f in find_findings(import_layout(source)) if f.code == "content_branch"]
    assert "the template looks for 'deploy' in a content and acts on it" in messages


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
        "m.content | length > 0",
        "m.name == 'deploy'",
    ],
)
def test_a_common_test_is_no_content_branch(condition):
    source = FAITHFUL.replace("<|end|>{% endfor %}", f"{{% if {condition} %}}{{% endif %}}<|end|>{{% endfor %}}")
    assert list_codes(import_layout(source)) == []


def test_a_layout_that_changes_with_a_contents_length_is_a_content_branch_too():
    source = FAITHFUL.replace("<|end|>{% endfor %}", "{% if m.content | length > 99 %}!{% endif %}<|end|>{% endfor %}")
    assert "content_branch" in list_codes(import_layout(source))


@pytest.mark.parametrize(("key", "is_found"), [("image", False), ("deploy", True)])
def test_asking_a_part_for_its_kind_is_no_content_branch(key, is_found):
    source = (
        "{% macro written(content) %}{% if content.type == 'image' or 'KEY' in content %}!{% endif %}{% endmacro %}"
        "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
        "{{ written(part) }}{% endfor %}{% endif %}</s>{% endfor %}"
    ).replace("KEY", key)
    assert ("content_branch" in list_codes(import_layout(source))) == is_found


def test_a_misspelt_field_is_told_with_the_line_and_the_nearest_name():
    source = (
        "{% for m in messages %}{{ m.content }}\n{% if m.tool_cals %}!{% endif %}{{ m['rolle'] or '' }}{% endfor %}"
    )
    findings = [f for f in find_findings(import_layout(source)) if f.code == "unknown_field"]
    unknown_fields = [(f.line, f.field, f.message) for f in findings]
    assert unknown_fields == [
        (
            2,
            "tool_cals",
            "the template reads 'tool_cals' of a message, which no message has; the nearest field is 'tool_calls'",
        ),
        (2, "rolle", "the template reads 'rolle' of a message, which no message has; the nearest field is 'role'"),
    ]


@pytest.mark.parametrize("name", ["items", "get", "copy", "keys", "values"])
def test_a_method_of_a_message_is_no_field(name):
    source = f"{{% for m in messages %}}{{% if m.{name} is defined %}}{{% endif %}}{{{{ m.content }}}}{{% endfor %}}"
    assert "unknown_field" not in list_codes(import_layout(source))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{# a\u202eb #}", "U+202E (right-to-left override)"),
        ("x\ufeff", "U+FEFF"),
        ("{{ 'a\\u200bb' }}", "U+200B (zero width space)"),
        ("{{ '\\b' }}", "U+0008 (a control character)"),
        ("a\U000e0041", "U+E0041"),
    ],
)
def test_a_character_that_does_not_show_is_named_with_its_line(source, name):
    hidden = [f for f in find_findings(import_layout("\n" + source + FAITHFUL)) if f.code == "hidden_characters"]
    assert hidden
    assert all(name in f.message and f.line == 2 and f.message.isascii() for f in hidden)


def test_a_name_that_looks_like_another_is_found_in_a_trusted_template_and_refused_in_a_strangers():
    source = "{% set r\u043ele = 1 %}" + FAITHFUL
    trusted = find_findings(ChatTemplate.read(source, None, None, {}))
    assert [(f.code, f.line, f.message) for f in trusted] == [
        ("hidden_characters", 1, "the name 'rU+043Ele' has characters that are not ASCII")
    ]
    with pytest.raises(StyleRefusedError, match=r"rU\+043Ele"):
        import_layout(source)


def test_the_marks_of_real_models_hide_nothing():
    source = FAITHFUL.replace("<|end|>", "<｜end▁of▁sentence｜>").replace("<call>", "<call>✔️ 回答")
    assert list_codes(import_layout(source)) == []
