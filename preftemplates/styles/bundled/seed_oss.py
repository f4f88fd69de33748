"""Seed-OSS: each turn between <seed:bos> and <seed:eos>, with the role on the first line; answers are trimmed.

Source: the chat template of ByteDance Seed's Seed-OSS-36B-Instruct (Apache-2.0), without its tools and its budget for
thinking. The template below is our own. A message's `reasoning_content` is written between <seed:think> and
</seed:think>, in history too; thinking tags in a content are plain text. For an empty answer, that template writes
neither the newline after the role nor the end-of-turn token; this style writes both.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import THOUGHT, refuse_all_but


@register_style("seed-oss")
class SeedOss(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but(thinking=True) + (
        "{%- for message in messages -%}"
        "{{- heads[message['role']] -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}"
        "{%- if " + THOUGHT + " | trim -%}"
        "{{- '<seed:think>' + " + THOUGHT + " | trim + '</seed:think>\n' -}}"
        "{%- endif -%}"
        "{{- message['content'] | trim + eos_token -}}"
        "{%- endgeneration -%}"
        "{%- else -%}"
        "{{- message['content'] + eos_token -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    bos_token = "<seed:bos>"
    eos_token = "<seed:eos>"
    defaults = {
        "heads": {"system": "<seed:bos>system\n", "user": "<seed:bos>user\n", "assistant": "<seed:bos>assistant\n"},
    }
