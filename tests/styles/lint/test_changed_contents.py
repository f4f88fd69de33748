"""What a chat template does to contents by their words or their length is found in its source, with its line."""

import pytest
from style_faults import import_layout

from preftemplates import get_style, list_styles
from preftemplates.styles.lint.check import find_findings

TURN = (
    "{%% for m in messages %%}<|{{ m.role }}|>\n{{ %s }}<|end|>{%% endfor %%}"
    "{%% if add_generation_prompt %%}<|assistant|>{%% endif %%}"
)
CODES = ("content_replaced", "content_cut", "content_looked_up", "length_branch")

CHANGES = {
    # the six that nobody saw
    "m.content.split('Sources:')[0]": ("content_cut", "'Sources:'"),
    "m.content.replace('Friday', 'Monday')": ("content_replaced", "'Friday'"),
    "{'Agreed.': 'Refused.'}.get(m.content, m.content)": ("content_looked_up", "table"),
    "m.content.split('north') | join('south')": ("content_cut", "'north'"),
    "('(long) ' if m.content | length > 2500 else '') ~ m.content": ("length_branch", "a content with 2500"),
    "('(late) ' if messages | length > 30 else '') ~ m.content": ("length_branch", "the number of messages with 30"),
    # the same in other words
    "m['content'] | replace('Fri' ~ 'day', 'Monday')": ("content_replaced", "'Friday'"),
    "(m.content | trim).replace('Friday', 'Monday')": ("content_replaced", "'Friday'"),
    "m.content.rpartition('Sources:')[0]": ("content_cut", "'Sources:'"),
    "m.content.removesuffix('Sources: none')": ("content_cut", "'Sources: none'"),
    "m.content.rstrip('!')": ("content_cut", "the characters '!'"),
    "m.content | trim('!')": ("content_cut", "the characters '!'"),
    "m.content[:2500]": ("content_cut", "position 2500"),
    "{'Agreed.': 'Refused.'}[m.content] or m.content": ("content_looked_up", "table"),
    "m.content if m.content not in {'Agreed.': 1} else 'Refused.'": ("content_looked_up", "table"),
    "m.content if ['Agreed.', 'Done.'].index(m.content) else ''": ("content_looked_up", "table"),
    "m.content ~ ('!' if loop.index0 > 30)": ("length_branch", "the number of messages with 30"),
    "m.content ~ ('!' if loop.length - 30 > 0)": ("length_branch", "30"),
    "m.content ~ ('!' if m.content | length is ge 2500)": ("length_branch", "2500"),
    "m.content ~ ('!' if (messages | length) // 31)": ("length_branch", "31"),
    "m.content ~ ('!' if messages[30] is defined)": ("length_branch", "the messages at 30"),
    "m.content ~ ('!' if messages[30:])": ("length_branch", "the messages at 30"),
    "m.content ~ ('!' if (messages | length) % 31 == 0)": ("length_branch", "31"),
}  # fmt: skip


def find_changes(source):
    return [finding for finding in find_findings(import_layout(source)) if finding.code in CODES]


@pytest.mark.parametrize("expression", CHANGES)
def test_a_change_by_words_or_length_is_found_with_its_line(expression):
    code, part = CHANGES[expression]
    found = [finding for finding in find_changes(TURN % expression) if finding.code == code]
    assert [finding.line for finding in found] == [2]
    assert part in found[0].message
    assert found[0].field == ("content" if "messages" not in found[0].message else None)


@pytest.mark.parametrize(
    "source",
    [
        "{% macro show(c) %}\n{{ c.replace('Friday', 'Monday') }}{% endmacro %}"
        "{% for m in messages %}{{ show(m.content) }}{% endfor %}",
        "{% for m in messages %}{% set said %}{{ m.content }}{% endset %}\n"
        "{{ said | replace('Friday', 'Monday') }}{% endfor %}",
        "{% for m in messages %}{% with said = m.content %}\n"
        "{{ said | replace('Friday', 'Monday') }}{% endwith %}{% endfor %}",
        "{% for m in messages %}\n{% filter upper | replace('Friday', 'Monday') %}{{ m.content }}{% endfilter %}"
        "{% endfor %}",
        "{% set old = 'Friday' %}{% for m in messages %}\n{{ m.content | replace(old, 'Monday') }}{% endfor %}",
        "\n{{ messages | map(attribute='content') | map('replace', 'Friday', 'Monday') | join }}",
        "{% for m in messages %}{% for part in m.content %}{% if part.type == 'text' %}\n"
        "{{ part.text.replace('Friday', 'Monday') }}{% endif %}{% endfor %}{% endfor %}",
    ],
    ids=["a macro", "a block", "with", "a filter block", "a variable", "map", "parts"],
)
def test_a_replacement_is_found_through_variables_macros_and_blocks(source):
    found = find_changes(source)
    assert [(str(finding.code), finding.line) for finding in found] == [("content_replaced", 2)]
    assert "'Friday'" in found[0].message


def test_a_limit_and_a_table_are_found_through_variables():
    source = "{% set most = 30 %}{% set count = messages | length %}{% set table = {'Agreed.': 'Refused.'} %}"
    source += "{% if count > most %}!{% endif %}\n{% for m in messages %}{{ table[m.content] }}{% endfor %}"
    assert [(str(f.code), f.line) for f in find_changes(source)] == [("content_looked_up", 2), ("length_branch", 1)]


@pytest.mark.parametrize(
    "expression",
    [
        "m.content",
        "m.content | trim",
        "m.content.strip('\\n')",
        "m.content.split('</think>')[-1]",
        "m.role.replace('assistant', 'model')",
        "{'user': 'U', 'assistant': 'A'}[m.role] ~ m.content",
        "m.content ~ ('!' if loop.index0 == messages | length - 1)",
        "m.content ~ ('!' if messages | length > 1 and m.content | length > 0)",
        "m.content ~ ('!' if loop.index0 % 2 == 0)",
        "messages[1:][0].content ~ messages[-1].content",
        "m.content ~ ('!' if tools is defined and tools | length > 5)",
    ],
)
def test_what_everyday_templates_do_is_no_such_finding(expression):
    assert find_changes(TURN % expression) == []


def test_no_bundled_style_changes_contents_so():
    found = {
        name: [finding for finding in get_style(name).findings if finding.code in CODES] for name in list_styles()
    }
    assert [name for name, findings in found.items() if findings] == []


def test_a_source_that_assigns_thousands_of_variables_to_each_other_is_read_in_a_few_passes():
    chain = "".join(f"{{% set v{index} = v{index - 1} %}}" for index in range(1, 2500))
    source = "{% set v0 = v2499 %}" + chain + "{{ messages[0].content.replace(v2499, v3) }}"
    assert find_changes(source) == []
