"""TRL: the ids that `RewardTrainer` trains on, and a supervised file's messages by `apply_chat_template`."""

import tempfile

from datasets import load_dataset
from job import run, tokenizer_of
from transformers import LlamaConfig, LlamaForSequenceClassification
from trl import RewardConfig, RewardTrainer

SHAPE = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}


def read(job, file):
    tokenizer = tokenizer_of(job)
    config = LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, num_labels=1, **SHAPE)
    with tempfile.TemporaryDirectory() as folder:
        rows = load_dataset("json", data_files=file["path"], split="train", cache_dir=folder)
        trainer = RewardTrainer(
            model=LlamaForSequenceClassification(config),
            args=RewardConfig(output_dir=folder, max_length=None, report_to=[], use_cpu=True),
            train_dataset=rows,
            processing_class=tokenizer,
        )
        return [{"chosen": row["chosen_ids"], "rejected": row["rejected_ids"]} for row in trainer.train_dataset]


run("trl", read)
