"""axolotl: messages for every dataset type.

Keys: axolotl's documentation on dataset formats, and TRL's on conversational datasets. axolotl 0.19.0 reads supervised
rows with its strategy `chat_template`. The other rows reach its DPO, KTO and reward trainers unchanged
(`skip_prepare_dataset`); these are TRL's trainers, which render messages themselves. axolotl's own strategies for
preferences are not used: `chat_template.default` (DPO) renders texts, which get a second BOS from tokenizers that add
one, and strips whitespace from the end of answers; `bradley_terry.chat_template` has no place for several turns, tools
or a margin. For KTO, no strategy reads messages. Tools are the text of a JSON list.
"""

from preftemplates import ConsumerConfig, Dialect, register_dialect

BLOCK = """\
# Train with axolotl: axolotl train {{ config }} --base-model MODEL --output-dir DIR --learning-rate 1e-5
# Relative paths start from the folder in which you run axolotl.
{% if format == "preference" %}
# For a reward model, write reward_model: true instead of rl: dpo.
{% if "margin" in keys %}
# The reward model uses the margin of the rows; DPO does not read it.
{% endif %}
rl: dpo
{% elif format == "unpaired" %}
rl: kto
micro_batch_size: 2 # KTO needs at least 2
{% endif %}
{% if format != "supervised" %}
skip_prepare_dataset: true # the trainer renders the messages
{% endif %}
{% if chat_template %}
chat_template: jinja
chat_template_jinja: {{ chat_template | tojson }}
{% else %}
chat_template: tokenizer_default
{% endif %}
datasets:
  - path: {{ rows | tojson }}
    ds_type: {{ loader }}
    split: train
{% if format == "supervised" %}
    type: chat_template
{% elif format == "preference" %}
    type: passthrough.default
{% endif %}
"""


@register_dialect("axolotl")
class Axolotl(Dialect):
    """axolotl's messages: one conversation for supervised rows; a prompt and answers for preferences and KTO."""

    config = ConsumerConfig(".yaml", dict.fromkeys(("supervised", "preference", "unpaired"), BLOCK))
    prompt_only = {"messages": "prompt.messages"}
    supervised = {"messages": "prompt+completion.messages", "tools": "tools?"}
    preference = {
        "prompt": "prompt.messages",
        "chosen": "chosen.messages",
        "rejected": "rejected.messages",
        "margin": "margin?",
        "tools": "tools?",
    }
    unpaired = {
        "prompt": "prompt.messages",
        "completion": "completion.messages",
        "label": "label",
        "tools": "tools?",
    }
    judge = supervised
