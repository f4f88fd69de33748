"""LLaMA-Factory: the messages and media that its dataset gives to the plugin of a multimodal model, row by row."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import transformers
from datasets import disable_progress_bars
from job import run
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.data.mm_plugin import BasePlugin
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer

STAGES = {"supervised": "sft", "preference": "dpo", "unpaired": "kto"}
SIDES = {"supervised": ["completion"], "preference": ["chosen", "rejected"], "unpaired": ["completion", "KL"]}
CALLS = []


def find_path(item):
    """The path of an image, which a table holds as a file."""
    return item["path"] if isinstance(item, dict) else item


class Recorder(BasePlugin):
    """Keeps what a model's plugin gets, and whether it takes it: each counts the marks and the media first."""

    def process_messages(self, messages, images, videos, audios, _):
        """Return the messages as they are."""
        error = ""
        try:
            self._validate_messages(messages, images, videos, audios)
        except ValueError as caught:
            error = str(caught)
        texts = [message["content"] for message in messages]
        media = {"images": [find_path(item) for item in images], "videos": list(videos), "audios": list(audios)}
        CALLS.append({"texts": texts, **media, "error": error})
        return messages

    def process_token_ids(self, input_ids, labels, *_):
        """Return the ids as they are."""
        return input_ids, labels


def read(job):
    config = Path(job["config"])
    (name,) = json.loads(config.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        transformers.LlamaConfig().save_pretrained(job["tokenizer"])
        stage = STAGES[job["format"]]
        run_file = {"stage": stage, "dataset": name, "dataset_dir": str(config.parent), "do_train": True}
        run_file |= {"model_name_or_path": job["tokenizer"], "output_dir": folder, "cache_dir": f"{folder}/cache"}
        run_file |= {"use_cpu": True, "bf16": False, "cutoff_len": 100_000, "report_to": "none", "template": "default"}
        model, data, training, _, _ = get_train_args(run_file)
        loaded = load_tokenizer(model)
        template = get_template_and_fix_tokenizer(loaded["tokenizer"], data)
        template.mm_plugin = Recorder("<image>", "<video>", "<audio>")
        stage = "rm" if stage == "dpo" else stage  # as its run_dpo has it
        CALLS.clear()
        get_dataset(template, model, data, training, stage, **loaded)
        calls, sides = iter(list(CALLS)), SIDES[job["format"]]
        for aligned in _get_merged_dataset(data.dataset, model, data, training, stage):
            views = {side: next(calls) for side in sides}
            for view in views.values():
                view["texts"] = [text for text in [aligned["_system"]] if text] + view["texts"]
            yield views
        assert next(calls, None) is None


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    disable_progress_bars()
    run("llamafactory", read)
