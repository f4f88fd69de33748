"""TRL: the ids that the trainer of the written script holds; for a variant, with its name in the place of DPO."""

import runpy
import sys
import tempfile
from pathlib import Path
from unittest import mock

import transformers
from job import run

SHAPE = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
}
NAMES = {"chosen_ids": "chosen", "rejected_ids": "rejected", "completion_ids": "completion", "input_ids": "completion"}


def make_model(job):
    """A model folder with the tokenizer of the job."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["tokenizer"])
    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **SHAPE}
    config = transformers.LlamaConfig(eos_token_id=tokenizer.eos_token_id, num_labels=1, **facts)
    kind = "SequenceClassification" if job["variant"] == "Reward" else "CausalLM"
    getattr(transformers, f"LlamaFor{kind}")(config).save_pretrained(job["tokenizer"])


def run_script(job, folder):
    """The trainer that the script makes."""
    make_model(job)
    script = Path(job["config"])
    if job["variant"]:
        text = script.read_text(encoding="utf-8").replace("DPO", job["variant"])
        script.write_text(text, encoding="utf-8")
    options = ["--model_name_or_path", job["tokenizer"], "--output_dir", folder, "--report_to", "none"]
    options += ["--use_cpu", "--bf16", "False", "--max_length", "100000"]
    if job["format"] == "prompt_only":
        options = [*options[:-2], "--max_completion_length", "2", "--num_generations", "2"]
    with mock.patch.object(sys, "argv", [str(script), *options]), mock.patch.object(transformers.Trainer, "train"):
        return runpy.run_path(str(script), run_name="__main__")["trainer"]


def read(job):
    with tempfile.TemporaryDirectory() as folder:
        trainer = run_script(job, folder)
        if job["format"] == "prompt_only":
            for row in trainer.train_dataset:
                ids = trainer._tokenize_prompts([row["prompt"]])[0][0]
                yield {"ids": {"prompt": list(ids)}} | {key: row[key] for key in ("answer",) if key in row}
            return
        for row in trainer.train_dataset:
            ids = {NAMES[name]: [*row.get("prompt_ids", ()), *row[name]] for name in NAMES if name in row}
            yield {"ids": ids} | {key: row[key] for key in ("label", "margin") if key in row}


if __name__ == "__main__":
    run("trl", read)
