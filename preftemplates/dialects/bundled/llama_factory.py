"""LLaMA-Factory: its two layouts, alpaca (instruction, input, output) and sharegpt (conversations).

Keys: LLaMA-Factory's data/README.md. The configuration is the entry in dataset_info.json by which LLaMA-Factory finds
the file; the run's YAML holds all other settings. LLaMA-Factory 0.9.5 reads supervised rows at stage sft, preference
rows at stages rm and dpo, and unpaired rows at stage kto; it has no column for a margin. Media are lists under images,
videos and audios, with `<image>`, `<video>` and `<audio>` in their places in the texts; both answers of a pair get the
same ones. At stage kto it combines a prompt and the media of its row with the answer of another row, so these answers
have no media.
"""

from typing import Any

from preftemplates import ConsumerConfig, Dialect, fixed, register_dialect

ENTRY = """\
{
  {{ name | tojson }}: {
    "file_name": {{ rows_nearby | tojson }},
    "formatting": "FORMATTING",
{% if format == "preference" %}
    "ranking": true,
{% endif %}
    "columns": {
COLUMNS    }
  }
}
"""
STYLE_NOTE = (
    "LLaMA-Factory uses the chat template in the model's folder only if the run has no `template`: put"
    " chat_template.jinja there and leave `template` out. If the style has a BOS, the tokenizer itself must add it"
)


def configure(formatting: str, columns: str) -> ConsumerConfig:
    """Return a configuration with an entry for each dataset type that LLaMA-Factory trains on."""
    entry = ENTRY.replace("FORMATTING", formatting).replace("COLUMNS", columns)
    formats = dict.fromkeys(("supervised", "preference", "unpaired"), entry)
    return ConsumerConfig(".json", formats, STYLE_NOTE, row_suffixes=(".jsonl", ".json", ".parquet"))


ALPACA_COLUMNS = """\
{% for kind in ("images", "videos", "audios") if kind in keys %}
      "{{ kind }}": "{{ kind }}",
{% endfor %}
      "prompt": "instruction",
      "query": "input",
      "system": "system",
      "history": "history",
{% if format == "preference" %}
      "chosen": "chosen",
      "rejected": "rejected"
{% elif format == "unpaired" %}
      "kto_tag": "kto_tag",
      "response": "output"
{% else %}
      "response": "output"
{% endif %}
"""
SHAREGPT_COLUMNS = """\
{% for kind in ("images", "videos", "audios") if kind in keys %}
      "{{ kind }}": "{{ kind }}",
{% endfor %}
      "messages": "conversations"
{%- if format == "preference" %},
      "chosen": "chosen",
      "rejected": "rejected"
{%- elif format == "unpaired" %},
      "kto_tag": "kto_tag"
{%- endif %}
{%- if "tools" in keys %},
      "tools": "tools"
{%- endif +%}
"""
ASKED: dict[str, Any] = {
    "instruction": "prompt.question",
    "input": fixed(""),
    "system": "prompt.system",
    "history": "prompt.history",
}
"""The prompt in the alpaca layout: the last question, and the turns before it."""


def make_media_keys(messages: str) -> dict[str, str]:
    """Return the keys of the media in some messages, one list per kind."""
    return {kind: f"{messages}.{kind}?" for kind in ("images", "videos", "audios")}


@register_dialect("llama-factory-alpaca")
class LLaMAFactoryAlpaca(Dialect):
    """LLaMA-Factory's alpaca layout: texts without a style, with the last question apart from the turns before it."""

    config = configure("alpaca", ALPACA_COLUMNS)
    media = "marks"
    prompt_only = {**ASKED, **make_media_keys("prompt")}
    supervised = {**ASKED, "output": "completion.content", **make_media_keys("prompt+completion")}
    preference = {
        **ASKED,
        "chosen": "chosen.content",
        "rejected": "rejected.content",
        **make_media_keys("prompt+chosen"),
    }
    unpaired = {**ASKED, "output": "completion.content", "kto_tag": "label", **make_media_keys("prompt")}
    judge = supervised


@register_dialect("llama-factory-sharegpt", aliases=["llama-factory", "llamafactory"])
class LLaMAFactoryShareGPT(Dialect):
    """LLaMA-Factory's sharegpt layout: conversations with from and value, each answer one message.

    LLaMA-Factory writes tools and calls with its own formatter, not with the chat template. It leaves out rows whose
    turns do not alternate, so such rows are rejected.
    """

    role_key = "from"
    content_key = "value"
    roles = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    calls_role = "function_call"
    media = "marks"
    config = configure("sharegpt", SHAREGPT_COLUMNS)
    prompt_only = {"conversations": "prompt.asking", "tools": "tools?", **make_media_keys("prompt")}
    supervised = {
        "conversations": "prompt+completion.answering",
        "tools": "tools?",
        **make_media_keys("prompt+completion"),
    }
    preference = {
        "conversations": "prompt.asking",
        "chosen": "chosen.message",
        "rejected": "rejected.message",
        "tools": "tools?",
        **make_media_keys("prompt+chosen"),
    }
    unpaired = {
        "conversations": "prompt+completion.answering",
        "kto_tag": "label",
        "tools": "tools?",
        **make_media_keys("prompt"),
    }
    judge = supervised
