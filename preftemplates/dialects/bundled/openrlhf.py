"""OpenRLHF: prompts and answers as messages, to be read with apply_chat_template.

Keys: OpenRLHF's README; the names are those of its options input_key, output_key, chosen_key, rejected_key and
label_key. In OpenRLHF 0.11.2, `train_rm` reads preferences with the margin, if there is one, `train_dpo` reads them
without it, `train_sft` reads supervised rows, and `train_ppo_ray` reads prompts with the answer as label. It passes no
tools to a chat template. PPO has no option for a chat template, so the model's folder must contain it.
"""

from preftemplates import ConsumerConfig, Dialect, register_dialect

SCRIPT = """\
{% macro quoted(path) %}'{{ path | replace("'", "'\\\\''") }}'{% endmacro %}
{% set trainer = {"preference": "rm", "supervised": "sft", "prompt_only": "ppo_ray"}[format] %}
#!/usr/bin/env bash
{% if format == "prompt_only" %}
# Train with OpenRLHF: bash {{ config }} --actor.model_name_or_path MODEL --reward.model_name_or_path REWARD
{% if chat_template_nearby %}
# OpenRLHF takes the chat template from the model's folder: copy {{ chat_template_nearby }} into it.
{% endif %}
{% else %}
# Train with OpenRLHF: bash {{ config }} --model.model_name_or_path MODEL --ckpt.output_dir DIR --data.max_len LENGTH
# Without --data.max_len OpenRLHF cuts texts after {{ 2048 if format == "supervised" else 512 }} tokens.
{% endif %}
{% if format == "preference" %}
# This trains a reward model. For DPO: TRAINER=dpo bash {{ config }} ...
{% endif %}
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
{% if format == "preference" %}
trainer="${TRAINER:-rm}"
{% endif %}
options=(
{% if format == "prompt_only" %}
    --data.prompt_dataset "$here"/{{ quoted(rows_nearby) }}
    --data.input_key input
{% if "label" in keys %}
    --data.label_key label
{% endif %}
{% else %}
    --data.dataset "$here"/{{ quoted(rows_nearby) }}
{% if format == "preference" %}
    --data.chosen_key chosen
    --data.rejected_key rejected
{% else %}
    --data.input_key input
    --data.output_key output
{% endif %}
{% endif %}
    --data.apply_chat_template
)
{% if format != "prompt_only" and chat_template_nearby %}
chat_template="$(cat "$here"/{{ quoted(chat_template_nearby) }}; printf .)" # the dot keeps newlines at the end
options+=(--data.tokenizer_chat_template "${chat_template%.}")
{% endif %}
{% if format == "preference" and "margin" in keys %}
if [ "$trainer" = rm ]; then options+=(--model.margin_loss_enable); fi # DPO reads no margin
{% endif %}
{% if format == "prompt_only" %}
exec python -m openrlhf.cli.train_ppo_ray "${options[@]}" "$@"
{% elif format == "preference" %}
exec deepspeed --module "openrlhf.cli.train_$trainer" "${options[@]}" "$@"
{% else %}
exec deepspeed --module openrlhf.cli.train_{{ trainer }} "${options[@]}" "$@"
{% endif %}
"""


@register_dialect("openrlhf")
class OpenRLHF(Dialect):
    """OpenRLHF's layout: whole conversations for preferences; a prompt and an answer for supervised training."""

    config = ConsumerConfig(
        ".sh",
        dict.fromkeys(("prompt_only", "supervised", "preference"), SCRIPT),
        row_suffixes=(".jsonl", ".json", ".parquet"),
        style_note={"prompt_only": "OpenRLHF has no option for the chat template: copy it into the model's folder"},
    )
    prompt_only = {"input": "prompt.messages", "label": "answer?"}
    supervised = {"input": "prompt.messages", "output": "completion.messages"}
    preference = {"chosen": "prompt+chosen.messages", "rejected": "prompt+rejected.messages", "margin": "margin?"}
    judge = supervised
