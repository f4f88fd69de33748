"""OpenRLHF: the ids that its datasets for reward models and supervised training give, and its prompts."""

import tempfile
from types import SimpleNamespace

from datasets import load_dataset
from job import run, tokenizer_of
from openrlhf.datasets import PromptDataset, RewardDataset, SFTDataset

KEYS = {
    "preference": {"prompt_key": None, "chosen_key": "chosen", "rejected_key": "rejected"},
    "supervised": {"input_key": "input", "output_key": "output"},
    "prompt_only": {"input_key": "input"},
}


def read(job, file):
    tokenizer, kind = tokenizer_of(job), file["format"]
    options = SimpleNamespace(data=SimpleNamespace(apply_chat_template=True, **KEYS[kind]))
    strategy = SimpleNamespace(args=options, is_rank_0=lambda: False)
    with tempfile.TemporaryDirectory() as folder:
        rows = load_dataset("json", data_files=file["path"], split="train", cache_dir=folder)
        if kind == "preference":
            given = RewardDataset(rows, tokenizer, 10**6, strategy, num_processors=1)
            for number in range(len(given)):
                chosen, _, rejected, _, margin = given[number]
                yield {"chosen": chosen[0].tolist(), "rejected": rejected[0].tolist(), "margin": margin}
        elif kind == "supervised":
            given = SFTDataset(rows, tokenizer, 10**6, strategy, num_processors=1)
            for number in range(len(given)):
                yield {"completion": given[number][0][0].tolist()}
        else:
            given = PromptDataset(rows, tokenizer, strategy)
            for number in range(len(given)):
                yield {"prompt": given[number][1]}


run("openrlhf", read)
