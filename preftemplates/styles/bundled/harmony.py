"""Harmony, the layout of gpt-oss: answers in the channel final, the last answer's thinking in the channel analysis.

Source: OpenAI's description of the harmony format and the chat template of gpt-oss-120b (Apache-2.0), without its
lists of tools. The template below is our own. The system text becomes the developer's instructions. The original reads
the date from the clock; here it is fixed, so that a text is the same tomorrow: `current_date` is a variable, and so is
`reasoning_effort`. The last answer ends with <|return|>, earlier ones with <|end|> and without their thinking. A
generation prompt after an answer is rejected. A turn may call one tool, in the channel commentary, and think before
it. Results are rejected, since that template escapes them as JSON.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import ARGUMENTS, EACH_CALL, THOUGHT, refuse_all_but


@register_style("harmony", aliases=["gpt-oss"])
class Harmony(Style):
    accepted_roles = ("system", "developer", "user", "assistant")
    chat_template = refuse_all_but(calls=True, thinking=True) + (
        "{{- '<|start|>system<|message|>' + identity + '\nCurrent date: ' + current_date -}}"
        "{{- '\n\nReasoning: ' + reasoning_effort + '\n\n' + channels + '<|end|>' -}}"
        "{%- for message in messages -%}"
        "{%- set thought = " + THOUGHT + " -%}"
        "{%- if message['role'] == 'assistant' and ("
        "'<|channel|>analysis<|message|>' in (message['content'] or '') + thought"
        " or '<|channel|>final<|message|>' in (message['content'] or '') + thought) -%}"
        "{{- raise_exception('a channel is chosen by the layout and not in a text') -}}"
        "{%- elif message['role'] in ['system', 'developer'] and loop.first -%}"
        "{{- '<|start|>developer<|message|># Instructions\n\n' + message['content'] + '\n\n<|end|>' -}}"
        "{%- elif message['role'] == 'user' -%}"
        "{{- '<|start|>user<|message|>' + message['content'] + '<|end|>' -}}"
        "{%- elif message['role'] == 'assistant' and loop.last and add_generation_prompt -%}"
        "{{- raise_exception('an answer is asked for behind an answer') -}}"
        "{%- elif message['role'] == 'assistant' and message['tool_calls'] -%}"
        "{%- if thought and not loop.last -%}"
        "{{- raise_exception('thinking before a call is dropped from history, and this call is history') -}}"
        "{%- elif message['content'] or message['tool_calls'] | length > 1 -%}"
        "{{- raise_exception('a turn has one call of a tool, and nothing but thinking beside it') -}}"
        "{%- endif -%}"
        "{{- '<|start|>assistant' -}}"
        "{%- generation -%}"
        "{%- if thought -%}{{- analysis + thought + '<|end|><|start|>assistant' -}}{%- endif -%}"
        + EACH_CALL
        + "{{- ' to=functions.' + asked.name + '<|channel|>commentary json<|message|>' + "
        + ARGUMENTS
        + " -}}{%- endfor -%}"
        "{{- '<|call|>' -}}"
        "{%- endgeneration -%}"
        "{%- elif message['role'] == 'assistant' -%}"
        "{{- '<|start|>assistant' -}}"
        "{%- if loop.last -%}"
        "{%- generation -%}"
        "{%- if message['reasoning_content'] is string or message['thinking'] is string"
        " or message['reasoning'] is string -%}"
        "{{- analysis + thought + '<|end|><|start|>assistant' -}}"
        "{%- endif -%}"
        "{{- final + message['content'] + '<|return|>' -}}"
        "{%- endgeneration -%}"
        "{%- else -%}"
        "{%- generation -%}{{- final + message['content'] + '<|end|>' -}}{%- endgeneration -%}"
        "{%- endif -%}"
        "{%- else -%}"
        "{{- raise_exception('this layout has no turn there for the role ' + message['role']) -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '<|start|>assistant' -}}{%- endif -%}"
    )
    eos_token = "<|return|>"
    defaults = {
        "analysis": "<|channel|>analysis<|message|>",
        "final": "<|channel|>final<|message|>",
        "identity": "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06",
        "current_date": "2025-08-05",
        "reasoning_effort": "medium",
        "channels": "# Valid channels: analysis, commentary, final. Channel must be included for every message.",
    }
