"""LLaMA-Factory: the ids of its dataset, by the written dataset_info.json and the parsed chat template."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import transformers
from datasets import disable_progress_bars
from job import run
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer

STAGES = {"supervised": "sft", "preference": "dpo", "unpaired": "kto"}
NAMES = {"chosen_input_ids": "chosen", "rejected_input_ids": "rejected", "input_ids": "completion"}


def read(job):
    config = Path(job["config"])
    (name,) = json.loads(config.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        transformers.LlamaConfig().save_pretrained(job["tokenizer"])
        stage = job["variant"] or STAGES[job["format"]]
        run_file = {"stage": stage, "dataset": name, "dataset_dir": str(config.parent), "do_train": True}
        run_file |= {"model_name_or_path": job["tokenizer"], "output_dir": folder, "cache_dir": f"{folder}/cache"}
        run_file |= {"use_cpu": True, "bf16": False, "cutoff_len": 1_000_000, "report_to": "none"}
        model, data, training, _, _ = get_train_args(run_file)
        loaded = load_tokenizer(model)
        template = get_template_and_fix_tokenizer(loaded["tokenizer"], data)
        stage = "rm" if stage == "dpo" else stage  # as its run_dpo has it
        rows = iter(get_dataset(template, model, data, training, stage, **loaded)["train_dataset"])
        for aligned in _get_merged_dataset(data.dataset, model, data, training, stage):
            if len(aligned["_prompt"]) % 2 != 1 or not aligned["_response"]:
                yield {"error": "LLaMA-Factory leaves the row out: its turns do not alternate"}
                continue
            row = next(rows)
            label = {"label": row["kto_tags"]} if "kto_tags" in row else {}
            yield {"ids": {NAMES[key]: row[key] for key in NAMES if key in row}} | label


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    disable_progress_bars()
    run("llamafactory", read)
