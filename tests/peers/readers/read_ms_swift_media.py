"""ms-swift: the messages and media that its templates get of each row, before and after it adds marks that lack."""

import logging
from pathlib import Path

import datasets
import yaml
from job import attempt, run
from swift.dataset import load_dataset
from swift.pipelines.train.kto import KTOPreprocessor
from swift.template import Template, TemplateInputs


def get_texts(inputs):
    """The contents of the messages, that of the system first."""
    return ([inputs.system] if inputs.system else []) + [message["content"] for message in inputs.messages]


def find_path(item):
    """The path of an image, which its dataset holds as a file."""
    return item["path"] if isinstance(item, dict) else item


def describe(inputs):
    """What a template gets."""
    texts = get_texts(inputs)
    media = {name: [find_path(item) for item in getattr(inputs, name)] for name in ("images", "videos", "audios")}
    Template._add_default_tags(inputs)
    added = get_texts(inputs) != texts
    return {"texts": texts, **media, "error": "ms-swift adds marks" if added else ""}


def describe_sides(row, job):
    """What a template gets of each conversation of a row; KTO's second one has the answer of another row."""
    inputs = TemplateInputs.from_dict(row)
    if job["format"] == "supervised":
        return {"completion": describe(inputs.chosen)}
    names = ("completion", "KL") if job["format"] == "unpaired" else ("chosen", "rejected")
    return dict(zip(names, map(describe, (inputs.chosen, inputs.rejected)), strict=True))


def read(job):
    path = job["rows"]
    if job["config"]:
        path = yaml.safe_load(Path(job["config"]).read_text(encoding="utf-8"))["dataset"]
    rows, _ = load_dataset([path], strict=True, load_from_cache_file=False)
    if job["format"] == "unpaired":
        rows = KTOPreprocessor()(rows, batch_size=len(rows), load_from_cache_file=False)
    for row in rows:
        yield attempt(lambda row=row: describe_sides(row, job))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    run("ms-swift", read)
