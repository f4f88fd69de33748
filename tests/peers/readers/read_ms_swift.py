"""ms-swift: the ids of the dataset that `swift sft` or `swift rlhf` makes of the written YAML."""

import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import datasets
import transformers
from job import attempt, run
from swift.cli.main import parse_yaml_args
from swift.pipelines import SwiftSft
from swift.pipelines.train.rlhf import SwiftRLHF

SHAPE = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1_000_000,
}


def make_model(job):
    """The configuration of a model in the folder with the tokenizer of the job; its weights make no ids."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["tokenizer"])
    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **SHAPE}
    config = transformers.LlamaConfig(
        eos_token_id=tokenizer.eos_token_id, architectures=["LlamaForCausalLM"], dtype="float32", **facts
    )
    config.save_pretrained(job["tokenizer"])


def load_tokenizer(pipeline, **_):
    """The tokenizer as the pipeline loads it, without the model."""
    pipeline.model, pipeline.processor = pipeline.args.get_model_processor(load_model=False)


def prepare(job, folder):
    """The pipeline of the command, and its training rows in the order of the file, which it encodes when it trains."""
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
    if job["format"] == "prompt_only":
        arguments += ["--num_generations", "2", "--per_device_train_batch_size", "2"]
    command = SwiftSft if job["format"] == "supervised" else SwiftRLHF
    with mock.patch.object(command, "_prepare_model_tokenizer", load_tokenizer):
        pipeline = command(arguments)
    with mock.patch.object(datasets.Dataset, "shuffle", lambda rows, *_, **__: rows):
        return pipeline, pipeline._get_dataset()[0]


def encode(pipeline, job, row):
    """What the trainer gets of a row."""
    encoded = pipeline.template.encode(row)
    if job["format"] in ("supervised", "prompt_only"):
        name = "prompt" if job["format"] == "prompt_only" else "completion"
        labels = {"answer": row["solution"]} if "solution" in row else {}
        return {"ids": {name: list(encoded["input_ids"])}} | labels
    names = ("completion", None) if job["format"] == "unpaired" else ("chosen", "rejected")
    sides = zip(names, ("chosen_input_ids", "rejected_input_ids"), strict=True)
    ids = {name: list(encoded[key]) for name, key in sides if name}  # KTO's rejected answer is another row's
    return {"ids": ids} | {key: encoded[key] for key in ("label", "margin") if key in encoded}


def read(job):
    with TemporaryDirectory() as folder:
        pipeline, rows = prepare(job, folder)
        if job["format"] == "prompt_only":
            pipeline.template.set_mode("transformers")  # as its engine for rollouts has it
        for row in rows:
            yield attempt(lambda row=row: encode(pipeline, job, row))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    sys.argv[0] = "swift"
    run("ms-swift", read)
