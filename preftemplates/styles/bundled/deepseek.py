"""DeepSeek: markers with full-width bars for the user and the assistant; the system text has no marker.

Source: the chat templates of DeepSeek's V2 Chat (0628), V3 and R1; the layouts below are our own text, the models are
under the DeepSeek License (V2, V3) and MIT (R1). The styles write the BOS. V3 and R1 accept one system text at the
beginning, and tool calls with their results, but no list of tools. An answer to a result has no marker, so its
generation prompt has none either. Those templates open and close only the first turn with calls, or none; the styles
open and close each.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import ARGUMENTS, EACH_CALL, KEEPS_THOUGHT, THOUGHT, refuse_all_but

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
    "ANSWER" + EACH_CALL + "{{- '<｜tool▁calls▁begin｜>' if loop.first else '\n' -}}"
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
ANSWER = "{{- message.content or '' -}}"
LAST_QUESTION = (
    "{%- set last = namespace(question=-1) -%}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'user' -%}{%- set last.question = loop.index0 -%}{%- endif -%}"
    "{%- endfor -%}"
)
ANSWER_WITH_THINKING = (
    "{%- set content = message.content or '' -%}"
    f"{{%- if {KEEPS_THOUGHT} -%}}"
    f"{{%- if {THOUGHT} -%}}{{{{- '<think>\n' + {THOUGHT} + '\n</think>\n\n' -}}}}{{%- endif -%}}"
    "{%- elif preftemplates_reasoning == 'drop'"
    " or not (message.tool_calls or loop.previtem is defined and loop.previtem.role == 'tool') -%}"
    "{%- set parts = content.split('</think>') -%}"
    "{%- set opened = parts[0].split('<think>') -%}"
    "{%- if parts | length > 2 or parts | length > 1 and opened | length > 1 and opened[0].strip() -%}"
    "{{- raise_exception('a content has one thought, at its beginning') -}}"
    "{%- endif -%}"
    "{%- set content = parts[-1] -%}"
    "{%- endif -%}"
    "{{- content -}}"
)


@register_style("deepseek-v2")
class DeepSeekV2(Style):
    """DeepSeek V2: a blank line after the system text."""

    opening = "<｜begin▁of▁sentence｜>"
    system = "{{ content }}\n\n"
    user = "<｜User｜>{{ content }}"
    assistant = "<｜Assistant｜>{{ content }}<｜end▁of▁sentence｜>"
    stop = "<｜end▁of▁sentence｜>"


@register_style("deepseek-v3", aliases=["deepseek3"])
class DeepSeekV3(Style):
    """DeepSeek V3: nothing after the system text."""

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(calls=True) + TURNS.replace("ANSWER", ANSWER)
    bos_token = "<｜begin▁of▁sentence｜>"
    eos_token = "<｜end▁of▁sentence｜>"
    defaults = {"between_results": "\n"}


@register_style("deepseek-r1")
class DeepSeekR1(Style):
    """DeepSeek R1: V3 with thinking between <think> and </think> before the answer; history drops it.

    The real template also drops the thinking of the last answer; the style keeps it, so that it can be trained on. In
    history, both keep the thinking in a content before a call and in an answer to a result. An answer may begin with
    thinking or not, so the generation prompt does not contain <think>.
    """

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = (
        refuse_all_but(calls=True, thinking=True) + LAST_QUESTION + TURNS.replace("ANSWER", ANSWER_WITH_THINKING)
    )
    bos_token = "<｜begin▁of▁sentence｜>"
    eos_token = "<｜end▁of▁sentence｜>"
    defaults = {"between_results": ""}
    reasoning = "drop-history"
