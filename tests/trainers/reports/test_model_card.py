"""The model card: its code runs, it parses whatever things are called, and it says what was measured."""

import re

import pytest
from huggingface_hub import ModelCard
from preftemplates_train.model.checkpoint import CheckpointRecord
from preftemplates_train.reports.model_card import write_model_card
from preftemplates_train.settings.config import RewardConfig
from support import HOMEWORK
from trainer_support import train_by

QUICK = ["--max_steps", "2", "--eval_strategy", "no", "--per_device_train_batch_size", "4", "--logging_steps", "1"]

FOUND = {
    "pairs": 20.0, "accuracy": 0.8, "accuracy_stderr": 0.1, "loss": 0.5, "margin_mean": 1.0, "longer_wins": 0.6,
    "data": [],
}  # fmt: skip
SOURCE = {"rows": 1, "formatted": 1, "skipped": 0, "rejected": 0, "train_pairs": 1, "eval_pairs": 0}
HOSTILE = (
    "a|b",
    "new\nline",
    "---",
    "# x",
    '"quoted"',
    "it's",
    "{{ 7*7 }}",
    "{% if %}",
    "[x](y)",
    "`a`",
    "é ü",
    "\x1b[31m",
)


@pytest.mark.parametrize("kind", ["decoder", "by hand"])
@pytest.mark.usefixtures("small_set")
def test_the_code_of_the_card_runs(kind, checkpoint, tmp_path, monkeypatch):
    folder = checkpoint("decoder")
    if kind == "by hand":
        words = [
            *QUICK,
            "--save_strategy",
            "no",
            "--template",
            str(HOMEWORK),
            "--output_dir",
            str(tmp_path / "it's mine"),
        ]
        folder = train_by(*words)[0].folder
    monkeypatch.chdir(folder.parent)
    card = ModelCard.load(folder / "README.md")
    assert card.data.pipeline_tag == "text-classification"
    (code,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    names = {}
    exec(code, names)
    assert isinstance(names["reward"], float)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_card_parses_whatever_things_are_called(name, checkpoint, tmp_path):
    record = CheckpointRecord.read(checkpoint("decoder"))
    folder = tmp_path / name
    folder.mkdir()
    source = {**SOURCE, "name": name, "template": name}
    write_model_card(folder, {**FOUND, "data": [source]}, record, RewardConfig(model_name_or_path=name))
    card = ModelCard.load(folder / "README.md")
    assert card.data.base_model == name
    assert card.text.isprintable() or set(filter(lambda char: not char.isprintable(), card.text)) == {"\n"}
    (row,) = [line for line in card.text.splitlines() if line.endswith("| 1 | 1 | 0 | 0 | 1 | 0 |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 9
    (code,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    compile(code, "card", "exec")
    assert f"from_pretrained({name!r})" in code


def test_a_card_says_what_was_measured(checkpoint, tmp_path):
    record = CheckpointRecord.read(checkpoint("decoder"))
    text = {}
    for number, found in enumerate((FOUND, {**FOUND, "pairs": 1.0, "accuracy_stderr": float("nan")}, {"data": []})):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_model_card(folder, found, record, RewardConfig())
        text[number] = ModelCard.load(folder / "README.md").text
    assert "| accuracy (a tie is one half) | 0.800 ± 0.100 |" in text[0]
    assert '| accuracy of "the longer answer wins" | 0.600 |' in text[0]
    assert "first listed" not in text[0]
    assert "| accuracy (a tie is one half) | 0.800 |" in text[1]
    assert "nan" not in text[1]
    assert "Nothing was held out." in text[2]


def test_a_model_on_this_machine_is_no_base_model_of_the_hub(checkpoint, tmp_path):
    write_model_card(
        tmp_path, FOUND, CheckpointRecord.read(checkpoint("decoder")), RewardConfig(model_name_or_path=str(tmp_path))
    )
    assert ModelCard.load(tmp_path / "README.md").data.base_model is None
