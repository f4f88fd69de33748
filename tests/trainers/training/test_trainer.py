"""The trainer: the reward of a text does not depend on its batch, and every figure is of all pairs."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.collators import BranchCollator, PaddedCollator
from preftemplates_train.data.dataset import GroupDataset, SampleDataset
from preftemplates_train.data.encoding import LabelledTokens
from preftemplates_train.errors import NonFiniteError, SetupError
from preftemplates_train.evaluation import metrics
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.model.losses import bradley_terry, plackett_luce
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.training.prepare import prepare_run
from preftemplates_train.training.trainer import RewardTrainer
from trainer_support import KINDS
from transformers import EvalPrediction

TOLERANCE = {"rtol": 0, "atol": 1e-5}
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def scorer(checkpoint):
    """From a kind to a scorer of a reward model of that kind."""
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = Scorer(checkpoint(kind), batch_size=3)
        return made[kind]

    return make


def texts_of(scorer, lengths, seed):
    """Texts as ids, any but the pad token's; every other one ends with EOS, or with what stands in its place."""
    draw = torch.Generator().manual_seed(seed)
    pad, end = scorer.tokenizer.pad_token_id, scorer.tokenizer.eos_token_id or scorer.tokenizer.sep_token_id
    texts = []
    for number, length in enumerate(lengths):
        ids = torch.randint(len(scorer.tokenizer) - 1, (length,), generator=draw)
        ids += ids >= pad
        texts.append([*ids.tolist()[1:], end] if number % 2 else ids.tolist())
    return texts


def alone(scorer, ids):
    """The reward of a text in a batch of its own, without any padding."""
    with torch.no_grad():
        return scorer.model(input_ids=torch.tensor([ids])).logits[0, 0].item()


def by_trainer(model, batch):
    """The rewards of a batch, chosen texts before rejected ones, as the trainer reads them."""
    with torch.no_grad():
        rewards = RewardTrainer.rewards(None, model.eval(), batch)
    return rewards[batch["samples"]].T.flatten().tolist()


def batch_of(texts, pad):
    """The texts as the chosen sides of pairs, whose rejected sides are the same texts in another order."""
    pairs = zip(texts, texts[::-1], strict=True)
    return PaddedCollator(pad)([{"index": number, "samples": [{"ids": pair}]} for number, pair in enumerate(pairs)])


@pytest.mark.parametrize("kind", KINDS)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_law_14_padding_moves_no_reward(scorer, kind, lengths, seed):
    scorer = scorer(kind)
    texts = texts_of(scorer, lengths, seed)
    expected = torch.tensor([alone(scorer, ids) for ids in texts])
    torch.testing.assert_close(torch.tensor(scorer.rewards(texts)), expected, **TOLERANCE)
    trained = by_trainer(scorer.model, batch_of(texts, scorer.tokenizer.pad_token_id))
    torch.testing.assert_close(torch.tensor(trained), torch.cat([expected, expected.flip(0)]), **TOLERANCE)


@pytest.mark.parametrize("kind", KINDS[:2])
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_law_14_a_decoder_s_reward_is_read_at_the_last_token_of_the_text(scorer, kind, lengths, seed):
    scorer = scorer(kind)
    batch = batch_of(texts_of(scorer, lengths, seed), scorer.tokenizer.pad_token_id)
    with torch.no_grad():
        hidden = scorer.model.model(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        last = hidden[torch.arange(len(hidden)), batch["attention_mask"].sum(1) - 1]
        expected = scorer.model.score(last)[:, 0][batch["samples"]].T.flatten()
    torch.testing.assert_close(torch.tensor(by_trainer(scorer.model, batch)), expected, **TOLERANCE)


def mask_of_ones(batch):
    return {**batch, "attention_mask": torch.ones_like(batch["attention_mask"])}


def padded_left(batch):
    shifts = batch["attention_mask"].shape[1] - batch["attention_mask"].sum(1)
    rolled = [
        torch.stack([row.roll(int(shift)) for row, shift in zip(batch[name], shifts, strict=True)])
        for name in ("input_ids", "attention_mask")
    ]
    return {**batch, "input_ids": rolled[0], "attention_mask": rolled[1]}


@pytest.mark.parametrize("fault", [mask_of_ones, padded_left])
def test_law_14_a_planted_fault_in_the_batch_is_caught(scorer, fault):
    scorer = scorer("encoder")
    texts = texts_of(scorer, [4, 9, 30], 0)
    batch = fault(batch_of(texts, scorer.tokenizer.pad_token_id))
    moved = torch.tensor(by_trainer(scorer.model, batch)[:3]) - torch.tensor([alone(scorer, ids) for ids in texts])
    assert moved.abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS[:2])
def test_law_14_eos_that_pads_is_caught_by_where_the_reward_is_read(scorer, kind):
    scorer = scorer(kind)
    model, end = copy.deepcopy(scorer.model), scorer.tokenizer.eos_token_id
    model.config.pad_token_id = end
    texts = texts_of(scorer, [8, 8], 0)
    assert texts[1][-1] == end
    moved = [by_trainer(model, batch_of([ids], end))[0] - alone(scorer, ids) for ids in texts]
    assert moved[0] == pytest.approx(0, abs=1e-5)
    assert abs(moved[1]) > 1e-3


# Training


@pytest.fixture(scope="module")
def run():
    """All that a run on the generated set needs, with a small decoder."""
    return prepare_run(read_config(["--max_steps", "1"]))


def trainer_of(run, folder, pairs, layout="padded", **settings):
    """A trainer of a copy of the run's model that saves nothing."""
    quiet = {"output_dir": str(folder), "save_strategy": "no", "disable_tqdm": True, "max_grad_norm": 0.0}
    quiet |= {"lr_scheduler_type": "constant", "optim": "sgd", "dataloader_pin_memory": False}
    return RewardTrainer(
        model=copy.deepcopy(run.model),
        args=RewardConfig(**{**quiet, **settings}),
        data_collator=(
            BranchCollator(lambda *_: True) if layout == "branches" else PaddedCollator(run.tokenizer.pad_token_id)
        ),
        grouped=layout == "grouped",
        train_dataset=SampleDataset(pairs),
        eval_dataset=SampleDataset(pairs),
        processing_class=run.tokenizer,
    )


def margins_of(run, pairs):
    """The margins of the run's untrained model, each text alone."""
    with torch.no_grad():
        sides = [
            [run.model.eval()(input_ids=torch.tensor([ids])).logits[0, 0].item() for ids in one.ids] for one in pairs
        ]
    return np.array(sides)


@pytest.mark.parametrize("layout", ["branches", "grouped", "padded"])
def test_each_layout_gives_a_pair_the_margin_that_its_texts_have_alone(run, tmp_path, layout):
    pairs = run.encoded.train[:12]
    found = trainer_of(run, tmp_path, pairs, layout).predict(SampleDataset(pairs))
    scores = np.empty((len(pairs), 2))
    scores[found.label_ids] = found.predictions
    np.testing.assert_allclose(scores, margins_of(run, pairs), atol=1e-5)


def test_training_in_branches_is_training_on_padded_batches(run, tmp_path):
    trained = []
    for layout in ("branches", "padded"):
        trainer = trainer_of(
            run,
            tmp_path,
            run.encoded.train[:24],
            layout,
            learning_rate=0.1,
            max_steps=4,
            per_device_train_batch_size=6,
        )
        trainer.train()
        trained.append(dict(trainer.model.named_parameters()))
    for name, one in trained[0].items():
        torch.testing.assert_close(one, trained[1][name], rtol=0, atol=1e-5)
    moved = [(one - dict(run.model.named_parameters())[name]).abs().max() for name, one in trained[0].items()]
    assert max(moved) > 1e-3


def test_grouped_batches_are_of_pairs_of_about_one_length_and_of_every_pair(run, tmp_path):
    trainer = trainer_of(run, tmp_path, run.encoded.train, "grouped", per_device_train_batch_size=8)
    order = [*trainer._get_train_sampler()]
    lengths = trainer.train_dataset.lengths
    assert sorted(order) == [*range(len(lengths))]

    def spread(order):
        batches = [[lengths[number] for number in order[at : at + 8]] for at in range(0, len(order), 8)]
        return sum(max(batch) - min(batch) for batch in batches)

    assert spread(order) < 0.5 * spread(range(len(lengths)))


LABELLED = {
    "preference": lambda c, r: bradley_terry(c, r),
    "margin": lambda c, r: bradley_terry(c, r, margin=torch.tensor([2.0, 0.0, 0.5])),
    "probability": lambda c, r: bradley_terry(c, r, probability=torch.tensor([0.75, 1.0, 0.5])),
}


@pytest.mark.parametrize("layout", ["branches", "padded"])
@pytest.mark.parametrize("objective", LABELLED)
def test_the_loss_is_that_of_the_objective(run, tmp_path, objective, layout):
    labels = [{"margin": 2.0, "probability": 0.75}, {}, {"margin": 0.5, "probability": 0.5}]
    pairs = [one._replace(labels=known) for one, known in zip(run.encoded.train, labels, strict=False)]
    chosen, rejected = torch.tensor(margins_of(run, pairs), dtype=torch.float32).T
    trainer = trainer_of(run, tmp_path, pairs, layout, objective=objective)
    batch = trainer.data_collator([SampleDataset(pairs)[number] for number in range(3)])
    found = trainer.compute_loss(trainer.model.eval(), batch)
    torch.testing.assert_close(found, LABELLED[objective](chosen, rejected), rtol=0, atol=1e-5)


def test_smoothing_and_centring_are_added(run, tmp_path):
    pairs = run.encoded.train[:3]
    chosen, rejected = torch.tensor(margins_of(run, pairs), dtype=torch.float32).T
    trainer = trainer_of(run, tmp_path, pairs, label_smoothing_factor=0.1, center_rewards_coefficient=0.5)
    batch = trainer.data_collator([SampleDataset(pairs)[number] for number in range(3)])
    wanted = 0.9 * bradley_terry(chosen, rejected) + 0.1 * bradley_terry(rejected, chosen)
    wanted += 0.5 * (chosen + rejected).square().mean()
    torch.testing.assert_close(trainer.compute_loss(trainer.model.eval(), batch), wanted, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def rankings(run):
    """A ranking of four answers, with a tie, and one of two, as groups of pairs; and each answer's rank."""
    texts = [ids for pair in run.encoded.train[:3] for ids in pair.ids]
    ranks = [0, 1, 1, 3, 0, 1]
    groups = []
    for own in ((0, 1, 2, 3), (4, 5)):
        beaten = [(one, other) for one in own for other in own if ranks[one] < ranks[other]]
        groups.append(
            tuple(LabelledTokens(run.encoded.train[0].sample, (texts[one], texts[two]), {}) for one, two in beaten)
        )
    return groups, texts, ranks


@pytest.mark.parametrize("layout", ["branches", "padded"])
@pytest.mark.parametrize("objective", ["preference", "plackett_luce"])
def test_the_loss_of_rankings_is_the_mean_over_them(run, rankings, tmp_path, objective, layout):
    groups, texts, ranks = rankings
    trainer = trainer_of(run, tmp_path, run.encoded.train[:1], layout, objective=objective)
    batch = trainer.data_collator([GroupDataset(groups)[number] for number in range(2)])
    assert batch["sizes"] == (4, 2)
    found = trainer.compute_loss(trainer.model.eval(), batch)
    with torch.no_grad():
        rewards = torch.stack([run.model(input_ids=torch.tensor([ids])).logits[0, 0] for ids in texts])
    losses = []
    for own in (slice(0, 4), slice(4, 6)):
        if objective == "plackett_luce":
            losses.append(plackett_luce(rewards[None, own], torch.tensor([ranks[own]])))
        else:
            pairs = [(a, b) for a in range(own.start, own.stop) for b in range(own.stop) if b >= own.start]
            ahead = [rewards[a] - rewards[b] for a, b in pairs if ranks[a] < ranks[b]]
            losses.append(-torch.nn.functional.logsigmoid(torch.stack(ahead)).mean())
    torch.testing.assert_close(found, torch.stack(losses).mean(), rtol=0, atol=1e-5)


def test_pairs_apart_cost_more_tokens_than_their_ranking(rankings):
    groups, texts, _ = rankings
    collator = BranchCollator(lambda *_: True)
    together = collator([GroupDataset(groups[:1])[0]])
    apart = SampleDataset(groups[0])
    alone = collator([apart[number] for number in range(len(apart))])
    assert together["input_ids"].numel() <= sum(map(len, texts[:4])) < alone["input_ids"].numel()


def test_an_objective_that_no_pair_has_a_label_for_is_refused():
    with pytest.raises(SetupError, match="objective margin learns from the label margin, but no pair has one"):
        prepare_run(read_config(["--objective", "margin"]))


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_gradients_gathered_in_steps_are_those_of_one_big_batch(run, tmp_path, steps):
    pairs = run.encoded.train[:16]
    at_once = trainer_of(run, tmp_path, pairs, max_steps=2, learning_rate=1.0, per_device_train_batch_size=8)
    in_steps = trainer_of(
        run, tmp_path, pairs, max_steps=2, learning_rate=1.0, per_device_train_batch_size=8 // steps,
        gradient_accumulation_steps=steps,
    )  # fmt: skip
    for trainer in (at_once, in_steps):
        trainer.train()
    moved = 0.0
    for (name, one), other in zip(
        at_once.model.state_dict().items(), in_steps.model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6, msg=name)
        moved = max(moved, (one - run.model.state_dict()[name]).abs().max().item())
    assert moved > 1e-3


def test_what_is_logged_while_it_trains_is_of_the_pairs_since_the_last_time(run, tmp_path, monkeypatch):
    pairs, seen = run.encoded.train[:22], []
    rewards = RewardTrainer.rewards
    monkeypatch.setattr(
        RewardTrainer, "rewards", lambda *args: seen.append(args[2]["index"].tolist()) or rewards(*args)
    )
    trainer = trainer_of(
        run, tmp_path, pairs, num_train_epochs=1, learning_rate=0.0, logging_steps=2, per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
    )  # fmt: skip
    trainer.train()
    assert sorted(index for batch in seen for index in batch) == list(range(22))
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    sides = margins_of(run, pairs)
    assert len(logged) == 3
    for number, entry in enumerate(logged):
        of_these = np.concatenate(seen[4 * number : 4 * number + 4])
        margins = (sides[:, 0] - sides[:, 1])[of_these]
        assert entry["accuracy"] == pytest.approx(metrics.compute_accuracy(margins)[0])
        assert entry["margin"] == pytest.approx(margins.mean(), abs=1e-5)
        if len(of_these) % 4 == 0:  # of the others transformers means over steps of unequal sizes
            assert entry["loss"] == pytest.approx(metrics.compute_log_loss(margins), abs=1e-4)


@pytest.mark.parametrize("size", [1, 5, 8, 100])
def test_an_evaluation_is_of_all_pairs_whatever_the_batches(run, tmp_path, size):
    pairs = run.encoded.held_out[:13]
    found = trainer_of(run, tmp_path, pairs, per_device_eval_batch_size=size).evaluate()
    sides = margins_of(run, pairs)
    expected = metrics.summarize_rewards(sides[:, 0], sides[:, 1])
    assert {f"eval_{name}" for name in expected} <= set(found)
    assert found["eval_accuracy"] == expected["accuracy"]
    for name, value in expected.items():
        assert found[f"eval_{name}"] == pytest.approx(value, abs=1e-5), name


def test_a_tie_counts_one_half_in_training_and_in_evaluation(run, tmp_path):
    trainer = trainer_of(
        run, tmp_path, run.encoded.train[:8], max_steps=1, learning_rate=0.0, logging_steps=1, eval_strategy="steps",
        eval_steps=1,
    )  # fmt: skip
    trainer.model.score.weight.data.zero_()
    trainer.train()
    training, evaluation = trainer.state.log_history[:2]
    assert (training["accuracy"], training["margin"]) == (evaluation["eval_accuracy"], 0.0) == (0.5, 0.0)
    assert [training["loss"], evaluation["eval_loss"]] == pytest.approx([np.log(2)] * 2)


def test_a_score_that_is_not_finite_names_its_pairs(run, tmp_path):
    scores = np.array([[1.0, 0.0], [np.nan, 0.0], [0.0, -np.inf]])
    trainer = trainer_of(run, tmp_path, run.encoded.train[:1])
    with pytest.raises(NonFiniteError, match=r"the held-out pairs \[4, 9\] are not finite"):
        trainer.compute_metrics(EvalPrediction(predictions=scores, label_ids=np.array([3, 4, 9])))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"dataloader_drop_last": True}, "dataloader_drop_last must be false: evaluations would also drop samples"),
        (
            {"eval_do_concat_batches": False},
            "eval_do_concat_batches must be true: the metrics are computed from all scores",
        ),
        ({"train_sampling_strategy": "group_by_length"}, "train_sampling_strategy must be random or sequential"),
    ],
)
def test_arguments_that_would_be_ignored_or_make_figures_wrong_are_refused(run, tmp_path, setting, said):
    with pytest.raises(SetupError, match=said):
        trainer_of(run, tmp_path, run.encoded.train[:4], **setting)


def test_nothing_is_summed_in_a_precision_that_apple_s_devices_lack(run, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "double", None)
    trainer = trainer_of(run, tmp_path, run.encoded.train[:4], max_steps=1, logging_steps=1, learning_rate=0.0)
    trainer.train()
    assert "accuracy" in trainer.state.log_history[0]
