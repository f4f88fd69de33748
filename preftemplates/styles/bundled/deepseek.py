"""DeepSeek: marks with full-width bars for the user and the assistant; the system text has none.

Source: the chat templates of DeepSeek's V2 Chat (0628), V3 and R1; the layouts below are our own text, the models are
under the DeepSeek License (V2, V3) and MIT (R1). The styles write the BOS. V3 and R1 take one system text, at the
beginning, and calls of tools with their results; the list of tools has no place. An answer to a result has no mark, so
none is asked for with one. Those templates open and close the first turn with calls only, or none; the styles do so
with each.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import ARGUMENTS, EACH_CALL, THOUGHT, refuse_all_but

TURNS = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'system' and loop.first -%}"
    "{{- message.content -}}"
    "{%- elif message.role == 'user' -%}"
    "{{- '<｜User｜>' + message.content -}}"
    "{%- elif message.role == 'assistant' -%}"
    "{%- if loop.previtem is not defined or loop.previtem.role != 'tool' -%}{{- '<｜Assistant｜>' -}}{%- endif -%}"
    "{%- generation -%}"
    "THINKING{{- message.content or '' -}}" + EACH_CALL + "{{- '<｜tool▁calls▁begin｜>' if loop.first else '\n' -}}"
    "{{- '<｜tool▁call▁begin｜>' + (call.type or 'function') + '<｜tool▁sep｜>' + asked.name -}}"
    "{{- '\n```json\n' + " + ARGUMENTS + " + '\n```<｜tool▁call▁end｜>' -}}"
    "{{- '<｜tool▁calls▁end｜>' if loop.last -}}"
    "{%- endfor -%}"
    "{{- eos_token -}}"
    "{%- endgeneration -%}"
    "{%- elif message.role == 'tool' -%}"
    "{%- if loop.previtem is not defined or loop.previtem.role != 'tool' -%}"
    "{{- '<｜tool▁outputs▁begin｜>' -}}"
    "{%- else -%}"
    "{{- between_results -}}"
    "{%- endif -%}"
    "{{- '<｜tool▁output▁begin｜>' + message.content + '<｜tool▁output▁end｜>' -}}"
    "{%- if loop.nextitem is not defined or loop.nextitem.role != 'tool' -%}"
    "{{- '<｜tool▁outputs▁end｜>' -}}"
    "{%- endif -%}"
    "{%- else -%}"
    "{{- raise_exception('this layout has no turn here for the role ' + message.role) -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt and (not messages or messages[-1].role != 'tool') -%}"
    "{{- '<｜Assistant｜>' -}}"
    "{%- endif -%}"
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


@register_style("deepseek-v3", aliases=["deepseek3"])
class DeepSeekV3(Style):
    """DeepSeek V3: nothing behind the system text."""

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(calls=True) + TURNS.replace("THINKING", "")
    bos_token = "<｜begin▁of▁sentence｜>"
    eos_token = "<｜end▁of▁sentence｜>"
    defaults = {"between_results": "\n"}


@register_style("deepseek-r1")
class DeepSeekR1(Style):
    """DeepSeek R1: V3 with thinking, between <think> and </think> in front of the answer; history loses it.

    Whether an answer begins with its thinking is the answer's own, so the generation prompt holds no <think>.
    """

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(calls=True, thinking=True) + TURNS.replace("THINKING", THINKING)
    bos_token = "<｜begin▁of▁sentence｜>"
    eos_token = "<｜end▁of▁sentence｜>"
    defaults = {"between_results": ""}
    reasoning = "drop-history"
