"""`evaluate --write-temperature`: the record has the temperature, the manifest is true, rewards are the same."""

import json
import shutil
from dataclasses import replace

import pytest
from preftemplates_train.data.demo import generate
from preftemplates_train.errors import SetupError
from preftemplates_train.model import manifest
from preftemplates_train.model.checkpoint import RECORD_FILE, CheckpointRecord, write_temperature
from preftemplates_train.model.manifest import (
    MANIFEST_FILE,
    PENDING_FILE,
    explain_unreplaceable,
    find_damage,
    is_unchanged,
    read_manifest,
    write_manifest,
)
from preftemplates_train.training.resume import check_same_run
from score_support import lines, write
from trainer_support import command, refusal

PKU = ("--template", "PKUSafeRLHF")
ROWS = generate(20, seed=5)[0]


@pytest.fixture
def model(folder, tmp_path):
    """A copy of the checkpoint that may be written into."""
    return shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("checkpoint-*"))


@pytest.fixture
def source(folder, tmp_path):
    """Rows of which the model gets most right, and one wrong: that with the smallest margin."""
    path, out = write(tmp_path / "rows.jsonl", ROWS), tmp_path / "scored.jsonl"
    assert command("score", path, "--model", folder, *PKU, "--out", out)[0] == 0
    margins = [row["chosen_reward"] - row["rejected_reward"] for row in lines(out)]
    wrong = min(range(len(margins)), key=lambda number: abs(margins[number]))
    rows = [
        {**row, "better_response_id": row["better_response_id"] ^ (margin < 0) ^ (number == wrong)}
        for number, (row, margin) in enumerate(zip(ROWS, margins, strict=True))
    ]
    return write(tmp_path / "labelled.jsonl", rows)


def evaluated(source, model, *words):
    out = source.with_name("figures.json")
    code, said, err = command("evaluate", source, "--model", model, *PKU, *words, "--out", out)
    assert (code, err) == (0, "")
    return json.loads(out.read_text()), " ".join(said.split())


def list_content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_an_adapter_s_record_is_listed_by_the_manifest_of_the_run(model):
    adapter = model / "adapter"
    adapter.mkdir()
    shutil.copy(model / RECORD_FILE, adapter)
    (model / MANIFEST_FILE).unlink()
    write_manifest(model)
    assert explain_unreplaceable(adapter, RECORD_FILE) is None
    write_temperature(adapter, 2.5)
    assert CheckpointRecord.read(adapter).temperature == 2.5
    assert CheckpointRecord.read(model).temperature == 1
    assert find_damage(model) is None
    assert not (adapter / MANIFEST_FILE).exists()
    (adapter / RECORD_FILE).write_text("{}")
    assert explain_unreplaceable(adapter, RECORD_FILE) == f"adapter/{RECORD_FILE} has changed since it was written"


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_record_has_the_temperature_and_the_manifest_is_true(model, source):
    before, content = CheckpointRecord.read(model), list_content(model)
    found, said = evaluated(source, model, "--write-temperature")
    assert before.temperature == 1.0
    assert CheckpointRecord.read(model) == replace(before, temperature=found["temperature"])
    assert find_damage(model) is None
    after = list_content(model)
    assert {name for name in after if after[name] != content.get(name)} == {RECORD_FILE, MANIFEST_FILE}
    assert set(after) == set(content)
    assert f"wrote temperature {found['temperature']:.6g} to {model / RECORD_FILE}" in said


def test_the_next_evaluation_has_the_loss_with_it_and_the_same_rewards(model, source):
    first, said = evaluated(source, model, "--write-temperature")
    second, later = evaluated(source, model)
    assert "recorded temperature" not in said
    assert "recorded temperature" in later
    assert {**second, "recorded_temperature": 0} == {**first, "recorded_temperature": 0}
    assert first["recorded_temperature"]["loss"] == first["loss"]
    assert second["recorded_temperature"] == {
        "temperature": first["temperature"],
        "loss": pytest.approx(first["loss_at_temperature"]),
        "calibration_error": pytest.approx(first["calibration_error_at_temperature"]),
    }
    assert first["loss_at_temperature"] < first["loss"]
    assert second["accuracy"] == first["accuracy"]
    assert evaluated(source, model, "--write-temperature")[0]["temperature"] == first["temperature"]
    assert find_damage(model) is None


def test_without_a_best_temperature_nothing_is_written_and_the_figures_are(model, source, tmp_path):
    rows = [{**row, "better_response_id": 1 - row["better_response_id"]} for row in lines(source)]
    content, out = list_content(model), tmp_path / "figures.json"
    words = ("evaluate", write(tmp_path / "swapped.jsonl", rows), "--model", model, *PKU, "--out", out)
    code, said, err = command(*words, "--write-temperature")
    assert code == 2
    assert err.startswith(f"error: {words[1]}: no temperature is written to {model}: the mean margin is not above 0")
    assert json.loads(out.read_text())["temperature"] is None
    assert "no temperature beats chance" in " ".join(said.split())
    assert list_content(model) == content


def test_a_record_that_is_not_as_it_was_written_is_an_error_before_the_model_is_loaded(model, source, monkeypatch):
    """Planted: a record that somebody has edited would be listed as whole."""
    record = json.loads((model / RECORD_FILE).read_text())
    (model / RECORD_FILE).write_text(json.dumps({**record, "max_length": 7}))

    def load(*_, **__):
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("preftemplates_train.evaluation.evaluate_file.Scorer", load)
    said = refusal("evaluate", source, "--model", model, *PKU, "--write-temperature")
    assert said == (
        f"{model}: --write-temperature cannot write to this folder: {RECORD_FILE} has changed since it was written;"
        " use an intact copy of the model"
    )


# --- the record ------------------------------------------------------------------------------------------------------


def test_a_record_without_a_temperature_has_one_of_1(model):
    record = json.loads((model / RECORD_FILE).read_text())
    assert record.pop("temperature") == 1.0
    (model / RECORD_FILE).write_text(json.dumps(record))
    assert CheckpointRecord.read(model).temperature == 1.0


@pytest.mark.parametrize("temperature", [0, -1.5, float("inf"), float("nan")])
def test_a_temperature_that_is_not_above_0_is_no_record(model, temperature):
    record = json.loads((model / RECORD_FILE).read_text())
    (model / RECORD_FILE).write_text(json.dumps({**record, "temperature": temperature}))
    with pytest.raises(SetupError, match="temperature"):
        CheckpointRecord.read(model)


def test_a_run_continues_from_a_checkpoint_with_a_temperature(model):
    record = CheckpointRecord.read(model)
    check_same_run(record, replace(record, temperature=2.5), model)


# --- the manifest ----------------------------------------------------------------------------------------------------


def test_a_folder_without_a_manifest_gets_none(model):
    (model / MANIFEST_FILE).unlink()
    assert explain_unreplaceable(model, RECORD_FILE) is None
    write_temperature(model, 2.5)
    assert CheckpointRecord.read(model).temperature == 2.5
    assert not (model / MANIFEST_FILE).exists()


class KilledError(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("place", ["write_text", "sync_folder"])
def test_a_command_that_is_killed_leaves_a_file_that_a_manifest_lists(model, monkeypatch, place):
    """The next command finishes what was begun."""

    def kill(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(manifest, place, kill)
        with pytest.raises(KilledError):
            write_temperature(model, 2.5)
    assert (model / PENDING_FILE).exists()
    assert is_unchanged(model, RECORD_FILE)
    assert explain_unreplaceable(model, RECORD_FILE) is None
    write_temperature(model, 3.5)
    assert CheckpointRecord.read(model).temperature == 3.5
    assert find_damage(model) is None
    assert not (model / PENDING_FILE).exists()


def test_a_folder_that_a_run_has_half_written_is_left_alone(model):
    entries = read_manifest(model)
    entries["config.json"] = {"size": 1, "sha256": "0"}
    (model / PENDING_FILE).write_text(json.dumps({"files": entries}))
    assert explain_unreplaceable(model, RECORD_FILE) == "a run was stopped while it wrote the folder"
    (model / MANIFEST_FILE).write_text("{")
    assert explain_unreplaceable(model, RECORD_FILE) == f"{MANIFEST_FILE} is damaged"
