"""DeepSeek: marks with full-width bars for the user and the assistant; the system text has none.

Source: the chat templates of DeepSeek's V2 Chat (0628), V3 and R1; the layouts below are our own text, the models are
under the DeepSeek License (V2, V3) and MIT (R1). The styles write the BOS. V3 and R1 take one system text, at the
beginning, and refuse tools and their calls.
"""

from preftemplates.refusals import THOUGHT, refuse_all_but
from preftemplates.style import Style, register_style

TURNS = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'system' and loop.first -%}"
    "{{- message.content -}}"
    "{%- elif message.role == 'user' -%}"
    "{{- '<｜User｜>' + message.content -}}"
    "{%- elif message.role == 'assistant' -%}"
    "{{- '<｜Assistant｜>' -}}"
    "{%- generation -%}THINKING{{- message.content + eos_token -}}{%- endgeneration -%}"
    "{%- else -%}"
    "{{- raise_exception('this layout has no turn here for the role ' + message.role) -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<｜Assistant｜>' -}}{%- endif -%}"
)
THINKING = f"{{%- if {THOUGHT} -%}}{{{{- '<think>\n' + {THOUGHT} + '\n</think>\n\n' -}}}}{{%- endif -%}}"


@register_style("deepseek-v2")
class DeepSeekV2(Style):
    """DeepSeek V2: a blank line behind the system text."""

    opening = "<｜begin▁of▁sentence｜>"
    system = "{{ content }}\n\n"
    user = "<｜User｜>{{ content }}"
    assistant = "<｜Assistant｜>{{ content }}<｜end▁of▁sentence｜>"
    stop = "<｜end▁of▁sentence｜>"


@register_style("deepseek-v3")
class DeepSeekV3(Style):
    """DeepSeek V3: nothing behind the system text."""

    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + TURNS.replace("THINKING", "")
    bos_token = "<｜begin▁of▁sentence｜>"
    eos_token = "<｜end▁of▁sentence｜>"


@register_style("deepseek-r1")
class DeepSeekR1(Style):
    """DeepSeek R1: V3 with thinking, between <think> and </think> in front of the answer; history loses it.

    Whether an answer begins with its thinking is the answer's own, so the generation prompt holds no <think>.
    """

    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but(thinking=True) + TURNS.replace("THINKING", THINKING)
    bos_token = "<｜begin▁of▁sentence｜>"
    eos_token = "<｜end▁of▁sentence｜>"
    reasoning = "drop-history"
