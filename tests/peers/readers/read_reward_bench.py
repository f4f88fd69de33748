"""RewardBench: the texts that its command scores."""

from job import run, tokenizer_of
from rewardbench.utils import load_and_process_dataset


def read(job, file):
    rows = load_and_process_dataset(file["path"], json=True, tokenizer=tokenizer_of(job))
    for row in rows:
        if file["format"] == "supervised":
            yield {"completion": row["text"]}
        else:
            yield {"chosen": row["text_chosen"], "rejected": row["text_rejected"]}


run("rewardbench", read)
