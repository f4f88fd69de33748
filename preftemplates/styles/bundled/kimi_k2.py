"""Kimi K2: a token per role, the role's name and <|im_middle|>; <|im_end|> ends each turn.

Source: the chat template of Moonshot AI's Kimi-K2-Instruct (modified MIT). The template below is our own. A
conversation without a system turn gets the model's own, followed by a newline that other turns lack. The list of tools
(`tools`) comes first. A call has an id such as `functions.water:0`, which its result also names; the function's name
is not written next to it. Arguments that are a string are taken as JSON and written unchanged. A message's `name`
replaces the name of its role.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("kimi-k2")
class KimiK2(Style):
    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(tools=True, calls=True) + (
        "{%- if tools -%}"
        "{{- '<|im_system|>tool_declare<|im_middle|>' + tools | tojson(separators=(',', ':')) + '<|im_end|>' -}}"
        "{%- endif -%}"
        "{%- if not messages or messages[0]['role'] != 'system' -%}{{- without_system -}}{%- endif -%}"
        "{%- for message in messages -%}"
        "{%- set calls = message['tool_calls'] or [] -%}"
        "{%- if message['role'] == 'tool' and message['tool_call_id'] is not string -%}"
        "{{- raise_exception('a result names the call that it answers, by tool_call_id') -}}"
        "{%- endif -%}"
        "{{- heads[message['role']] + (message['name'] or message['role']) + '<|im_middle|>' -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}"
        "{{- message['content'] or '' -}}"
        "{%- for call in calls -%}"
        "{%- set asked = call.function if call.function else call -%}"
        "{%- if call.id is not string -%}{{- raise_exception('a tool call has an id') -}}{%- endif -%}"
        "{%- if loop.first -%}{{- '<|tool_calls_section_begin|>' -}}{%- endif -%}"
        "{{- '<|tool_call_begin|>' + call.id + '<|tool_call_argument_begin|>' -}}"
        "{{- asked.arguments if asked.arguments is string else asked.arguments | tojson -}}"
        "{{- '<|tool_call_end|>' -}}"
        "{%- if loop.last -%}{{- '<|tool_calls_section_end|>' -}}{%- endif -%}"
        "{%- endfor -%}"
        "{{- '<|im_end|>' -}}"
        "{%- endgeneration -%}"
        "{%- elif message['role'] == 'tool' -%}"
        "{{- '## Return of ' + message['tool_call_id'] + '\n' + message['content'] + '<|im_end|>' -}}"
        "{%- else -%}"
        "{{- message['content'] + '<|im_end|>' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] + 'assistant<|im_middle|>' -}}{%- endif -%}"
    )
    defaults = {
        "heads": {
            "system": "<|im_system|>",
            "user": "<|im_user|>",
            "assistant": "<|im_assistant|>",
            "tool": "<|im_system|>",
        },
        "without_system": (
            "<|im_system|>system<|im_middle|>You are Kimi, an AI assistant created by Moonshot AI.<|im_end|>\n"
        ),
    }
