"""Mistral: [INST] question [/INST] answer </s>; five versions, which differ in spaces and in the system text's place.

Source: the chat templates of Mistral AI's models, and the versions by the names of its package mistral-common; the
layouts below are our own text, the models are under Apache-2.0 or the Mistral Research License. The styles write the
BOS. They have no generation prompt: an answer follows its question, with or without a space.

Versions 1 to 3 reject roles out of turn. Version 1 has the system text in the first question. Version 3 has it in the
last one, so that earlier text changes as a conversation continues. The style therefore rejects a system text if there
are several questions, and also the list of tools, which comes before that question. Version 7 has a marker for the
system text, and writes no default one.

Tools, calls and results are those of version 3; the other versions reject them. An id has nine characters, and a turn
with calls has no text next to them, which the templates would drop.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import ARGUMENTS, EACH_CALL, ONLY_FUNCTIONS, refuse_all_but

OPENING = (
    "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
    "{%- if first and messages | length == 1 -%}"
    "{{- raise_exception('the system text stands in a question, and there is none') -}}"
    "{%- endif -%}"
)
IN_ONE_QUESTION = (
    "{%- set questions = messages | selectattr('role', 'equalto', 'user') | list -%}"
    "{%- if (first or tools) and questions | length != 1 -%}"
    "{{- raise_exception('system text and tools would move to the last question; give one question, or none') -}}"
    "{%- endif -%}"
)
TOOLS = (
    "{%- if tools -%}"
    "{{- '[AVAILABLE_TOOLS]' + blank + '[' -}}"
    "{%- for tool in tools -%}"
    '{{- \'{"type": "function", "function": \' + tool.function | tojson + \'}\' -}}'
    "{{- '' if loop.last else ', ' -}}"
    "{%- endfor -%}"
    "{{- '][/AVAILABLE_TOOLS]' -}}"
    "{%- endif -%}"
)
CALLS_AND_RESULTS = (
    "{%- elif message.tool_calls -%}"
    "{%- if message.content -%}{{- raise_exception('a turn calls tools or says something') -}}{%- endif -%}"
    "{%- generation -%}"
    "{{- '[TOOL_CALLS]' + blank + '[' -}}" + EACH_CALL + "{%- if call.id is not string or call.id | length != 9 -%}"
    "{{- raise_exception('a tool call has an id of nine characters') -}}"
    "{%- endif -%}"
    '{{- \'{"name": "\' + asked.name + \'", "arguments": \' + ' + ARGUMENTS + " -}}"
    "{{- ', \"id\": \"' + call.id + '\"}' -}}"
    "{{- '' if loop.last else ', ' -}}"
    "{%- endfor -%}"
    "{{- ']' + eos_token -}}"
    "{%- endgeneration -%}"
    "{%- elif message.role == 'tool' -%}"
    "{%- if message.tool_call_id is not string or message.tool_call_id | length != 9 -%}"
    "{{- raise_exception('a result names the call that it answers, by tool_call_id of nine characters') -}}"
    "{%- endif -%}"
    "{{- '[TOOL_RESULTS]' + blank + '{\"content\": ' + message.content -}}"
    "{{- ', \"call_id\": \"' + message.tool_call_id + '\"}[/TOOL_RESULTS]' -}}"
)
TURNS = (
    "{{- bos_token -}}"
    "{%- set taken = namespace(turns=0) -%}"
    "{%- for message in messages[first:] -%}"
    "{%- if message.role != 'tool' and not message.tool_calls -%}"
    "{%- if message.role != ['user', 'assistant'][taken.turns % 2] -%}"
    "{{- raise_exception('behind an optional system turn, user and assistant take turns') -}}"
    "{%- endif -%}"
    "{%- set taken.turns = taken.turns + 1 -%}"
    "{%- endif -%}"
    "{%- if message.role == 'user' -%}"
    "TOOLS{{- begin_question -}}"
    "{%- if first and taken.turns == 1 -%}{{- messages[0].content + '\n\n' -}}{%- endif -%}"
    "{{- message.content + end_question -}}"
    "CALLS{%- elif message.role == 'assistant' -%}"
    "{%- generation -%}{{- begin_answer + ANSWER + eos_token -}}{%- endgeneration -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
)
WITH_TOOLS = ONLY_FUNCTIONS + IN_ONE_QUESTION + TURNS.replace("TOOLS", TOOLS, 1).replace("CALLS", CALLS_AND_RESULTS, 1)
WITHOUT_TOOLS = TURNS.replace("TOOLS", "").replace("CALLS", "")


@register_style("mistral-v1", aliases=["mistral-v0.2"])
class MistralV1(Style):
    """Mistral version 1, as in the template of Mistral 7B Instruct v0.2: spaces around every marker."""

    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + OPENING + WITHOUT_TOOLS.replace("ANSWER", "message.content")
    bos_token = "<s>"
    eos_token = "</s>"
    defaults = {
        "begin_question": " [INST] ",
        "end_question": " [/INST]",
        "begin_answer": " ",
    }


@register_style("mistral-v3", aliases=["mistral", "mistral-v2", "mistral-v0.3", "mistral-v2v3"])
class MistralV3(Style):
    """Mistral versions 2 and 3, as in Mistral 7B Instruct v0.3: no space before a marker; answers are trimmed."""

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = (
        refuse_all_but(tools=True, calls=True) + OPENING + WITH_TOOLS.replace("ANSWER", "message.content | trim")
    )
    bos_token = "<s>"
    eos_token = "</s>"
    defaults = {
        "begin_question": "[INST] ",
        "end_question": "[/INST]",
        "begin_answer": " ",
        "blank": " ",
    }


@register_style("mistral-v3-tekken", aliases=["mistral-nemo"])
class MistralV3Tekken(Style):
    """Mistral version 3 with the tekken tokenizer, as in Mistral Nemo: no spaces at all."""

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(tools=True, calls=True) + OPENING + WITH_TOOLS.replace("ANSWER", "message.content")
    bos_token = "<s>"
    eos_token = "</s>"
    defaults = {
        "begin_question": "[INST]",
        "end_question": "[/INST]",
        "begin_answer": "",
        "blank": "",
    }


@register_style("mistral-v7", aliases=["mistral-large-2411"])
class MistralV7(Style):
    """Mistral version 7, as in Mistral Large 2411: the system text between markers, and a space after a marker."""

    opening = "<s>"
    system = "[SYSTEM_PROMPT] {{ content }}[/SYSTEM_PROMPT]"
    user = "[INST] {{ content }}[/INST]"
    assistant = " {{ content }}</s>"
    stop = "</s>"


@register_style("mistral-v7-tekken")
class MistralV7Tekken(Style):
    """Mistral version 7 with the tekken tokenizer, as in Mistral Small 3: the layout of version 7 without spaces."""

    opening = "<s>"
    system = "[SYSTEM_PROMPT]{{ content }}[/SYSTEM_PROMPT]"
    user = "[INST]{{ content }}[/INST]"
    assistant = "{{ content }}</s>"
    stop = "</s>"
