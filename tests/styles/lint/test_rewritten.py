"""What is printed otherwise is found: by role, by end, and where the provenance of the texts says so."""

from collections import defaultdict

from real_templates import real_templates
from style_faults import FAITHFUL, PRINT, import_layout, list_codes

from preftemplates import Style
from preftemplates.styles.lint.check import find_findings
from preftemplates.styles.lint.conversations import TWO_TURNS, make_turn


def test_trimming_is_told_for_each_role_and_end():
    source = FAITHFUL.replace(PRINT, "{{ m.content.lstrip() if m.role == 'user' else m.content.rstrip('\n') }}")
    messages = {finding.role: finding.message for finding in find_findings(import_layout(source))}
    assert messages == {
        "system": "whitespace at the end of a content of the role system is not printed",
        "user": "whitespace at the start of a content of the role user is not printed",
        "assistant": "whitespace at the end of an answer is not printed",
    }


def test_a_line_end_of_the_styles_own_does_not_hide_that_one_is_trimmed():
    source = FAITHFUL.replace("<|{{ m.role }}|>", "<|{{ m.role }}|>{{ '\\n' }}").replace(
        "<|end|>{% endfor %}", "\\n<|end|>{% endfor %}"
    )
    assert "trims_content" not in list_codes(import_layout(source))
    for trimmed in ("m.content.lstrip('\\n')", "m.content.rstrip('\\n')"):
        assert "trims_content" in list_codes(import_layout(source.replace(PRINT, f"{{{{ {trimmed} }}}}")))


def test_what_is_trimmed_and_dropped_is_what_the_provenance_of_the_texts_says():
    """The check compares texts, and knows nothing of the way on which a content went through the template."""
    padded = [
        [make_turn(m["role"], f"{a}{m['content']}{b}") for m in TWO_TURNS] for a, b in (("\n ", " \n"), (" \n", "\n "))
    ]
    differing = []
    for name, source in list(real_templates().items())[::7]:
        layout = import_layout(source)
        findings = find_findings(layout)
        if {"refuses_conversation", "prints_undefined"} & {str(finding.code) for finding in findings}:
            continue
        changes = [change for messages in padded for change in layout.render(messages, False).changes]
        trimmed = {change.role for change in changes if change.what == "trimmed"}
        dropped = {change.role for change in changes if change.what == "dropped"}
        roles_by_code = defaultdict(set)
        for finding in findings:
            roles_by_code[str(finding.code)].add(finding.role)
        if not trimmed <= roles_by_code["trims_content"] <= trimmed | {"system"}:
            differing.append((name, "trims", trimmed, roles_by_code["trims_content"]))
        if dropped != roles_by_code["drops_answer"] | (roles_by_code["drops_message"] & {"user"}):
            differing.append((name, "drops", dropped, roles_by_code["drops_message"]))
    assert differing == []


def test_a_system_message_in_the_users_turn_is_merged_and_one_in_a_turn_of_its_own_is_not():
    merged = (
        "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}<|{{ m.role }}|>"
        "{% if loop.index0 == 1 and messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}"
        "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    assert [f.role for f in find_findings(import_layout(merged)) if f.code == "merges_roles"] == ["system"]
    assert "merges_roles" not in list_codes(import_layout(FAITHFUL))


def test_a_special_token_that_is_not_given_is_told_and_the_rest_is_checked_with_a_made_up_one():
    source = FAITHFUL.replace("{% if tools %}", "{{ eos_token }}\n{{ bos_token }}{% if tools %}", 1)
    source = source.replace(PRINT, "{{ m.content | trim }}")
    findings = find_findings(Style.from_chat_template(source).layout)
    undefined = [(f.line, f.field) for f in findings if f.code == "prints_undefined"]
    assert undefined == [(1, "eos_token"), (2, "bos_token")]
    assert {f.code for f in findings} == {"prints_undefined", "trims_content"}
    assert {f.code for f in find_findings(import_layout(source))} == {"trims_content"}
