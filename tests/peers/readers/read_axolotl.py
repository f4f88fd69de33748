"""axolotl: the texts of its preference strategy chat_template, and the ids of its supervised one."""

import tempfile

from axolotl.prompt_strategies import chat_template
from axolotl.prompt_strategies.dpo import chat_template as dpo
from axolotl.utils.dict import DictDefault
from datasets import load_dataset
from job import run, tokenizer_of


def read(job, file):
    tokenizer = tokenizer_of(job)
    config = DictDefault(
        {"datasets": [{}], "chat_template": "tokenizer_default", "sequence_len": 10**6, "train_on_inputs": False}
    )
    with tempfile.TemporaryDirectory() as folder:
        rows = load_dataset("json", data_files=file["path"], split="train", cache_dir=folder)
        if file["format"] == "preference":
            transform, _ = dpo.default(config)
            for row in rows:
                yield transform(row, tokenizer=tokenizer)
        else:
            strategy = chat_template.load(tokenizer, config)
            for row in rows:
                yield {"completion": strategy.tokenize_prompt(row)["input_ids"]}


run("axolotl", read)
