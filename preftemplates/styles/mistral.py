"""Mistral: [INST] question [/INST] answer </s>, in five versions that differ in blanks and in the system text's place.

Source: the chat templates of Mistral AI's models, and the versions by the names of its package mistral-common; the
layouts below are our own text, the models are under Apache-2.0 or the Mistral Research License. The styles write the
BOS. There is no generation prompt: an answer follows its question, behind a blank or nothing.

Versions 1 to 3 refuse roles out of turn, tools and their calls. Version 1 has the system text in the first question.
Version 3 has it in the last one, so that earlier text changes as a conversation goes on; here it is refused where
there are several questions. Version 7 has a mark of its own for it, and writes no system text unasked.
"""

from preftemplates.refusals import refuse_all_but
from preftemplates.style import Style, register_style

OPENING = refuse_all_but() + (
    "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
    "{%- if first and messages | length == 1 -%}"
    "{{- raise_exception('the system text stands in a question, and there is none') -}}"
    "{%- endif -%}"
)
IN_ONE_QUESTION = (
    "{%- if first and messages | length > 3 -%}"
    "{{- raise_exception('the system text would move to the last question; give one question, or none') -}}"
    "{%- endif -%}"
)
TURNS = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{%- set turn = loop.index0 - first -%}"
    "{%- if turn >= 0 and message.role != ['user', 'assistant'][turn % 2] -%}"
    "{{- raise_exception('behind an optional system turn, user and assistant take turns') -}}"
    "{%- elif message.role == 'user' -%}"
    "{{- begin_question -}}"
    "{%- if first and turn == 0 -%}{{- messages[0].content + '\n\n' -}}{%- endif -%}"
    "{{- message.content + end_question -}}"
    "{%- elif message.role == 'assistant' -%}"
    "{%- generation -%}{{- begin_answer + ANSWER + eos_token -}}{%- endgeneration -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
)
WHOLE = TURNS.replace("ANSWER", "message.content")
TRIMMED = TURNS.replace("ANSWER", "message.content | trim")


@register_style("mistral-v1")
class MistralV1(Style):
    """Mistral version 1, as the template of Mistral 7B Instruct v0.2 writes it: blanks around every mark."""

    accepted_roles = ("system", "user", "assistant")
    chat_template = OPENING + WHOLE
    bos_token = "<s>"
    eos_token = "</s>"
    defaults = {
        "begin_question": " [INST] ",
        "end_question": " [/INST]",
        "begin_answer": " ",
    }


@register_style("mistral-v3", aliases=["mistral-v2"])
class MistralV3(Style):
    """Mistral versions 2 and 3, as of Mistral 7B Instruct v0.3: no blank in front of a mark; answers are trimmed."""

    accepted_roles = ("system", "user", "assistant")
    chat_template = OPENING + IN_ONE_QUESTION + TRIMMED
    bos_token = "<s>"
    eos_token = "</s>"
    defaults = {
        "begin_question": "[INST] ",
        "end_question": "[/INST]",
        "begin_answer": " ",
    }


@register_style("mistral-v3-tekken")
class MistralV3Tekken(Style):
    """Mistral version 3 with the tekken tokenizer, as of Mistral Nemo: no blanks at all."""

    accepted_roles = ("system", "user", "assistant")
    chat_template = OPENING + IN_ONE_QUESTION + WHOLE
    bos_token = "<s>"
    eos_token = "</s>"
    defaults = {
        "begin_question": "[INST]",
        "end_question": "[/INST]",
        "begin_answer": "",
    }


@register_style("mistral-v7")
class MistralV7(Style):
    """Mistral version 7, as of Mistral Large 2411: the system text between marks, a blank behind a mark."""

    opening = "<s>"
    system = "[SYSTEM_PROMPT] {{ content }}[/SYSTEM_PROMPT]"
    user = "[INST] {{ content }}[/INST]"
    assistant = " {{ content }}</s>"
    stop = "</s>"


@register_style("mistral-v7-tekken")
class MistralV7Tekken(Style):
    """Mistral version 7 with the tekken tokenizer, as of Mistral Small 3: the same without blanks."""

    opening = "<s>"
    system = "[SYSTEM_PROMPT]{{ content }}[/SYSTEM_PROMPT]"
    user = "[INST]{{ content }}[/INST]"
    assistant = "{{ content }}</s>"
    stop = "</s>"
