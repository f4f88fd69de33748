"""A chat template that keeps everything, and the same with one planted fault for each code of finding."""

from preftemplates import Style
from preftemplates.styles.lint.check import find_findings

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
    "rewrites_reasoning": [(PRINT, "{{ m.content.split('<think>') | join('<thought>') }}")],
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
    "content_replaced": [(PRINT, "{{ m.content | replace('Friday', 'Monday') }}")],
    "content_cut": [(PRINT, "{{ m.content.split('Sources:')[0] }}")],
    "content_looked_up": [(PRINT, "{{ {'Agreed.': 'Refused.'}.get(m.content, m.content) }}")],
    "length_branch": [(PRINT, "{{ '(late) ' if messages | length > 30 }}{{ m.content }}")],
    "unknown_field": [(PRINT, "{{ m.content }}{% if m.conten %}!{% endif %}")],
    "hidden_characters": [("<|end|>", "<|e\u200bnd|>")],
}
"""By code, what is replaced in the faithful template so that it has this finding."""


def import_layout(source, **options):
    return Style.from_chat_template(source, bos_token="<s>", eos_token="</s>", **options).layout


def plant_fault(code):
    source = FAITHFUL
    for old, new in PLANTED[code]:
        assert source.count(old) >= 1, old
        source = source.replace(old, new)
    return source


def list_codes(layout):
    return [str(finding.code) for finding in find_findings(layout)]
