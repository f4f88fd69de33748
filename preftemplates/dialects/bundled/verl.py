"""verl: prompts for reinforcement learning, conversations, and pairs of texts.

Keys: verl's documentation, "Prepare data for post-training". In verl 0.9.1, `main_ppo` reads prompts (RLHFDataset)
and `sft_trainer` reads conversations (MultiTurnSFTDataset). No command reads pairs; RMDataset reads them in a trainer
of your own. All three read Parquet; only prompts can also be JSON Lines.

The ground truth is the sample's answer, and empty if the template has none. verl chooses its default reward by the
data source, which is the sample's source. If a sample has no source, the script's `compute_score` gives the reward.

Tools have no key and are counted as lost: verl takes the tools of prompts from a separate file. It reads those of
conversations as a list of objects, in which Parquet would give each tool the keys of all others.

MultiTurnSFTDataset tokenizes each message separately, and raises an error if the whole conversation has other ids.
It trains on every turn of the assistant.

RMDataset tokenizes the prompt and each answer separately, with the tokens that the tokenizer adds, and always appends
EOS.
"""

from preftemplates import ConsumerConfig, Dialect, TextConsumer, fixed, register_dialect, with_default

TRAINER = '''\
{% set prompts = format == "prompt_only" %}
{% set model = "actor_rollout_ref.model" if prompts else "model" %}
"""Train with verl: {{ "python" if prompts else "torchrun --nproc_per_node GPUS" }} {{ config }} {{ model }}.path=MODEL

Further options are verl's own, such as {{ "trainer.n_gpus_per_node=8" if prompts else "data.max_length=4096" }}.
"""

import sys
from pathlib import Path

from hydra import compose, initialize_config_module
from verl.trainer.{{ "main_ppo" if prompts else "sft_trainer" }} import main
{% if prompts %}
from verl.utils.reward_score import default_compute_score
{% endif %}

HERE = Path(__file__).resolve().parent

{% if prompts %}

def compute_score(data_source, solution_str, ground_truth, extra_info=None, **options):
    """Return the reward of an answer: verl's own by the data source, and yours for prompts without one."""
    if data_source != "preftemplates":
        return default_compute_score(data_source, solution_str, ground_truth, extra_info, **options)
    if ground_truth:
        return float(ground_truth in solution_str)  # replace it with your own
    raise NotImplementedError("write your own reward, or pass reward.reward_model.enable=True and its model_path")


{% endif %}
if __name__ == "__main__":
    with initialize_config_module("verl.trainer.config", version_base=None):
{% if prompts %}
        options = ["data.val_files=${data.train_files}", *sys.argv[1:]]
        config = compose("ppo_trainer", options)
{% else %}
        config = compose("sft_trainer_engine", sys.argv[1:])
{% endif %}
    config.data.train_files = str(HERE / {{ rows_nearby | tojson }})
{% if chat_template_nearby %}
    template = HERE / {{ chat_template_nearby | tojson }}
    config.{{ model }}.custom_chat_template = template.read_text(encoding="utf-8")
{% endif %}
{% if prompts %}
    if not config.reward.reward_model.enable and not config.reward.custom_reward_function.path:
        config.reward.custom_reward_function.path = str(Path(__file__).resolve())
{% endif %}
    main(config)
'''

PAIRS = '''\
"""Read pairs with verl: from {{ config | replace(".py", "") }} import load_pairs

verl 0.9.1 has this dataset and no command that trains on it, so call `load_pairs` in your own trainer.
"""

from pathlib import Path

from verl.utils.dataset import RMDataset

HERE = Path(__file__).resolve().parent


def load_pairs(model, **options):
    """Return the pairs as token ids; `max_length` is 1,024 by default, and longer texts are cut silently."""
    return RMDataset(str(HERE / {{ rows_nearby | tojson }}), tokenizer=model, **options)
'''


@register_dialect("verl")
class Verl(Dialect):
    text_consumer = TextConsumer("verl", None, appends_eos="always", tokenizes_apart=True)
    config = ConsumerConfig(
        ".py", {"prompt_only": TRAINER, "supervised": TRAINER, "preference": PAIRS}, row_suffixes=(".parquet",)
    )
    prompt_only = {
        "data_source": with_default("source", "preftemplates"),
        "prompt": "prompt.messages",
        "ability": fixed("alignment"),
        "reward_model": {"style": fixed("model"), "ground_truth": with_default("answer", "")},
    }
    supervised = {"messages": "prompt+completion.messages"}
    preference = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
