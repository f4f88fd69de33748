"""One row has one reward: through our scorer, plain transformers, its pipeline, and TRL's trainers."""

import pytest
import torch
from datasets import Dataset
from floors import list_unmet
from preftemplates_train.data.demo import generate
from preftemplates_train.evaluation.score_file import score_rows
from preftemplates_train.evaluation.scorer import Scorer
from trainer_support import KINDS
from transformers import AutoModelForSequenceClassification, AutoTokenizer, LlamaConfig, LlamaForCausalLM, pipeline

from preftemplates import get_template
from preftemplates.data.reading import Record

trl = pytest.importorskip("trl")
UNMET = list_unmet("trl")

ROWS = generate()[1][:5]
TOLERANCE = {"rtol": 0, "atol": 1e-5}


def close(one, other):
    torch.testing.assert_close(torch.tensor(one), torch.tensor(other), **TOLERANCE)


@pytest.fixture(params=KINDS)
def folder(request, checkpoint):
    return checkpoint(request.param)


def conversations(row):
    """The chosen and the rejected conversation of a row of the generated set."""
    question = {"role": "user", "content": row["prompt"]}
    better = row["better_response_id"]
    return [[question, {"role": "assistant", "content": row[f"response_{number}"]}] for number in (better, 1 - better)]


@pytest.fixture
def ours(folder):
    """The rewards of the rows by our scorer, chosen before rejected."""
    rows = iter([Record(number, None, row) for number, row in enumerate(ROWS)])
    scored = list(score_rows(rows, get_template("PKUSafeRLHF"), Scorer(folder), "preference"))
    assert all(one.unscored is None for one in scored)
    return [reward for one in scored for reward in (one.rewards["chosen_reward"], one.rewards["rejected_reward"])]


def test_the_rewards_differ_from_row_to_row(ours):
    assert len({round(reward, 4) for reward in ours}) > len(ours) / 2


def test_plain_transformers(folder, ours):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    both = [conversation for row in ROWS for conversation in conversations(row)]
    batch = tokenizer.apply_chat_template(both, return_tensors="pt", padding=True, return_dict=True)
    with torch.no_grad():
        close(model(**batch).logits[:, 0].tolist(), ours)


def test_the_pipeline(folder, ours):
    scorer = pipeline("text-classification", model=str(folder))
    texts = [
        scorer.tokenizer.apply_chat_template(conversation, tokenize=False)
        for row in ROWS
        for conversation in conversations(row)
    ]
    close([found["score"] for found in scorer(texts)], ours)
    close([found["score"] for found in scorer(texts, batch_size=4, padding=True)], ours)
    assert {found["label"] for found in scorer(texts)} == {"reward"}


@pytest.mark.skipif(bool(UNMET), reason=f"TRL requires {', '.join(UNMET)}")
def test_trl_in_evaluation(folder, ours, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    rows = [dict(zip(("chosen", "rejected"), conversations(row), strict=True)) for row in ROWS]
    arguments = trl.RewardConfig(
        output_dir=str(tmp_path), report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False
    )
    trainer = trl.RewardTrainer(
        model=model, args=arguments, processing_class=tokenizer, train_dataset=Dataset.from_list(rows)
    )
    found = []
    for row in rows:
        figures = trainer.evaluate(Dataset.from_list([row]))
        mean, margin = figures["eval_mean_reward"], figures["eval_margin"]
        found += [mean + margin / 2, mean - margin / 2]
    close(found, ours)


def test_one_step_of_grpo(folder, checkpoint, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("decoder"))  # the policy's own, whatever the reward model's
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    policy = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **shape))
    arguments = trl.GRPOConfig(
        output_dir=str(tmp_path), report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False,
        per_device_train_batch_size=4, num_generations=4, max_completion_length=6, max_steps=1, logging_steps=1,
        log_completions=False,
    )  # fmt: skip
    prompts = [{"prompt": [{"role": "user", "content": row["prompt"]}]} for row in ROWS]
    trainer = trl.GRPOTrainer(
        model=policy, args=arguments, processing_class=tokenizer, reward_funcs=str(folder),
        train_dataset=Dataset.from_list(prompts),
    )  # fmt: skip
    asked = []
    calculate = trainer._calculate_rewards

    def seen(inputs, prompts, completions, *rest):
        asked.append((prompts, completions, calculate(inputs, prompts, completions, *rest)))
        return asked[-1][-1]

    trainer._calculate_rewards = seen
    trainer.train()
    ((prompts, completions, rewards),) = asked
    scorer = Scorer(folder)
    texts = [scorer.style.render([*one, *other]).text for one, other in zip(prompts, completions, strict=True)]
    assert len(set(texts)) > 1
    close(rewards[:, 0].tolist(), scorer.rewards(scorer.encode(texts)))


def test_the_special_tokens_stand_in_the_text_once(folder, checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(conversations(ROWS[0])[0], tokenize=False)
    ids = tokenizer(text)["input_ids"]
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    for token in {"decoder with BOS": ["<s>"], "encoder": ["[CLS]", "[SEP]"], "decoder": []}[
        next(kind for kind in KINDS if checkpoint(kind) == folder)
    ]:
        assert ids.count(tokenizer.convert_tokens_to_ids(token)) == 1
        assert text.count(token) == 1
