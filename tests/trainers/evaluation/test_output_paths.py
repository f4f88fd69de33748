"""The output of `score` and `evaluate` replaces no file that the command reads."""

import json
import os
import shutil

import pytest
from score_support import PKU, ROWS, write
from support import HOMEWORK
from trainer_support import command, refusal

FIX = "name another file with --out"


@pytest.fixture
def place(folder, tmp_path, monkeypatch):
    """A working folder with rows, two models, a template and a style, each as files of the user."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.jsonl", ROWS[:6])
    for name in ("model", "other"):
        shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("checkpoint-*"))
    shutil.copy(HOMEWORK, tmp_path / "template.py")
    (tmp_path / "style.jinja").write_text("{% for message in messages %}{{ message.content }}{% endfor %}")
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "rows.jsonl", ROWS[:6])
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def evaluate(*words, source="rows.jsonl", template=PKU):
    return ("evaluate", source, "--model", "model", *template, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (evaluate("--out", "./rows.jsonl"), "rows.jsonl is the input"),
        (evaluate("--out", "model/../rows.jsonl"), "model/../rows.jsonl is the input"),
        (evaluate("--out", "data/rows.jsonl", source="data"), "is a file of the input, the dataset in data"),
        (evaluate("--out", "template.py", template=["--template", "template.py"]), "is the file of --template"),
        (evaluate("--out", "template.py", template=["--template", "template.py:HOMEWORK"]), "the file of --template"),
        (evaluate("--out", "style.jinja", "--style", "style.jinja"), "style.jinja is the file of --style"),
        *(
            (evaluate("--out", f"model/{name}"), f"model/{name} is a file of the model in model, or would become one")
            for name in (
                "config.json", "preftemplates.json", "model.safetensors", "tokenizer.json", "chat_template.jinja",
                "preftemplates-manifest.json", "metrics.json", "report.html", "added_tokens.json",
                "generation_config.json",
            )
        ),
        (evaluate("--out", "other/config.json", "--against", "other"), "is a file of the model in other"),
        (evaluate("--out", "other/tokenizer.json", "--style", "other"), "is a file of the model in other"),
        (("score", "rows.jsonl", "--model", "model", *PKU, "--out", "rows.jsonl"), "rows.jsonl is the input"),
        (("score", "data", "--model", "model", *PKU, "--out", "data/rows.jsonl"), "is a file of the input"),
        (("score", "rows.jsonl", "--model", "model", *PKU, "--out", "model/config.json"), "is a file of the model in"),
        (("score", "rows.jsonl", "--model", "model", *PKU, "--out", "model/scores.jsonl"), "is a file of the model"),
    ],
)  # fmt: skip
def test_a_file_that_the_command_reads_is_not_replaced(place, words, said):
    before = contents(place)
    message = refusal(*words)
    assert said in message
    assert message.endswith(f"; {FIX}")
    assert contents(place) == before


@pytest.mark.parametrize("make_link", [os.symlink, os.link])
@pytest.mark.parametrize(("target", "said"), [("rows.jsonl", "is the input"), ("model/config.json", "is a file of")])
def test_links_are_followed(place, make_link, target, said):
    make_link(place / target, place / "link.json")
    before = contents(place)
    for command_name in ("evaluate", "score"):
        words = (command_name, "rows.jsonl", "--model", "model", *PKU, "--out")
        assert f"link.json {said}" in refusal(*words, "link.json")
    assert contents(place) == before


def test_a_linked_folder_is_the_folder_behind_it(place):
    os.symlink(place / "model", place / "linked")
    assert "is a file of the model in model" in refusal(*evaluate("--out", "linked/config.json"))
    os.symlink(place / "model" / "config.json", place / "other" / "added.json")
    assert "is a file of the model in model" in refusal(*evaluate("--out", "other/added.json"))


def test_the_base_model_of_an_adapter_is_read_too(place):
    (place / "model" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(place / "other")}))
    assert f"is a file of the model in {place / 'other'}" in refusal(*evaluate("--out", "other/config.json"))


def test_other_files_in_these_folders_may_be_written_again_and_again(place):
    for _ in range(2):
        assert command(*evaluate("--out", "model/figures.json"))[0] == 0
        assert command("score", "rows.jsonl", "--model", "model", *PKU, "--out", "model/scored.jsonl")[0] == 0
    assert json.loads((place / "model" / "figures.json").read_text())["rows"] == 6
    assert command(*evaluate("--out", "other/config.json"))[0] == 0  # another model, which is not read
