"""verl: the prompts that its dataset for rollouts gives."""

import tempfile

from job import bare, run, tokenizer_of
from omegaconf import OmegaConf
from verl.utils.dataset.rl_dataset import RLHFDataset


def read(job, file):
    with tempfile.TemporaryDirectory() as folder:
        config = OmegaConf.create({"cache_dir": folder, "filter_overlong_prompts": False})
        rows = RLHFDataset(data_files=file["path"], tokenizer=tokenizer_of(job), config=config)
        for number in range(len(rows)):
            row = rows[number]
            yield {"prompt": bare(row["raw_prompt"]), "source": row["data_source"], "reward": row["reward_model"]}


run("verl", read)
