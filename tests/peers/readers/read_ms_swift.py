"""ms-swift: the ids of the dataset that `swift sft` or `swift rlhf` makes of the written YAML."""

import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import datasets
import transformers
from job import run
from swift.cli.main import parse_yaml_args
from swift.pipelines import SwiftRLHF, SwiftSft

SHAPE = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1_000_000,
}
NAMES = {"input_ids": "completion", "chosen_input_ids": "chosen", "rejected_input_ids": "rejected"}


def make_model(job):
    """A model folder with the tokenizer of the job."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["tokenizer"])
    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **SHAPE}
    config = transformers.LlamaConfig(eos_token_id=tokenizer.eos_token_id, **facts)
    transformers.LlamaForCausalLM(config).save_pretrained(job["tokenizer"])


def prepare(job, folder):
    """The pipeline of the command, and its training rows in the order of the file."""
    make_model(job)
    config = Path(job["config"])
    if job["variant"]:
        text = config.read_text(encoding="utf-8").replace("rlhf_type: dpo", f"rlhf_type: {job['variant']}")
        config.write_text(text, encoding="utf-8")
    arguments = [str(config)]
    parse_yaml_args(arguments)
    arguments += ["--model", job["tokenizer"], "--model_type", "llama", "--output_dir", folder, "--report_to", "none"]
    arguments += ["--torch_dtype", "float32", "--strict", "true", "--use_cpu", "true", "--bf16", "false"]
    arguments += ["--fp16", "false", "--dataset_shuffle", "false"]
    command = SwiftSft if job["format"] == "supervised" else SwiftRLHF
    pipeline = command(arguments)
    with mock.patch.object(datasets.Dataset, "shuffle", lambda rows, *_, **__: rows):
        return pipeline, pipeline._prepare_dataset()[0]


def read(job):
    with TemporaryDirectory() as folder:
        pipeline, rows = prepare(job, folder)
        if job["format"] == "prompt_only":
            pipeline.template.set_mode("transformers")  # as its engine for rollouts
            for row in rows:
                answer = {"answer": row["solution"]} if "solution" in row else {}
                yield {"ids": {"prompt": list(pipeline.template.encode(row)["input_ids"])}} | answer
            return
        for number in range(len(rows)):
            row = rows[number]
            ids = {NAMES[key]: list(row[key]) for key in NAMES if key in row}
            if job["format"] == "unpaired":
                ids = {"completion": list(row["chosen_input_ids"])}
            yield {"ids": ids} | {key: row[key] for key in ("label", "margin") if key in row}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    sys.argv[0] = "swift"
    run("ms-swift", read)
