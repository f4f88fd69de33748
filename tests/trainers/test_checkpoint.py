"""A reward model on disk: nobody's is written over, what is loaded is what was trained, and the card is true."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from preftemplates_train.card import write_card
from preftemplates_train.checkpoint import Record, check_reload, check_writable, refuse_taken, save_model
from preftemplates_train.config import RewardConfig, read_config
from preftemplates_train.errors import SetupError
from preftemplates_train.scorer import Scorer
from preftemplates_train.train import prepare
from support import HOMEWORK
from tokenizers import processors
from trainer_support import KINDS, command, refusal, train_by
from transformers import AutoTokenizer, LlamaConfig

QUICK = ["--max_steps", "2", "--eval_strategy", "no", "--per_device_train_batch_size", "4", "--logging_steps", "1"]


def rows_file(folder, number=12):
    path = folder / "rows.jsonl"
    rows = [
        {"prompt": f"q{n}", "response_0": f"good {n}", "response_1": "bad", "better_response_id": 0}
        for n in range(number)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def words_for(folder, *more):
    return [*QUICK, "--dataset_name", str(rows_file(folder)), "--template", "PKUSafeRLHF",
            "--output_dir", str(folder / "run"), *more]  # fmt: skip


def everything(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*")}


# The folder of a run


def test_a_model_that_somebody_trained_is_not_written_over(tmp_path):
    train_by(*words_for(tmp_path))
    before = everything(tmp_path / "run")
    said = refusal(*words_for(tmp_path))
    assert said == f"{tmp_path / 'run'} holds a model; name another --output_dir, or add --resume_from_checkpoint last"
    assert everything(tmp_path / "run") == before


def test_checkpoints_of_a_run_that_was_stopped_are_not_written_over(tmp_path):
    train_by(*words_for(tmp_path))
    for path in (tmp_path / "run").iterdir():
        if path.is_file():
            path.unlink()
    said = refusal(*words_for(tmp_path))
    assert said.startswith(f"{tmp_path / 'run' / 'checkpoint-2'} holds a model; name another --output_dir")
    train_by(*words_for(tmp_path, "--resume_from_checkpoint", "last"))
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_the_generated_set_may_be_trained_on_again_and_nothing_of_the_older_run_stays(tmp_path, small_set):
    words = [*QUICK, "--save_strategy", "no", "--output_dir", str(tmp_path)]
    train_by(*words, "--style", "chatml")
    assert (tmp_path / "chat_template.jinja").exists()
    train_by(*words, "--template", str(HOMEWORK))
    assert not (tmp_path / "chat_template.jinja").exists()
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template is None
    assert Record.read(tmp_path).style is None


def test_another_s_files_in_the_folder_are_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoint-5").mkdir()
    refuse_taken(tmp_path)
    refuse_taken(tmp_path / "not there")


def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "run").write_text("mine")
    said = refusal("--dataset_name", "gone.jsonl", "--template", "PKUSafeRLHF", "--output_dir", tmp_path / "run")
    assert said == f"output_dir {tmp_path / 'run'} cannot be written: {tmp_path / 'run'}: Not a directory"
    said = refusal("--output_dir", tmp_path / "run" / "deep" / "er")
    assert said.endswith(f"{tmp_path / 'run'}: Not a directory")
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    (tmp_path / "run").mkdir(mode=0o555)
    with pytest.raises(SetupError, match=r"cannot be written: .*run: Permission denied"):
        check_writable(tmp_path / "run" / "new")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder here that even root cannot write to")
def test_a_folder_that_nobody_can_write_to_is_refused():
    with pytest.raises(SetupError, match="output_dir /proc/new cannot be written: /proc: "):
        check_writable(Path("/proc/new"))


def test_a_folder_that_can_be_written_to_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable(Path("new/folder"))
    check_writable(Path("."))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_refused_writes_nothing(tmp_path):
    for more in (["--pad_token", "<|im_end|>"], ["--max_length", "5"], ["--style", "none such"]):
        refusal(*words_for(tmp_path, "--style", "chatml", *more))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


# What is loaded again


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_trained_is_what_is_loaded(kind, base_model, tmp_path):
    words = [] if base_model(kind) is None else ["--model_name_or_path", str(base_model(kind))]
    prepared = prepare(read_config([*words_for(tmp_path, "--style", "chatml"), *words]))
    folder = train_by(*words_for(tmp_path, "--style", "chatml"), *words)[0].folder
    scores = {one["row"]: one for one in map(json.loads, (folder / "scores.jsonl").read_text().splitlines())}
    scorer = Scorer(folder)
    for pair in prepared.encoded.held_out:
        assert scorer.encode([pair.pair.chosen, pair.pair.rejected]) == [pair.chosen_ids, pair.rejected_ids]
        one = scores[pair.pair.row]
        expected = [one["chosen_reward"], one["rejected_reward"]]
        assert scorer.rewards([pair.chosen_ids, pair.rejected_ids]) == pytest.approx(expected, abs=1e-5)


def test_a_tokenizer_that_is_another_one_when_it_is_loaded_again_is_refused_before_the_first_step(
    base_model, monkeypatch
):
    tokenizer = AutoTokenizer.from_pretrained(base_model("decoder with BOS"))
    config = LlamaConfig()
    check_reload(tokenizer, config, ["How?"])
    load = AutoTokenizer.from_pretrained

    def faulty(*names, **options):
        loaded = load(*names, **options)
        loaded.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
        return loaded

    monkeypatch.setattr("preftemplates_train.checkpoint.AutoTokenizer.from_pretrained", faulty)
    with pytest.raises(SetupError, match="the tokenizer gives other ids when it is loaded again"):
        check_reload(tokenizer, config, ["How?"])


def test_a_run_looks_for_such_a_fault_before_its_first_step(tmp_path, monkeypatch):
    def fault(tokenizer, config, texts):
        assert all(text.endswith(("good", "bad")) or "good " in text for text in texts)
        raise SetupError("looked")

    monkeypatch.setattr("preftemplates_train.train.check_reload", fault)
    with pytest.raises(SetupError, match="looked"):
        prepare(read_config(words_for(tmp_path)))


def test_a_record_is_read_as_it_was_written(checkpoint, tmp_path):
    record = Record.read(checkpoint("decoder with BOS"))
    record.write(tmp_path)
    assert Record.read(tmp_path) == record
    assert record.special_tokens["written_by"] == "style"
    assert set(record.templates) == {"generated"}


def test_saving_over_an_older_checkpoint_leaves_no_chat_template_of_it(checkpoint, tmp_path):
    shutil.copy(checkpoint("decoder") / "chat_template.jinja", tmp_path)
    scorer = Scorer(checkpoint("decoder"))
    scorer.tokenizer.chat_template = None
    save_model(tmp_path, scorer.model, scorer.tokenizer, scorer.record)
    assert not (tmp_path / "chat_template.jinja").exists()


# The card

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
def test_the_code_of_the_card_runs(kind, checkpoint, tmp_path, monkeypatch, small_set):
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
    record = Record.read(checkpoint("decoder"))
    folder = tmp_path / name
    folder.mkdir()
    source = {**SOURCE, "name": name, "template": name}
    write_card(folder, {**FOUND, "data": [source]}, record, RewardConfig(model_name_or_path=name))
    card = ModelCard.load(folder / "README.md")
    assert card.data.base_model == name
    assert card.text.isprintable() or set(filter(lambda char: not char.isprintable(), card.text)) == {"\n"}
    (row,) = [line for line in card.text.splitlines() if line.endswith("| 1 | 1 | 0 | 0 | 1 | 0 |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 9
    (code,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    compile(code, "card", "exec")
    assert f"from_pretrained({name!r})" in code


def test_a_card_says_what_was_measured(checkpoint, tmp_path):
    record = Record.read(checkpoint("decoder"))
    text = {}
    for number, found in enumerate((FOUND, {**FOUND, "pairs": 1.0, "accuracy_stderr": float("nan")}, {"data": []})):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_card(folder, found, record, RewardConfig())
        text[number] = ModelCard.load(folder / "README.md").text
    assert "| accuracy (a tie is one half) | 0.800 ± 0.100 |" in text[0]
    assert '| accuracy of "the longer answer wins" | 0.600 |' in text[0]
    assert "first listed" not in text[0]
    assert "| accuracy (a tie is one half) | 0.800 |" in text[1]
    assert "nan" not in text[1]
    assert "Nothing was held out." in text[2]


def test_a_model_on_this_machine_is_no_base_model_of_the_hub(checkpoint, tmp_path):
    write_card(tmp_path, FOUND, Record.read(checkpoint("decoder")), RewardConfig(model_name_or_path=str(tmp_path)))
    assert ModelCard.load(tmp_path / "README.md").data.base_model is None


def test_the_command_ends_with_0_and_names_what_it_wrote(tmp_path):
    code, out, _ = command(*words_for(tmp_path))
    assert code == 0
    assert out.splitlines()[-1] == f"wrote {tmp_path / 'run'}: the model, report.html, metrics.json, scores.jsonl"
