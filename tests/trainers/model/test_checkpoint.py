"""A reward model on disk: what is loaded is what was trained."""

import json
import shutil

import pytest
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.model.checkpoint import CheckpointRecord, save_model
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.prepare import prepare_run
from trainer_support import KINDS, train_by

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


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_trained_is_what_is_loaded(kind, base_model, tmp_path):
    words = [] if base_model(kind) is None else ["--model_name_or_path", str(base_model(kind))]
    prepared = prepare_run(read_config([*words_for(tmp_path, "--style", "chatml"), *words]))
    folder = train_by(*words_for(tmp_path, "--style", "chatml"), *words)[0].folder
    scores = {one["row"]: one for one in map(json.loads, (folder / "scores.jsonl").read_text().splitlines())}
    scorer = Scorer(folder)
    for pair in prepared.encoded.held_out:
        assert scorer.encode([pair.sample.texts[0], pair.sample.texts[1]]) == [*pair.ids]
        one = scores[pair.sample.row]
        expected = [one["chosen_reward"], one["rejected_reward"]]
        assert scorer.rewards([*pair.ids]) == pytest.approx(expected, abs=1e-5)


def test_a_record_is_read_as_it_was_written(checkpoint, tmp_path):
    record = CheckpointRecord.read(checkpoint("decoder with BOS"))
    record.write(tmp_path)
    assert CheckpointRecord.read(tmp_path) == record
    assert record.special_tokens["written_by"] == "style"
    assert set(record.templates) == {"generated"}


def test_saving_over_an_older_checkpoint_leaves_no_chat_template_of_it(checkpoint, tmp_path):
    shutil.copy(checkpoint("decoder") / "chat_template.jinja", tmp_path)
    scorer = Scorer(checkpoint("decoder"))
    scorer.tokenizer.chat_template = None
    save_model(tmp_path, scorer.model, scorer.tokenizer, scorer.record)
    assert not (tmp_path / "chat_template.jinja").exists()
