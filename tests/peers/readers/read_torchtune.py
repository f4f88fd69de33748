"""torchtune: the ids that its datasets hold, as the components of the written module set them up."""

import os
import sys
from pathlib import Path

from job import attempt, run
from omegaconf import OmegaConf
from torchtune import config

NAMES = {"chosen_input_ids": "chosen", "rejected_input_ids": "rejected", "tokens": "completion"}


def read(job):
    folder, module = Path(job["rows"]).parent, Path(job["config"]).stem
    os.chdir(folder)
    sys.modules.pop(module, None)
    before = list(sys.path)
    try:
        parts = {"_component_": f"{module}.Tokenizer", "path": job["tokenizer"], "merges_file": "the recipe's own"}
        tokenizer = config.instantiate(OmegaConf.create(parts))
        rows = config.instantiate(OmegaConf.create({"_component_": f"{module}.load_rows", "seed": 1}), tokenizer)
    finally:
        sys.path[:] = before
    for number in range(len(rows)):
        row = attempt(lambda number=number: rows[number])
        yield row if "error" in row else {"ids": {name: list(row[key]) for key, name in NAMES.items() if key in row}}


if __name__ == "__main__":
    run("torchtune", read)
