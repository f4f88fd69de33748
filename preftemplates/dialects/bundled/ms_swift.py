"""ms-swift: whole conversations as messages with the rejected one next to them, or one question and answer as text.

Keys: ms-swift's documentation, "Custom dataset": messages, rejected_messages, label, tools, and solution, from which
its GRPO rewards read the answer. Media are lists under images, videos and audios, and under rejected_images and so on
for the rejected conversation, with `<image>`, `<video>` and `<audio>` in their places in the texts. Tools are the text
of a JSON list. The loader keeps no thinking next to the content.

ms-swift 4.6.0 reads supervised rows in `swift sft`. `swift rlhf` reads preference rows as dpo and rm, unpaired rows
as kto and prompts as grpo. It renders messages with its own template for each model. With `template_backend: jinja` it
renders them with the tokenizer's chat template, but then also computes the loss on the prompt. That cancels out in
DPO's pairs and does not affect a reward model. Text with `use_chat_template: false` has the style's ids and a loss on
the answer alone.
"""

from preftemplates import ConsumerConfig, Dialect, TextConsumer, fixed, register_dialect

ARGUMENTS = """\
{% set method = {"supervised": "sft", "preference": "dpo", "unpaired": "kto", "prompt_only": "grpo"}[format] %}
# swift {{ "sft" if method == "sft" else "rlhf" }} {{ config }} --model MODEL --output_dir DIR
{% if method == "dpo" %}
# For a reward model, write rm instead of dpo.
{% elif method == "grpo" %}
# Name your rewards: --reward_funcs NAME
{% endif %}
dataset: {{ rows | tojson }}
{% if method != "sft" %}
rlhf_type: {{ method }}
{% endif %}
{% if method == "kto" %}
gradient_accumulation_steps: 16
{% endif %}
template: dummy
"""
TEXT = ARGUMENTS + "use_chat_template: false\n"
JINJA = (
    ARGUMENTS
    + """\
template_backend: jinja
{% if "tools" in keys %}
agent_template: hermes
{% endif %}
"""
)
LOSS_ON_PROMPTS = (
    "ms-swift also computes the loss on the prompt if it renders messages with the tokenizer's chat template"
)


ROW_SUFFIXES = (".jsonl", ".json", ".parquet")
"""The endings of files that ms-swift can load."""


def make_media_keys(messages: str, before: str = "") -> dict[str, str]:
    """Return the keys of the media that messages show."""
    return {f"{before}{kind}": f"{messages}.{kind}?" for kind in ("images", "videos", "audios")}


@register_dialect("ms-swift", aliases=["swift"])
class MSSwift(Dialect):
    """ms-swift's messages, which it renders with its own template or, for preferences, the tokenizer's."""

    config = ConsumerConfig(
        ".yaml",
        {"preference": JINJA},
        row_suffixes=ROW_SUFFIXES,
        style_note="ms-swift uses the chat template in the model's folder: put chat_template.jinja there",
        refusals=dict.fromkeys(
            ("supervised", "unpaired", "prompt_only"), f"{LOSS_ON_PROMPTS}; use the dialect ms-swift-text"
        ),
    )
    dropped = ("reasoning_content",)
    media = "marks"
    prompt_only = {
        "messages": "prompt.messages",
        "solution": "answer?",
        "tools": "tools?",
        **make_media_keys("prompt"),
    }
    supervised = {"messages": "prompt+completion.messages", "tools": "tools?", **make_media_keys("prompt+completion")}
    preference = {
        "messages": "prompt+chosen.messages",
        "rejected_messages": "prompt+rejected.messages",
        "margin": "margin?",
        "tools": "tools?",
        "rejected_tools": "tools?",
        **make_media_keys("prompt+chosen"),
        **make_media_keys("prompt+rejected", "rejected_"),
    }
    unpaired = {
        "messages": "prompt+completion.messages",
        "label": "label",
        "tools": "tools?",
        **make_media_keys("prompt"),  # KTO pairs a prompt, and the media of its row, with the answer of another row
    }
    judge = supervised


QUESTION = {"role": fixed("user"), "content": "prompt"}
"""A turn that holds the whole prompt as text."""


@register_dialect("ms-swift-text")
class MSSwiftText(Dialect):
    """ms-swift's messages with one question and one answer, which hold the style's text."""

    text_consumer = TextConsumer("ms-swift", "ms-swift", appends_eos="if absent")
    config = ConsumerConfig(
        ".yaml",
        dict.fromkeys(("supervised", "preference", "unpaired", "prompt_only"), TEXT),
        row_suffixes=ROW_SUFFIXES,
    )
    prompt_only = {"messages": [QUESTION], "solution": "answer?"}
    supervised = {"messages": [QUESTION, {"role": fixed("assistant"), "content": "completion"}]}
    preference = {
        "messages": [QUESTION, {"role": fixed("assistant"), "content": "chosen"}],
        "rejected_response": "rejected",
        "margin": "margin?",
    }
    unpaired = {**supervised, "label": "label"}
    judge = supervised
