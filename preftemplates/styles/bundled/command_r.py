"""Command R: a start token and a role token before each turn, an end token after it; user and assistant alternate.

Source: the chat template of Cohere's Command R and Aya (CC-BY-NC-4.0), in the form without a default system text. The
template below is our own. Like that template, the style writes the BOS, trims all contents except the system text, and
rejects turns out of order.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("command-r", aliases=["command-r-plus", "cohere", "aya"])
class CommandR(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{{- bos_token -}}"
        "{%- set first = 1 if messages and messages[0]['role'] == 'system' else 0 -%}"
        "{%- for message in messages -%}"
        "{%- if loop.index0 < first -%}"
        "{{- heads['system'] + message['content'] + eos_token -}}"
        "{%- elif message['role'] != ['user', 'assistant'][(loop.index0 - first) % 2] -%}"
        "{{- raise_exception('behind a system turn, user and assistant take turns') -}}"
        "{%- elif message['role'] == 'assistant' -%}"
        "{{- heads['assistant'] -}}"
        "{%- generation -%}{{- message['content'] | trim + eos_token -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- heads['user'] + message['content'] | trim + eos_token -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    bos_token = "<BOS_TOKEN>"
    eos_token = "<|END_OF_TURN_TOKEN|>"
    defaults = {
        "heads": {
            "system": "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>",
            "user": "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>",
            "assistant": "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        },
    }
