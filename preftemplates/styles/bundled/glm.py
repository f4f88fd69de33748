"""ChatGLM 3 and GLM 4: the role as a token and the content on the next line; only the next role ends an answer.

Source: the chat templates of Zhipu AI's chatglm3-6b and glm-4-9b-chat (code Apache-2.0, weights under the GLM
licences). The template below is our own. The generation prompt is the assistant's role token alone: the model writes
the newline. The next role's token ends an answer, so the generation marks include it. Tools and the role observation
are left to the tokenizer's own template. That of glm-4-9b-chat leaves out an empty turn; the styles write it.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("chatglm3")
class ChatGLM3(Style):
    """ChatGLM 3: [gMASK]sop at the start, and a space before each content."""

    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{{- opening -}}"
        "{%- for message in messages -%}"
        "{%- if loop.previtem is not defined or loop.previtem['role'] != 'assistant' -%}"
        "{{- heads[message['role']] -}}"
        "{%- endif -%}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}"
        "{{- between + message['content'] + (heads[loop.nextitem['role']] if loop.nextitem is defined else '') -}}"
        "{%- endgeneration -%}"
        "{%- else -%}"
        "{{- between + message['content'] -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    defaults = {
        "heads": {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"},
        "opening": "[gMASK]sop",
        "between": "\n ",
    }


@register_style("glm4", aliases=["chatglm4"])
class GLM4(ChatGLM3):
    """GLM 4: [gMASK]<sop> at the start, and each content on a line of its own."""

    defaults = {
        "heads": {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"},
        "opening": "[gMASK]<sop>",
        "between": "\n",
    }
