"""LoRA adapters on disk: written next to the merged model, and scored as it is, by this package and by peft."""

import json
import shutil

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, PeftModel
from preftemplates_train.data.demo import generate
from preftemplates_train.errors import ResumeError, SetupError
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.model.manifest import find_damage
from preftemplates_train.training.output_folder import check_output_folder
from run_support import on_rows
from safetensors.torch import load_file, save_file
from trainer_support import command, train_by
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from preftemplates import Style

TEXTS = [
    [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["response_0"]}]
    for row in generate(12, seed=5)[0]
]


def rewards_of(folder):
    scorer = Scorer(folder)
    return scorer.rewards(scorer.encode([scorer.style.render(text).text for text in TEXTS]))


def train_adapter(folder, base, *words):
    """A run of six steps with a checkpoint of each third: the folder of its model."""
    named = ["--model_name_or_path", str(base), "--use_peft", "--save_adapter", "--learning_rate", "1e-2"]
    return on_rows(folder, "--style", "chatml", "--save_steps", "3", *named, *words)[0].folder


WAYS = {
    "decoder": ("decoder with BOS", []),
    "encoder": ("encoder", []),
    "a new pad token": ("decoder with BOS", ["--pad_token", "<|filler|>"]),
    "a new pad token, embeddings adapted": (
        "decoder with BOS",
        ["--pad_token", "<|filler|>", "--lora_target_modules", "embed_tokens", "q_proj"],
    ),
    "a new pad token, embeddings trained whole": (
        "decoder with BOS",
        ["--pad_token", "<|filler|>", "--lora_modules_to_save", "embed_tokens"],
    ),
    "DoRA": ("decoder with BOS", ["--use_dora", "--use_rslora", "--lora_target_modules", "all-linear"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_adapter_and_the_last_checkpoint_give_the_rewards_of_the_merged_model(tmp_path, base_model, way):
    kind, words = WAYS[way]
    folder = train_adapter(tmp_path, base_model(kind), *words)
    merged = rewards_of(folder)
    assert max(merged) - min(merged) > 0.01
    assert rewards_of(folder / "adapter") == pytest.approx(merged, abs=1e-5)
    assert rewards_of(folder / "checkpoint-6") == pytest.approx(merged, abs=1e-5)
    assert rewards_of(folder / "checkpoint-3") != pytest.approx(merged, abs=1e-3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, base_model):
    """A run whose tokenizer got a new pad token: the folder of its model, and that of a base model of its own."""
    folder = tmp_path_factory.mktemp("trained")
    base = shutil.copytree(base_model("decoder with BOS"), folder / "base")
    return train_adapter(folder, base, "--pad_token", "<|filler|>"), base


@pytest.fixture
def adapter(trained, tmp_path):
    """A copy of the run's adapter, to be damaged."""
    return shutil.copytree(trained[0] / "adapter", tmp_path / "adapter")


def score_by(model, folder):
    """The rewards of plain transformers, text by text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [Style.from_tokenizer(tokenizer).render(text).text for text in TEXTS]
    with torch.no_grad():
        return [model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, 0].item() for text in texts]


def test_peft_loads_the_adapter_by_itself(trained):
    folder, base = trained
    assert json.loads((folder / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(base)
    merged = rewards_of(folder)
    by_peft = AutoPeftModelForSequenceClassification.from_pretrained(folder / "adapter", num_labels=1).eval()
    assert by_peft.get_input_embeddings().num_embeddings == len(AutoTokenizer.from_pretrained(folder))
    assert score_by(by_peft, folder / "adapter") == pytest.approx(merged, abs=1e-5)
    plain = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    added = PeftModel.from_pretrained(plain, folder / "adapter").eval()
    assert score_by(added, folder / "adapter") == pytest.approx(merged, abs=1e-5)


def test_the_adapter_holds_the_head_and_no_embeddings_that_are_not_trained(trained):
    names = load_file(trained[0] / "adapter" / "adapter_model.safetensors")
    assert {name.split(".")[-2] for name in names} == {"lora_A", "lora_B", "score"}
    files = {"adapter_config.json", "adapter_model.safetensors", "preftemplates.json", "chat_template.jinja"}
    assert {path.name for path in (trained[0] / "adapter").iterdir()} == {
        *files,
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_the_commands_score_with_an_adapter_and_with_the_checkpoints_of_both_kinds_of_run(trained, tmp_path):
    folder, _ = trained
    whole, _ = on_rows(tmp_path, "--save_steps", "3", "--style", "chatml")
    rows = str(tmp_path / "rows-40.jsonl")
    for model in (folder, whole.folder):
        written = {}
        for name in (".", "adapter", "checkpoint-6", "checkpoint-3"):
            out = tmp_path / "scored.jsonl"
            if (model / name).is_dir():
                assert command("score", rows, "--model", model / name, "--out", out)[0] == 0
                lines = [json.loads(line) for line in out.read_text().splitlines()]
                written[name] = [line["chosen_reward"] for line in lines]
                assert command("evaluate", rows, "--model", model / name)[0] == 0
        assert set(written) == {".", "checkpoint-6", "checkpoint-3", *(["adapter"] if model == folder else [])}
        earlier = written.pop("checkpoint-3")
        for rewards in written.values():
            assert rewards == pytest.approx(written["."], abs=1e-5)
        assert earlier != pytest.approx(written["."], abs=1e-5)


def test_a_base_model_that_has_moved_is_named_and_found_in_its_new_place(trained, adapter, tmp_path):
    _, base = trained
    expected = rewards_of(adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    for place in (tmp_path / "gone", base):
        (adapter / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": str(place)}))
        if place == base:
            assert rewards_of(adapter) == expected
        else:
            with pytest.raises(SetupError, match=f"on {place}, and this base model cannot be loaded: there is no dir"):
                Scorer(adapter)


def scale_weights(base):
    path = base / "model.safetensors"
    save_file({name: 1.3 * values for name, values in load_file(path).items()}, path, metadata={"format": "pt"})


def test_a_base_model_whose_weights_have_changed_is_an_error(trained, adapter, tmp_path):
    _, base = trained
    changed = shutil.copytree(base, tmp_path / "changed")
    scale_weights(changed)
    path = adapter / "adapter_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "base_model_name_or_path": str(changed)}))
    with pytest.raises(SetupError) as caught:
        Scorer(adapter)
    assert str(caught.value).startswith(
        f"{adapter} is a LoRA adapter on {changed}, whose weights have changed since the adapter was trained; restore"
    )
    assert "\n" not in str(caught.value)
    older = json.loads((adapter / "preftemplates.json").read_text())
    assert len(older.pop("base_weights")) == 64
    (adapter / "preftemplates.json").write_text(json.dumps(older))
    assert rewards_of(adapter), "a record of an older version has no hash, and the adapter still loads"


def test_a_run_is_not_continued_on_a_base_model_whose_weights_have_changed(tmp_path, base_model):
    base = shutil.copytree(base_model("decoder with BOS"), tmp_path / "base")
    folder = train_adapter(tmp_path, base)
    scale_weights(base)
    with pytest.raises(ResumeError, match="checkpoint-3 was written with other weights of the base model; restore"):
        train_adapter(tmp_path, base, "--resume_from_checkpoint", str(folder / "checkpoint-3"))


def edit(adapter, change):
    path = adapter / "adapter_model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


HEAD, LORA_B = "base_model.model.score.weight", "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"
DAMAGES = {
    "no head": (
        lambda weights: without(weights, HEAD),
        "adapter lacks the weights score.weight, and so does its base model; name the merged",
    ),
    "half an adapter": (
        lambda weights: without(weights, LORA_B),
        "lacks the weights model.layers.1.self_attn.q_proj.lora_B.weight; copy the checkpoint again",
    ),
    "a deeper model's": (
        lambda weights: {**weights, LORA_B.replace(".1.", ".7."): weights[LORA_B].clone()},
        "has weights for model.layers.7.self_attn.q_proj.lora_B.weight, which its base model lacks",
    ),
    "a wider model's": (
        lambda weights: {**weights, LORA_B: torch.zeros(40, 16)},
        "adapter cannot be added to its base model: Error",
    ),
    "not a number": (
        lambda weights: {**weights, LORA_B: weights[LORA_B] * float("nan")},
        "contain NaN or infinity",
    ),
}


def without(weights, name):
    return {other: value for other, value in weights.items() if other != name}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_adapter_that_does_not_fit_is_an_error(adapter, damage):
    change, message = DAMAGES[damage]
    edit(adapter, change)
    with pytest.raises(SetupError, match=message):
        Scorer(adapter)


def test_an_adapter_without_a_record_is_not_scored(adapter):
    (adapter / "preftemplates.json").unlink()
    with pytest.raises(
        SetupError, match=r"is not a reward model of preftemplates-train: preftemplates\.json: No such"
    ):
        Scorer(adapter)


def test_a_base_model_without_a_pooler_needs_it_in_the_adapter(tmp_path, base_model):
    base = shutil.copytree(base_model("encoder"), tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("pooler")}
    assert len(kept) == len(weights) - 2
    save_file(kept, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SetupError) as caught:
        train_adapter(tmp_path, base)
    fix = "--lora_modules_to_save bert.pooler.dense"
    lacks = f"save_adapter: {base} lacks the weights of bert.pooler.dense, and the adapter would lack them too"
    assert str(caught.value) == f"{lacks}; add {fix}"
    folder = train_adapter(tmp_path, base, *fix.split())
    assert rewards_of(folder / "adapter") == pytest.approx(rewards_of(folder), abs=1e-5)
    other = train_adapter(tmp_path, base, "--save_adapter", "false", "--output_dir", str(tmp_path / "other"))
    with pytest.raises(SetupError, match=r"checkpoint-6 lacks the weights bert\.pooler\.dense\.bias, and so does"):
        Scorer(other / "checkpoint-6")


# The output folder


def generated(folder, base, *words):
    """A run on the generated set, which may be repeated in its folder."""
    named = ["--model_name_or_path", str(base), "--output_dir", str(folder), "--style", "chatml", "--use_peft"]
    quick = ["--max_steps", "1", "--eval_strategy", "no", "--save_strategy", "no"]
    return train_by(*named, *quick, "--per_device_train_batch_size", "4", *words)


@pytest.mark.usefixtures("small_set")
def test_an_adapter_is_in_the_manifest_and_a_run_without_one_removes_it(tmp_path, base_model):
    base = base_model("decoder with BOS")
    _, text = generated(tmp_path, base, "--save_adapter")
    assert f"wrote {tmp_path}: the model, adapter, report.html," in text.replace("\n", " ")
    assert find_damage(tmp_path) is None
    generated(tmp_path, base, "--save_adapter")
    (tmp_path / "adapter" / "notes.txt").write_text("mine")
    generated(tmp_path, base)
    assert [path.name for path in (tmp_path / "adapter").iterdir()] == ["notes.txt"]
    (tmp_path / "adapter" / "notes.txt").unlink()
    generated(tmp_path, base, "--save_adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"mine")
    with pytest.raises(
        SetupError, match=r"contains adapter/adapter_model\.safetensors, which was not written by a run"
    ):
        generated(tmp_path, base)


@pytest.mark.parametrize("name", ["adapter", "adapter_config.json", "adapter/adapter_config.json"])
def test_no_adapter_of_anybody_else_is_replaced(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(SetupError, match=f"contains {name}, which was not written by a run"):
        check_output_folder(tmp_path, resuming=False)


@pytest.mark.usefixtures("small_set")
def test_the_folder_of_an_adapter_goes_with_its_last_file(tmp_path, base_model):
    base = base_model("decoder with BOS")
    generated(tmp_path, base, "--save_adapter")
    generated(tmp_path, base)
    assert not (tmp_path / "adapter").exists()
    assert find_damage(tmp_path) is None
