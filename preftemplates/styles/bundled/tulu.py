"""Tulu 3, OLMo 2 and Falcon 3: <|role|> on a line of its own, and no newline after the last answer.

Source: the chat templates of Ai2's Llama-3.1-Tulu-3-8B-SFT (Llama 3.1 Community License) and OLMo 2 (Apache-2.0; that
of OLMoE-1B-7B-0125-Instruct is the same), and of TII's Falcon3-7B-Instruct (Falcon LLM License 2.0) without its tools.
The template below is our own. Those templates leave out other roles; the styles reject them. In a generation prompt
after an answer, those templates leave out the newline between the two; the styles write it.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("tulu", aliases=["tulu3"])
class Tulu(Style):
    """Tulu 3: <|role|> on a line of its own; the style writes no BOS, since Llama's tokenizer adds it."""

    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{{- bos_token -}}"
        "{%- for message in messages -%}"
        "{{- heads[message['role']] -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}{{- message['content'] + eos_token -}}{%- endgeneration -%}"
        "{%- if not loop.last or add_generation_prompt -%}{{- '\n' -}}{%- endif -%}"
        "{%- else -%}"
        "{{- message['content'] + '\n' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    bos_token = ""
    eos_token = "<|end_of_text|>"
    defaults = {
        "heads": {"system": "<|system|>\n", "user": "<|user|>\n", "assistant": "<|assistant|>\n"},
    }


@register_style("olmo2")
class Olmo2(Tulu):
    """OLMo 2: the layout of Tulu 3; the tokenizer adds no BOS, so the style writes it."""

    bos_token = "<|endoftext|>"
    eos_token = "<|endoftext|>"


@register_style("falcon3")
class Falcon3(Tulu):
    """Falcon 3: the layout of Tulu 3; there is no BOS."""

    eos_token = "<|endoftext|>"
