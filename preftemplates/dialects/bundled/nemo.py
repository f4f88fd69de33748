"""NeMo RL: a context, and two completions with their ranks; rank 0 is the best.

Keys: NeMo RL's guides on DPO, reward models, SFT and GRPO. Its sources read the rows as follows:

- preference and ranked: `PreferenceDataset` and `preference_preprocessor`, for DPO and reward models. They take
  exactly two completions without a tie, and read no tools. They load rows as a table, which would fill in missing keys
  within calls, so rows with calls are rejected.
- supervised: `OpenAIFormatDataset` (`openai_format`) and `sft_processor`, with the tools as a list.
- prompt_only: `ResponseDataset` and `math_hf_data_processor`, for GRPO: one question as text, and the answer to
  compare with, empty if the template has none.
"""

from preftemplates import ConsumerConfig, Dialect, fixed, register_dialect, with_default

SETTINGS = """\
{% set section = {"preference": "dpo", "ranked": "dpo", "supervised": "sft", "prompt_only": "grpo"}[format] %}
{% set base = "grpo_math_1B" if section == "grpo" else section %}
# Train with NeMo RL: copy this file into examples/configs of its checkout, and there
#   uv run examples/run_{{ section }}.py --config examples/configs/{{ config }} policy.model_name=MODEL
{% if section == "dpo" %}
# For a reward model, write rm instead of dpo everywhere.
{% endif %}
defaults: {{ base }}.yaml

{{ section }}:
  val_period: 0
  val_at_start: false

checkpointing:
  metric_name: null

policy:
  tokenizer:
    name: ${policy.model_name}
    chat_template: {{ chat_template_absolute | tojson if chat_template else "default" }}

data:
  _override_: true
  max_input_seq_length: ${policy.max_total_sequence_length}
  shuffle: true
  num_workers: 1
{% if section == "sft" %}
  add_bos: false
  add_eos: false
  add_generation_prompt: false
{% elif section == "grpo" %}
  use_multiple_dataloader: false
{% endif %}
  train:
    data_path: {{ rows_absolute | tojson }}
{% if section == "dpo" %}
    dataset_name: PreferenceDataset
{% elif section == "sft" %}
    dataset_name: openai_format
    chat_key: messages
    tool_key: tools
    use_preserving_dataset: true
{% else %}
    dataset_name: ResponseDataset
    input_key: input
    output_key: output
{% endif %}
  validation: null
  default:
    prompt_file: null
    system_prompt_file: null
{% if section == "sft" %}
    processor: sft_processor
{% elif section == "grpo" %}
    processor: math_hf_data_processor
    env_name: math
{% endif %}
"""


@register_dialect("nemo-rl", aliases=["nemo"])
class NeMoRL(Dialect):
    config = ConsumerConfig(
        ".yaml",
        dict.fromkeys(("prompt_only", "supervised", "preference", "ranked"), SETTINGS),
        row_suffixes=(".jsonl",),
    )
    pairs_only = True
    prompt_only = {"input": "prompt.content", "output": with_default("answer", "")}
    supervised = {"messages": "prompt+completion.messages", "tools": "tools.list?"}
    preference = {
        "context": "prompt.flat_messages",
        "completions": [
            {"rank": fixed(0.0), "completion": "chosen.flat_messages"},
            {"rank": fixed(1.0), "completion": "rejected.flat_messages"},
        ],
    }
    ranked = {
        "context": "prompt.flat_messages",
        "completions": [{"rank": "ranks", "completion": "completions.flat_messages"}],
    }
    judge = supervised
