"""axolotl: the ids that its datasets and trainers hold, configured by the written YAML."""

import functools
import os
import tempfile
from pathlib import Path

os.environ.update(AXOLOTL_DO_NOT_TRACK="1", DO_NOT_TRACK="1", TOKENIZERS_PARALLELISM="false")

import datasets
import transformers
from axolotl.cli.config import load_cfg
from axolotl.common.datasets import load_datasets, load_preference_datasets
from axolotl.loaders import load_tokenizer
from axolotl.utils.trainer import setup_trainer
from job import run

SHAPE = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
}
NAMES = {"chosen_ids": "chosen", "rejected_ids": "rejected", "completion_ids": "completion", "input_ids": "completion"}


def in_this_process(method):
    """A method of a dataset without other processes, which deadlock next to torch's threads."""

    @functools.wraps(method)
    def call(*args, **options):
        return method(*args, **{**options, "num_proc": None})

    return call


for name in ("map", "filter", "save_to_disk"):
    setattr(datasets.Dataset, name, in_this_process(getattr(datasets.Dataset, name)))


def load_model(folder, tokenizer, is_reward_model=False):
    """A model with the tokenizer's vocabulary, loaded from its folder; KTO makes its reference from there too."""
    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "num_labels": 1, **SHAPE}
    config = transformers.LlamaConfig(eos_token_id=tokenizer.eos_token_id, **facts)
    kind = "SequenceClassification" if is_reward_model else "CausalLM"
    model = getattr(transformers, f"LlamaFor{kind}")
    model(config).save_pretrained(folder)
    return model.from_pretrained(folder)


def load(job, folder):
    """The configuration as axolotl's command loads it, with the options that its user gives."""
    written = Path(job["config"])
    if job["variant"]:
        text = written.read_text(encoding="utf-8")
        written.write_text(text.replace("rl: dpo", f"{job['variant']}: true"), encoding="utf-8")
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["tokenizer"])
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), **SHAPE)
    config.save_pretrained(job["tokenizer"])
    options = {"base_model": job["tokenizer"], "output_dir": folder, "learning_rate": 1e-5, "sequence_len": 100000}
    options |= {"bf16": False, "tf32": False, "shuffle_merged_datasets": False, "dataset_prepared_path": folder}
    return load_cfg(str(written), **options)


def hold_rows(config):
    """The rows that reach the training, with ids."""
    meta = (load_preference_datasets if config.rl else load_datasets)(cfg=config)
    if not config.rl and not config.reward_model:
        return meta.train_dataset
    tokenizer = load_tokenizer(config)
    trainer = setup_trainer(
        cfg=config,
        train_dataset=meta.train_dataset,
        eval_dataset=None,
        model=load_model(config.base_model, tokenizer, config.reward_model),
        model_ref=load_model(config.base_model, tokenizer) if config.rl == "dpo" else None,
        tokenizer=tokenizer,
        processor=None,
        peft_config=None,
        total_num_steps=meta.total_num_steps,
    )
    return trainer.train_dataset


def read(job):
    with tempfile.TemporaryDirectory() as folder:
        for row in hold_rows(load(job, folder)):
            ids = {NAMES[name]: [*row.get("prompt_ids", ()), *row[name]] for name in NAMES if name in row}
            # DPO reads no margin
            labels = ("label", "margin") if job["variant"] else ("label",)
            yield {"ids": ids} | {name: row[name] for name in labels if name in row}


if __name__ == "__main__":
    run("axolotl", read)
