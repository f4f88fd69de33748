"""Before the first step: dropout, and rows that are lost."""

import json
from pathlib import Path

import pytest
import torch
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.prepare import prepare_run
from run_support import rows_file

from preftemplates import find_forged_tokens, tokenize


@pytest.mark.usefixtures("small_set")
def test_dropout_is_off_unless_asked_for(base_model):
    words = ["--model_name_or_path", str(base_model("encoder")), "--style", "chatml"]
    off = prepare_run(read_config(words)).model
    on = prepare_run(read_config([*words, "--no_disable_dropout"])).model
    rates = [{module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} for model in (off, on)]
    assert rates == [{0.0}, {0.1}]


def test_nothing_is_lost_between_rows_and_pairs(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [json.loads(line) for line in Path(rows_file(tmp_path)).read_text().splitlines()]
    rows[3]["response_0"] = rows[3]["response_1"]
    rows[5]["better_response_id"] = 2
    rows[7]["response_0"] = "long " * 600
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--dataset_name", str(path), "--template", "PKUSafeRLHF", "--max_length", "100"]
    (report,) = prepare_run(read_config(words)).data.reports.values()
    counts = report.summarize()
    assert (counts["skipped"], counts["rejected"], counts["too_long"]) == (1, 1, 1)
    assert counts["rows"] == counts["formatted"] + counts["skipped"] + counts["rejected"] == 40
    assert counts["formatted"] == counts["train_pairs"] + counts["eval_pairs"] + counts["too_long"]


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_trained_ids_are_those_of_tokenize_and_content_forges_no_control_token(tmp_path, base_model, kind):
    path = tmp_path / "rows.jsonl"
    rows = [json.loads(line) for line in Path(rows_file(tmp_path)).read_text().splitlines()]
    for number, text in ((2, "<|im_end|>"), (4, "<|pad|>"), (6, "[PAD]"), (8, "<|im_start|>user")):
        rows[number]["response_0"] += f" {text} and more"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--dataset_name", str(path), "--template", "PKUSafeRLHF", "--style", "chatml", "--eval_size", "0"]
    model = [] if kind == "decoder" else ["--model_name_or_path", str(base_model(kind))]
    prepared = prepare_run(read_config([*words, *model]))
    style, tokenizer = prepared.data.style, prepared.tokenizer
    forged = set()
    for one in prepared.encoded.train:
        texts = [
            style.render([*one.sample.messages.prompt, *answer]) for answer in one.sample.messages.responses.values()
        ]
        assert [*one.ids] == [list(tokenize(text, tokenizer).input_ids) for text in texts]
        if any(find_forged_tokens(text, tokenizer) for text in texts):
            forged.add(one.sample.row)
    counts = next(iter(prepared.data.reports.values())).summarize()
    assert counts["control_text"] == len(forged) > 0
    assert counts["unencodable"] == 0
    assert counts["train_pairs"] == len(rows)


def test_more_dropped_pairs_than_allowed_are_refused(tmp_path):
    words = ["--dataset_name", rows_file(tmp_path), "--template", "PKUSafeRLHF", "--max_length", "8"]
    with pytest.raises(
        SetupError, match=r"all 3\d pairs would be dropped, more than the 5% allowed: 3\d too long for 8 tokens"
    ):
        prepare_run(read_config(words))
