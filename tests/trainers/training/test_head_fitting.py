"""`--train head`: a linear head on a frozen model, which everybody loads as a smaller model of its kind."""

import json
import shutil

import pytest
import torch
from classifiers import make_classifier
from preftemplates_train.data.demo import generate
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.heads import feature_cache
from preftemplates_train.heads.frozen_head import check_feature_memory
from preftemplates_train.model.features import FeatureReader
from preftemplates_train.model.tiny import train_tiny_tokenizer
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.environment import check_environment
from preftemplates_train.training.head_fitting import describe_fitted_head
from score_support import write
from trainer_support import WORDS, encoder, refusal, train_by
from transformers import AutoModelForSequenceClassification

from preftemplates.errors import PrefTemplatesError

KINDS = {
    "Llama": "LlamaForSequenceClassification",
    "Qwen3": "Qwen3ForSequenceClassification",
    "Gemma 3": "Gemma3TextForSequenceClassification",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """From a kind to the folder of an untrained model of six layers, or of two for the encoder."""
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("base") / "model"
            if kind == "BERT":
                encoder(made[kind])
            else:
                tokenizer = train_tiny_tokenizer(WORDS, 600)
                tokenizer.save_pretrained(made[kind])
                shape = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
                shape |= {"initializer_range": 0.3, "max_position_embeddings": 256}
                make_classifier(KINDS[kind], **shape).save_pretrained(made[kind])
        return made[kind]

    return make


@pytest.fixture
def words(tmp_path, small_set):  # noqa: ARG001  a fixture for its effect
    return ["--train", "head", "--style", "chatml", "--output_dir", str(tmp_path / "out")]


@pytest.mark.parametrize("kind", [*KINDS, "BERT"])
def test_the_checkpoint_is_the_first_layers_of_the_model_with_another_head(kind, base, words, tmp_path):
    result, printed = train_by(*words, "--model_name_or_path", str(base(kind)))
    head = result.metrics["head"]
    assert f"head: fitted on layer {head['layer']} of {head['layers']}" in printed
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    whole = AutoModelForSequenceClassification.from_pretrained(base(kind))
    assert saved.config.num_hidden_layers == head["layer"] <= head["layers"] == whole.config.num_hidden_layers
    heads = ("score", "classifier")
    frozen = {name: value for name, value in saved.state_dict().items() if not name.startswith(heads)}
    embeddings = frozen.pop(next(name for name in frozen if "word_embeddings" in name or "embed_tokens" in name))
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in frozen.items())
    known = whole.get_input_embeddings().weight
    assert torch.equal(embeddings[: len(known)], known)
    assert result.metrics["parameters"] == sum(weights.numel() for weights in saved.parameters())


def test_the_head_learns_what_its_features_tell(base, words):
    """Words tell nothing in the generated set, but position and order of random layers tell a little."""
    result, _ = train_by(*words, "--model_name_or_path", str(base("Llama")))
    validation = result.metrics["head"]["validation"]
    best = min((one for one in validation if one["smooth_loss"] is not None), key=lambda one: one["smooth_loss"])
    head = result.metrics["head"]
    assert (head["layer"], head["penalty"]) == (best["layer"], best["penalty"])


def test_the_saved_rewards_are_those_of_the_fit(base, words, tmp_path, monkeypatch):
    """The head on features gives the rewards that the saved model gives texts."""
    fitted = {}
    install = "preftemplates_train.training.head_fitting.install_head"
    from preftemplates_train.heads.frozen_head import install_head

    def keep(model, head, depth):
        fitted.update(head=head, depth=depth)
        install_head(model, head, depth)

    monkeypatch.setattr(install, keep)
    train_by(*words, "--model_name_or_path", str(base("Llama")))
    scorer = Scorer(tmp_path / "out")
    conversations = [[{"role": "user", "content": word}] for word in ("Hi", "How do I?")]
    ids = scorer.encode([scorer.style.text(one, add_generation_prompt=False) for one in conversations])
    whole = AutoModelForSequenceClassification.from_pretrained(base("Llama"))
    (features,) = FeatureReader(whole, [fitted["depth"]], int(scorer.tokenizer.pad_token_id)).read([ids])
    weights = fitted["head"].head.weights
    rewards = torch.tensor(scorer.rewards(ids), dtype=torch.float64)
    expected = features[:, 0].double() @ weights
    torch.testing.assert_close(rewards, expected, rtol=0, atol=1e-5 * float(weights.norm()))


def test_a_run_that_is_killed_goes_on_with_the_features_it_has(base, words, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "GROUPS_PER_FILE", 50)
    read, calls = FeatureReader.read, []

    def stop_at_the_third(self, groups):
        calls.append(len(groups))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(self, groups)

    model = ["--model_name_or_path", str(base("Llama")), "--baselines", "none"]
    with monkeypatch.context() as patch:
        patch.setattr(FeatureReader, "read", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            train_by(*words, *model)
    result, printed = train_by(*words, *model)
    assert result.metrics["head"]["groups_from_cache"] == 100
    assert "100 prompts from the cache" in printed
    assert not (tmp_path / "out" / ".features").exists()
    unbroken, _ = train_by(*words, *model, "--output_dir", str(tmp_path / "unbroken"))
    assert unbroken.metrics["head"]["validation"] == result.metrics["head"]["validation"]
    assert unbroken.metrics["loss"] == result.metrics["loss"]


def test_a_cache_is_shared_by_runs_and_knows_other_weights_and_rows(base, words, tmp_path):
    cache = ["--feature_cache", str(tmp_path / "cache"), "--baselines", "none"]
    model = ["--model_name_or_path", str(base("Llama"))]
    first, _ = train_by(*words, *model, *cache)
    again, _ = train_by(*words, *model, *cache, "--output_dir", str(tmp_path / "again"))
    assert first.metrics["head"]["groups_from_cache"] == again.metrics["head"]["groups_computed"] == 0
    assert first.metrics["loss"] == again.metrics["loss"]
    other = ["--model_name_or_path", str(base("Qwen3"))]
    changed, _ = train_by(*words, *other, *cache, "--output_dir", str(tmp_path / "changed"))
    assert changed.metrics["head"]["groups_from_cache"] == 0


@pytest.mark.parametrize("kind", ["Llama", "BERT"])
def test_the_seed_changes_no_feature(kind, base, words, tmp_path):
    """It draws the head and the embedding of a new pad token, which no feature depends on."""
    rows = ["--dataset_name", str(write(tmp_path / "rows.jsonl", generate(60)[0])), "--template", "PKUSafeRLHF"]
    common = [*words, *rows, "--baselines", "none", "--feature_cache", str(tmp_path / "cache"), "--eval_size", "0"]
    common += ["--model_name_or_path", str(base(kind)), "--pad_token", "<|new|>"]
    train_by(*common, "--seed", "1")
    result, _ = train_by(*common, "--seed", "2", "--output_dir", str(tmp_path / "second"))
    assert result.metrics["head"]["groups_computed"] == 0


def test_other_rows_are_computed_and_the_same_ones_are_not(base, words, tmp_path):
    """Folds of a cross-validation share most of their rows, whatever their order."""
    rows = generate(120)[0]
    held_out = ["--eval_data", str(write(tmp_path / "held_out.jsonl", generate(40, seed=1)[1][:20]))]
    common = [*words, "--template", "PKUSafeRLHF", "--model_name_or_path", str(base("Llama")), *held_out]
    common += ["--feature_cache", str(tmp_path / "cache"), "--baselines", "none"]
    first = ["--dataset_name", str(write(tmp_path / "first.jsonl", rows[:80]))]
    second = ["--dataset_name", str(write(tmp_path / "second.jsonl", rows[:39:-1]))]
    train_by(*common, *first)
    result, _ = train_by(*common, *second, "--output_dir", str(tmp_path / "second"))
    kept = {tuple(sorted(row.items())) for row in rows[40:80]}
    assert result.metrics["head"]["groups_from_cache"] >= len(kept) - 2
    assert result.metrics["head"]["groups_computed"] <= 40


def test_a_damaged_file_of_the_cache_is_computed_again(base, words, tmp_path):
    cache = ["--feature_cache", str(tmp_path / "cache"), "--baselines", "none"]
    model = ["--model_name_or_path", str(base("Llama"))]
    first, _ = train_by(*words, *model, *cache)
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    again, _ = train_by(*words, *model, *cache, "--output_dir", str(tmp_path / "again"))
    assert again.metrics["head"]["groups_from_cache"] == 0
    assert again.metrics["loss"] == first.metrics["loss"]


RANKING = """
from preftemplates import Ranked, RowModel, Template, register_template


@register_template("Ranking-of-three")
class RankingOfThree(Template):
    class Row(RowModel):
        question: str
        answers: list[str]
        order: list[float]

    ranked = Ranked(prompt="{{ question }}", completions="{{ answers }}", ranks="{{ order }}")
"""


@pytest.mark.parametrize("objective", ["preference", "plackett_luce"])
def test_rankings_are_fitted_whole(objective, base, words, tmp_path):
    rows = [
        {"question": f"Is {n} even?", "answers": [f"Yes {n}.", f"No {n}.", "I doubt."], "order": [n % 2, 1 - n % 2, 2]}
        for n in range(60)
    ]
    template = tmp_path / "ranking.py"
    template.write_text(RANKING)
    data = ["--dataset_name", str(write(tmp_path / "rows.jsonl", rows)), "--template", str(template)]
    result, _ = train_by(*words, *data, "--objective", objective, "--model_name_or_path", str(base("Llama")))
    assert result.metrics["head"]["groups_computed"] == 54


def test_what_cannot_be_is_one_line(base, tmp_path):
    rows = write(tmp_path / "rows.jsonl", generate(40)[0])
    data = ["--dataset_name", rows, "--template", "PKUSafeRLHF", "--output_dir", tmp_path / "out"]
    assert refusal("--train", "head", *data) == (
        "--train head needs a pretrained model; name one with --model_name_or_path"
    )
    model = ["--train", "head", "--model_name_or_path", base("Llama"), "--style", "chatml", *data]
    assert "expected numbers from 1 to 6" in refusal(*model, "--head_layers", "7")
    assert "learning_rate has no effect with --train head" in refusal(*model, "--learning_rate", "1e-3")
    assert "use_peft has no effect with --train head" in refusal(*model, "--use_peft")
    assert "head_layers has no effect without --train head" in refusal(*data, "--head_layers", "2")


def test_features_that_do_not_fit_into_memory_are_an_error_before_they_are_computed():
    with pytest.raises(
        SetupError, match=r"take 12\.2 GiB, more than half of the machine's 16\.0 GiB; name fewer layers"
    ):
        check_feature_memory(100_000, 8, 4096, memory=16 * 2**30)
    check_feature_memory(50_000, 8, 4096, memory=16 * 2**30)


def test_several_processes_are_an_error(base, tmp_path, monkeypatch):
    monkeypatch.setattr("preftemplates_train.settings.config.RewardConfig.world_size", 2)
    words = ["--train", "head", "--model_name_or_path", str(base("Llama")), "--output_dir", str(tmp_path / "out")]
    with pytest.raises(SetupError, match="--train head runs in one process; start it without torchrun"):
        check_environment(read_config(words))


def test_an_encoder_whose_head_would_read_random_features_is_named(tmp_path, words):
    folder = tmp_path / "roberta"
    tokenizer = train_tiny_tokenizer(WORDS, 600)
    tokenizer.save_pretrained(folder)
    shape = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "max_position_embeddings": 300}
    make_classifier("RobertaForSequenceClassification", **shape).roberta.save_pretrained(folder)
    with pytest.raises(PrefTemplatesError, match=r"RobertaForSequenceClassification applies before its last layer"):
        train_by(*words, "--model_name_or_path", str(folder))


def test_a_trained_reward_model_may_be_the_frozen_one(base, words, tmp_path):
    train_by(*words, "--model_name_or_path", str(base("Llama")), "--head_layers", "4")
    first = json.loads((tmp_path / "out" / "metrics.json").read_text())
    shutil.move(tmp_path / "out", tmp_path / "first")
    train_by(*words, "--model_name_or_path", str(tmp_path / "first"), "--head_layers", "4")
    again = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert first["head"]["validation"] == again["head"]["validation"]
    assert first["loss"] == pytest.approx(again["loss"], abs=1e-6)


def test_the_line_of_a_head_names_what_cross_validation_has_chosen():
    def describe(*tried):
        losses = [{"layer": layer, "penalty": 1.0, "loss": 0.5, "smooth_loss": 0.5} for layer in tried]
        figures = {"layer": 4, "layers": 6, "penalty": 1.0, "seconds": 2.0, "groups_from_cache": 0}
        return describe_fitted_head({**figures, "validation": losses})

    beginning = "head: fitted on layer 4 of 6, penalty 1, "
    assert describe(3, 4, 4) == f"{beginning}both chosen by cross-validation; 2.0 s of CPU time"
    assert describe(4, 4) == f"{beginning}the penalty chosen by cross-validation; 2.0 s of CPU time"
    assert describe() == (
        f"{beginning}neither chosen by cross-validation, for which there are too few prompts; 2.0 s of CPU time"
    )


def test_the_report_of_a_head_names_no_setting_of_training_steps(base, words, tmp_path):
    model = ["--model_name_or_path", str(base("Llama")), "--baselines", "none", "--head_layers", "4"]
    train_by(*words, *model)
    page = (tmp_path / "out" / "report.html").read_text()
    assert not [
        name for name in ("learning_rate", "lr_scheduler_type", "num_train_epochs", "batch_size") if name in page
    ]
    assert "head_layers" in page
    assert "Fit of the head" in page
    assert "Choice of the layer" not in page
