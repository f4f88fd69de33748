"""LLaMA-Factory: rows as its loader aligns them, by the entry of dataset_info.json that we write."""

import json
from pathlib import Path

from job import run, turns
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import Seq2SeqTrainingArguments

STAGES = {"preference": "rm", "supervised": "sft", "unpaired": "kto"}


def read(_job, file):
    folder = Path(file["path"]).parent
    (folder / "dataset_info.json").write_text(json.dumps({"ours": file["entry"]}))
    data = DataArguments(dataset="ours", dataset_dir=str(folder), overwrite_cache=True)
    model = ModelArguments(model_name_or_path="none", cache_dir=str(folder / "cache"))
    training = Seq2SeqTrainingArguments(output_dir=str(folder), use_cpu=True)
    for row in _get_merged_dataset(["ours"], model, data, training, STAGES[file["format"]]):
        yield {"prompt": turns(row["_prompt"]), "answers": turns(row["_response"]), "system": row["_system"] or ""}


run("llamafactory", read)
