"""The script for TRL finds the images of the rows, and TRL's trainers read them."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from pathlib import Path

import pytest
import transformers
import trl_pictures
from datasets import Dataset
from support import run
from trl_pictures import (
    CASES,
    MARK,
    PARTS,
    SHAPES,
    Case,
    check_batch,
    collate,
    convert,
    expect,
    make_processor,
    make_rows,
    recorded,
    say,
)

from preftemplates import get_dialect

pytestmark = MARK
pictures = trl_pictures.pictures


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a vision-language model with random weights."""
    folder, processor = tmp_path_factory.mktemp("model"), make_processor()
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**sizes, image_size=8, patch_size=4),
        text_config=transformers.LlamaConfig(**sizes, num_key_value_heads=1, vocab_size=len(processor.tokenizer)),
        image_token_index=processor.image_token_id,
        vision_feature_layer=-1,
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def run_script(script, model, *more):
    """The trainer that the script makes."""
    options = ["--model_name_or_path", model, "--output_dir", script.parent / "run", "--report_to", "none", *more]
    options += ["--use_cpu", "--bf16", "False"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *map(str, options)])
        patch.setattr(transformers.Trainer, "train", lambda _: None)
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_CACHE", str(script.parent / "cache"))
        return runpy.run_path(str(script), run_name="__main__")["trainer"]


def write_script(tmp_path, dialect, format):
    """Rows with relative paths, and the script in another folder than theirs."""
    script = tmp_path / "scripts" / "train_it.py"
    script.parent.mkdir()
    rows = make_rows(CASES.values(), Path("pictures"))
    convert(rows, tmp_path / "out.jsonl", dialect, format, "--consumer-config", script)
    return script


def generate(trainer, rows, names):
    """What TRL's GRPO trainer makes of prompts: it completes each twice, which takes an image for each place.

    It does not batch prompts without images with others, so these come alone.
    """
    trainer.reward_funcs = [lambda completions, **_: [0.0] * len(completions)]
    found = []
    for some in ([row for row in rows if row["images"]], [row for row in rows if not row["images"]]):
        with recorded("prompt_only", names) as made:
            batch = trainer._generate_and_score_completions([dict(row) for row in some for _ in range(2)])
        assert made[: 2 * len(some) : 2] == made[1 : 2 * len(some) : 2]
        found.append((made[: 2 * len(some)], {**batch, "input_ids": batch["prompt_ids"]}))
    return found


@pytest.mark.parametrize(("dialect", "format"), SHAPES)
def test_the_trainer_of_the_written_script_reads_the_images(dialect, format, tmp_path, pictures, model):
    script = write_script(tmp_path, dialect, format)
    sizes = ["--max_completion_length", "2", "--num_generations", "2"] if format == "prompt_only" else []
    trainer = run_script(script, model, *sizes)
    assert isinstance(trainer.processing_class, transformers.LlavaProcessor)
    rows, names = trainer.train_dataset, pictures[1]
    if format == "prompt_only":
        (shown, batch), (without, _) = generate(trainer, list(rows), names)
        assert [*shown[::2], *without[::2]] == expect(format)
    else:
        shown, batch = collate(rows, format, names, trainer.data_collator)
        assert shown == expect(format)
    check_batch(shown, batch, names)


@pytest.mark.parametrize(
    ("found", "instead", "error"),
    [
        ("ROWS.parent /", "HERE /", "FileNotFoundError"),
        ("rows.map(find_images", "(lambda *_, **__: rows)(find_images", "AttributeError"),
        ("rows = rows.map(extract_prompt)", "", "KeyError: 'prompt'"),
    ],
)
def test_faults_planted_in_the_script_are_caught(found, instead, error, tmp_path, pictures, model):
    script = write_script(tmp_path, "trl-implicit", "preference")
    text = script.read_text(encoding="utf-8")
    assert found in text
    script.write_text(text.replace(found, instead), encoding="utf-8")
    try:
        shown_in(run_script(script, model), "preference", pictures[1])
    except Exception as caught:  # noqa: BLE001  of datasets, PIL or TRL
        assert error in f"{type(caught).__name__}: {caught}"  # noqa: PT017  a class of any library
    else:
        pytest.fail("the fault is not caught")


def shown_in(trainer, format, names):
    return collate(trainer.train_dataset, format, names, trainer.data_collator)[0]


def test_the_script_reads_the_bytes_of_images_in_parquet(tmp_path, pictures, model):
    folder, names = pictures
    cases = {name: case for name, case in CASES.items() if "images" in case.row}
    rows = [
        {
            **row,
            "prompt": json.dumps(row["prompt"]),
            "images": [{"bytes": Path(path).read_bytes(), "path": None} for path in row["images"]],
        }
        for row in make_rows(cases.values(), folder)
    ]
    Dataset.from_list(rows).to_parquet(tmp_path / "rows.parquet")
    script = tmp_path / "train_it.py"
    files = (tmp_path / "rows.parquet", "-o", tmp_path / "out.parquet", "--consumer-config", script)
    run("convert", *files, "-t", "TRL-messages", "-d", "trl", cwd=tmp_path)
    folder.rename(tmp_path / "elsewhere")
    assert shown_in(run_script(script, model), "preference", names) == expect("preference", cases)


def test_rows_without_a_key_for_images_are_read_next_to_others(tmp_path, pictures, model, monkeypatch):
    """The first row has no images, and convert looks at no other, so only later ones have the key."""
    monkeypatch.setattr("preftemplates.data.media._LOOKED_AT", 1)
    folder, names = pictures
    cases = {"first": Case({"prompt": [say("Hi")]}, [("user", "Hi")]), "inline": CASES["inline"]}
    script = tmp_path / "train_it.py"
    convert(
        make_rows(cases.values(), folder), tmp_path / "out.jsonl", "trl", "preference", "--consumer-config", script
    )
    assert "images" not in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert shown_in(run_script(script, model), "preference", names) == expect("preference", cases)


def test_the_script_leaves_urls_and_absolute_paths_as_they_are(tmp_path):
    script = write_script(tmp_path, "trl", "preference")
    parts = [node for node in ast.parse(script.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    names = {"ROWS": Path("data/rows.jsonl")}
    exec(compile(ast.Module(parts, []), "script", "exec"), names)
    url, absolute = "https://example.org/pot.png", str(tmp_path / "pot.png")
    row = {"images": [url, absolute, "pot.png", {"bytes": b"1", "path": "pot.png"}, {"bytes": None, "path": url}]}
    assert names["find_images"](row)["images"] == [
        {"bytes": None, "path": url},
        {"bytes": None, "path": absolute},
        {"bytes": None, "path": str(Path("data/pot.png"))},
        {"bytes": b"1", "path": "pot.png"},
        {"bytes": None, "path": url},
    ]
    assert names["find_images"]({"images": None}) == {"images": []}


@pytest.mark.parametrize("format", PARTS)
def test_the_script_of_rows_without_images_is_as_before(format):
    known = get_dialect("trl").keys(format)
    script = get_dialect("trl").configure(format, config="train_it.py", rows="rows.jsonl", keys=known)
    assert "AutoTokenizer" in script
    assert "mage" not in script
    assert ("write Reward" in script) is (format == "preference")
    with_images = get_dialect("trl").configure(
        format, config="train_it.py", rows="rows.jsonl", keys=[*known, "images"]
    )
    assert "write Reward" not in with_images  # TRL's reward trainer reads no images
    assert "tokenizer" not in with_images.lower()
