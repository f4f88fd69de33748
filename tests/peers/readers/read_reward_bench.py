"""RewardBench: the ids that its command gives a model, as the written script calls it."""

import json
import runpy
import sys
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import datasets
import transformers
from job import run
from rewardbench.models import REWARD_MODEL_CONFIG

warnings.filterwarnings("ignore")
SHAPE = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "num_labels": 1}


class Recorder(transformers.TextClassificationPipeline):
    """A pipeline that tokenizes as its parent, keeps the ids and scores nothing."""

    ids = ()

    def __init__(self, _task, **options):
        super().__init__(**options)

    def __call__(self, texts, **options):
        tokenizing, *_ = self._sanitize_parameters(**{"padding": True, **options, "batch_size": None})
        tokenizing.pop("batch_size", None)
        Recorder.ids += tuple(self.preprocess(text, **tokenizing)["input_ids"][0].tolist() for text in texts)
        return [{"label": "LABEL_0", "score": 0.0} for _ in texts]


def make_model(job):
    """A model folder with the tokenizer of the job, of a class that the older transformers has."""
    path = Path(job["tokenizer"]) / "tokenizer_config.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    extra = facts.pop("extra_special_tokens", facts.get("additional_special_tokens", []))
    facts |= {"tokenizer_class": "PreTrainedTokenizerFast", "additional_special_tokens": extra}
    path.write_text(json.dumps(facts), encoding="utf-8")
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["tokenizer"])
    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **SHAPE}
    model = transformers.LlamaForSequenceClassification(transformers.LlamaConfig(num_key_value_heads=1, **facts))
    model.save_pretrained(job["tokenizer"])


def read(job):
    make_model(job)
    Recorder.ids = ()
    entry = {**REWARD_MODEL_CONFIG["default"], "pipeline_builder": Recorder}
    each = datasets.Dataset.map  # eight processes for each file are slow
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(REWARD_MODEL_CONFIG, {"default": entry}),
        mock.patch.object(datasets.Dataset, "map", lambda *args, **named: each(*args, **{**named, "num_proc": None})),
        mock.patch.object(sys, "argv", [job["config"], "--model", job["tokenizer"], *OPTIONS, folder + "/"]),
    ):
        runpy.run_path(job["config"], run_name="__main__")
    if job["format"] == "supervised":
        yield from ({"ids": {"completion": list(ids)}} for ids in Recorder.ids)
        return
    for start in range(0, len(Recorder.ids), 2 * BATCH):
        batch = Recorder.ids[start : start + 2 * BATCH]
        half = len(batch) // 2
        for chosen, rejected in zip(batch[:half], batch[half:], strict=True):
            yield {"ids": {"chosen": list(chosen), "rejected": list(rejected)}}


BATCH = 8
OPTIONS = ("--not_quantized", "--batch_size", str(BATCH), "--output_dir")

if __name__ == "__main__":
    run("rewardbench", read)
