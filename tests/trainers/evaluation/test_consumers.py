"""One row has one reward: through our scorer, plain transformers, its pipeline, TRL's trainers, and CrossEncoder."""

import json
import shutil

import pytest
import torch
from datasets import Dataset
from floors import list_unmet
from preftemplates_train.data.demo import generate
from preftemplates_train.evaluation.score_file import score_rows
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.model.checkpoint import CheckpointRecord, hash_tokenizer
from run_support import equal, on_rows, weights
from serving_support import HEADS, MORE_MAKERS, train_kind
from trainer_support import KINDS, few_generated
from transformers import AutoModelForSequenceClassification, AutoTokenizer, LlamaConfig, LlamaForCausalLM, pipeline

from preftemplates import get_template
from preftemplates.data.reading import Record

trl = pytest.importorskip("trl")
UNMET = list_unmet("trl")

ROWS = generate()[1][:5]
TOLERANCE = {"rtol": 0, "atol": 1e-5}


def close(one, other):
    torch.testing.assert_close(torch.tensor(one), torch.tensor(other), **TOLERANCE)


@pytest.fixture(scope="module")
def served(checkpoint, tmp_path_factory):
    """From a kind to the folder of a reward model: Llama twice, BERT, Qwen 3, Gemma 3, or a head on one, cut."""
    made = {}

    def make(kind):
        if kind in KINDS:
            return checkpoint(kind)
        if kind not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("preftemplates_train.data.sources.generate", few_generated)
                made[kind] = train_kind(kind, tmp_path_factory.mktemp("served"))
                if kind in HEADS:
                    assert json.loads((made[kind] / "config.json").read_text())["num_hidden_layers"] == 1
        return made[kind]

    return make


@pytest.fixture(params=(*KINDS, *MORE_MAKERS, *HEADS))
def kind(request):
    return request.param


@pytest.fixture
def folder(kind, served):
    return served(kind)


def conversations(row):
    """The chosen and the rejected conversation of a row of the generated set."""
    question = {"role": "user", "content": row["prompt"]}
    better = row["better_response_id"]
    return [[question, {"role": "assistant", "content": row[f"response_{number}"]}] for number in (better, 1 - better)]


def score(folder, rows):
    """The rows of PKU-SafeRLHF's layout, scored by our scorer."""
    records = iter([Record(number, None, row) for number, row in enumerate(rows)])
    return list(score_rows(records, get_template("PKUSafeRLHF"), Scorer(folder), "preference"))


def change_json(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.fixture
def ours(folder):
    """The rewards of the rows by our scorer, chosen before rejected."""
    scored = score(folder, ROWS)
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


SPECIAL_TOKENS = {"decoder with BOS": ["<s>"], "encoder": ["[CLS]", "[SEP]"], "gemma3": ["<bos>"]}


def test_the_special_tokens_stand_in_the_text_once(kind, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(conversations(ROWS[0])[0], tokenize=False)
    ids = tokenizer(text)["input_ids"]
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    for token in SPECIAL_TOKENS.get(kind, []):
        assert ids.count(tokenizer.convert_tokens_to_ids(token)) == 1
        assert text.count(token) == 1


# --- sentence-transformers -----------------------------------------------------------------------------------------

CONTENT_ALONE = "{{ messages[0].content }}"
"""A chat template that writes the text of one message and nothing else."""


@pytest.fixture(scope="module")
def load():
    """Loads a checkpoint as a CrossEncoder."""
    cross_encoder = pytest.importorskip("sentence_transformers").CrossEncoder
    return lambda folder, **options: cross_encoder(str(folder), device="cpu", local_files_only=True, **options)


@pytest.fixture
def encoder(load, folder):
    return load(folder)


def both_of(rows):
    return [conversation for row in rows for conversation in conversations(row)]


def test_crossencoder_gives_conversations_their_rewards(encoder, ours):
    close(encoder.predict(both_of(ROWS)).tolist(), ours)
    close([float(encoder.predict(conversations(ROWS[0])[0]))], ours[:1])


def test_crossencoder_takes_rendered_texts_by_a_chat_template_that_writes_the_content_alone(load, folder, ours):
    scorer = Scorer(folder)
    texts = [scorer.style.render(one).text for one in both_of(ROWS)]
    encoder = load(folder, processor_kwargs={"chat_template": CONTENT_ALONE})
    close(encoder.predict([[{"role": "user", "content": text}] for text in texts]).tolist(), ours)
    close([float(encoder.predict(texts[0]))], ours[:1])


def test_crossencoder_takes_a_plain_text_for_a_user_turn(encoder, folder):
    scorer = Scorer(folder)
    (turn,) = scorer.encode([scorer.style.render([{"role": "user", "content": "Hello."}]).text])
    close([float(encoder.predict("Hello."))], scorer.rewards([turn]))


def test_crossencoder_takes_two_texts_for_one_pair_and_raises_an_error_on_three(load, served):
    encoder = load(served("decoder"))
    with pytest.raises(ValueError, match="cannot carry a 'query'/'document' pair"):
        encoder.predict(["Hi?", "Hello."])
    with pytest.raises(ValueError, match="Unsupported input type: list"):
        encoder.predict(["Hi?", "Hello.", "No."])


@pytest.mark.parametrize("kind", ["decoder", "decoder with BOS", "encoder", "gemma3"], indirect=True)
def test_crossencoder_raises_an_error_on_pairs_where_the_chat_template_knows_its_roles(encoder):
    with pytest.raises(ValueError, match="cannot carry a 'query'/'document' pair"):
        encoder.predict([("Hi?", "Hello."), ("Hi?", "No.")])
    with pytest.raises(ValueError, match="cannot carry a 'query'/'document' pair"):
        encoder.rank("Hi?", ["Hello.", "No."])


@pytest.mark.parametrize("kind", ["qwen3"], indirect=True)
def test_crossencoder_scores_other_texts_for_pairs_where_the_chat_template_writes_any_role(encoder, folder):
    scorer = Scorer(folder)
    turns = "<|im_start|>query\nHi?<|im_end|>\n<|im_start|>document\nHello.<|im_end|>\n"
    conversation = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]
    as_pair, reward = scorer.rewards(scorer.encode([turns, scorer.style.render(conversation).text]))
    close(encoder.predict([("Hi?", "Hello.")]).tolist(), [as_pair])
    close([encoder.rank("Hi?", ["Hello."])[0]["score"]], [as_pair])
    assert abs(as_pair - reward) > 1e-3


def test_crossencoder_ranks_answers_that_are_messages(encoder, folder):
    scorer = Scorer(folder)
    question = {"role": "user", "content": ROWS[0]["prompt"]}
    answers = [{"role": "assistant", "content": ROWS[0][f"response_{number}"]} for number in (0, 1)]
    rewards = scorer.rewards(scorer.encode([scorer.style.render([question, one]).text for one in answers]))
    ranked = encoder.rank(question, answers)
    assert [one["corpus_id"] for one in ranked] == sorted((0, 1), key=lambda number: -rewards[number])
    close([one["score"] for one in ranked], sorted(rewards, reverse=True))


def test_crossencoder_joins_pairs_of_a_checkpoint_without_a_chat_template(load, by_hand):
    encoder, scorer = load(by_hand), Scorer(by_hand)
    joined = scorer.rewards(scorer.encode(["Hi? Hello.", "Hi? No."]))
    close([float(encoder.predict("Hi? Hello."))], joined[:1])
    close(encoder.predict([("Hi?", " Hello."), ("Hi?", " No.")]).tolist(), joined)
    ranked = encoder.rank("Hi?", [" Hello.", " No."])
    close(sorted(one["score"] for one in ranked), sorted(joined))


def test_crossencoder_cuts_what_is_longer_than_trained_and_keeps_the_end_of_the_turn(load, cutting):
    change_json(cutting / "tokenizer_config.json", model_max_length=40)
    encoder, scorer = load(cutting), Scorer(cutting)
    assert encoder.max_seq_length == 40
    long = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello. " * 60}]
    (ids,) = scorer.encode([scorer.style.render(long).text])
    (cut,) = encoder.preprocess([long])["input_ids"].tolist()
    assert (len(cut), cut[:20], cut[-1]) == (40, ids[:20], ids[-1])
    close(encoder.predict([long]).tolist(), scorer.rewards([cut]))


# --- the files -----------------------------------------------------------------------------------------------------


def test_the_configuration_asks_for_no_activation(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["sentence_transformers"]["activation_fn"] == "torch.nn.modules.linear.Identity"
    assert config["problem_type"] == "regression"
    assert config["id2label"] == {"0": "reward"}


@pytest.fixture(params=[8, 5000])
def short_run(request, base_model, tmp_path):
    """A run with texts of up to 90 tokens, from a base model whose tokenizer has another length."""
    base = shutil.copytree(base_model("decoder with BOS"), tmp_path / "base")
    change_json(base / "tokenizer_config.json", model_max_length=request.param)
    words = ["--model_name_or_path", str(base), "--max_length", "90", "--style", "chatml", "--save_steps", "3"]
    return on_rows(tmp_path, *words)[0].folder


def test_the_saved_tokenizer_has_the_length_that_was_trained_on(short_run):
    assert json.loads((short_run / "tokenizer_config.json").read_text())["model_max_length"] == 90
    assert AutoTokenizer.from_pretrained(short_run).model_max_length == 90
    assert CheckpointRecord.read(short_run).tokenizer == hash_tokenizer(AutoTokenizer.from_pretrained(short_run))
    kept = [json.loads(line)["chosen_reward"] for line in (short_run / "scores.jsonl").read_text().splitlines()]
    held_out = [json.loads(line)["row"] for line in (short_run / "scores.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in next(short_run.parent.glob("rows*")).read_text().splitlines()]
    scored = score(short_run, [rows[number] for number in held_out])
    close([one.rewards["chosen_reward"] for one in scored], kept)


def test_a_checkpoint_of_the_run_is_served_as_the_model_is(short_run):
    checkpoint = short_run / "checkpoint-3"
    for file, key in (("tokenizer_config.json", "model_max_length"), ("config.json", "sentence_transformers")):
        values = [json.loads((folder / file).read_text())[key] for folder in (short_run, checkpoint)]
        assert values[0] == values[1]


def test_longer_texts_are_counted_by_score_and_not_cut(short_run):
    row = {"prompt": "Hi?", "response_0": "Hello. " * 60, "response_1": "No.", "better_response_id": 0}
    (scored,) = score(short_run, [row])
    assert scored.unscored == "too_long"
    scorer = Scorer(short_run)
    assert len(scorer.encode(["Hello. " * 60])[0]) > 90


def test_a_run_from_a_tokenizer_of_another_length_is_resumed(short_run):
    whole = weights(short_run)
    (short_run / "model.safetensors").unlink()
    words = ["--model_name_or_path", str(short_run.parent / "base"), "--max_length", "90", "--style", "chatml"]
    on_rows(short_run.parent, *words, "--save_steps", "3", "--resume_from_checkpoint", str(short_run / "checkpoint-3"))
    equal(weights(short_run), whole)
