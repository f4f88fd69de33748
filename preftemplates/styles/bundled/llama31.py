"""Llama 3.1 to 3.3: the layout of Llama 3 with a system turn that always begins with two dates.

Source: the chat templates of Meta's Llama 3.1, 3.2 and 3.3; the template below is our own text, the models are under
the Llama Community Licenses. The date is 26 July 2024, as in the template of 3.1; that of 3.2 writes today's date,
which training texts should not contain. The style writes the BOS and trims contents. A turn calls one tool and has no
text next to the call, which the templates would drop; arguments that are a string are taken as JSON and written
unchanged. Results are rejected, since the templates escape them as JSON, and so is the list of tools.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("llama3.1", aliases=["llama3.2", "llama3.3", "llama3.1-instruct"])
class Llama31(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but(calls=True) + (
        "{%- for message in messages -%}"
        "{%- if message.tool_calls and (message.content or message.tool_calls | length > 1) -%}"
        "{{- raise_exception('a turn has one call of a tool, and nothing beside it') -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
        "{{- bos_token + '<|start_header_id|>system<|end_header_id|>\n\n' -}}"
        "{{- 'Cutting Knowledge Date: December 2023\nToday Date: ' + date_string + '\n\n' -}}"
        "{%- if first -%}{{- messages[0].content | trim -}}{%- endif -%}"
        "{{- '<|eot_id|>' -}}"
        "{%- for message in messages[first:] -%}"
        "{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' -}}"
        "{%- if message.tool_calls -%}"
        "{%- set call = message.tool_calls[0] -%}"
        "{%- set call = call.function if call.function else call -%}"
        "{%- if call.name is not string -%}{{- raise_exception('a tool call has a name') -}}{%- endif -%}"
        "{%- generation -%}"
        '{{- \'{"name": "\' + call.name + \'", "parameters": \' -}}'
        "{{- call.arguments if call.arguments is string else call.arguments | tojson -}}"
        "{{- '}<|eot_id|>' -}}"
        "{%- endgeneration -%}"
        "{%- elif message.role == 'assistant' -%}"
        "{%- generation -%}{{- message.content | trim + '<|eot_id|>' -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- message.content | trim + '<|eot_id|>' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}"
        "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}"
        "{%- endif -%}"
    )
    bos_token = "<|begin_of_text|>"
    eos_token = "<|eot_id|>"
    defaults = {"date_string": "26 Jul 2024"}
