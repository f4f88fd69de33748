"""TRL reads what `preftemplates tokenize` writes: SFTTrainer and RewardTrainer keep its ids, and make the same.

DPOTrainer and KTOTrainer have no such input. They tokenize the messages of each dataset themselves, whatever columns
there are. So `convert` writes messages for them, and law 24 compares their ids with ours.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from floors import list_unmet
from support import run
from token_support import tokenizer_for_style

from preftemplates import get_style

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")
UNMET = list_unmet("trl")
pytestmark = pytest.mark.skipif(bool(UNMET), reason=f"TRL requires {', '.join(UNMET)}")


def say(*contents):
    return [
        {"role": role, "content": content} for role, content in zip(("user", "assistant") * 3, contents, strict=False)
    ]


def answer(content):
    return [{"role": "assistant", "content": content}]


ROWS = [
    {
        "prompt": say("Why?"), "chosen": answer("So."), "rejected": answer("Ünï 茶 {{ x }}"),
        "completion": answer("So."),
    },
    {
        "prompt": say("Hello", "Hello world", "Why?\n\nNow?"), "chosen": answer("Hello\n\n  world "),
        "rejected": answer("e\u0301👩‍🚀"), "completion": answer("Hello world, how do I keep basil alive?"),
    },
]  # fmt: skip


@pytest.fixture(params=["chatml", "llama3", "mistral-v3", "phi3"])
def tokenizer(request):
    made = tokenizer_for_style(request.param, adds_bos=True)
    made.chat_template = get_style(request.param).chat_template
    return made


@pytest.fixture
def write(tokenizer, tmp_path):
    """Writes the token ids of rows, and gives them as a dataset."""

    def call(format, *options, rows=ROWS):
        path, out, folder = tmp_path / "rows.jsonl", tmp_path / f"{format}.parquet", tmp_path / "tokenizer"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tokenizer.save_pretrained(folder)
        run("tokenize", path, "-t", "TRL-messages", "-f", format, "--tokenizer", folder, "-o", out, *options)
        return datasets.Dataset.from_parquet(str(out), cache_dir=str(tmp_path / "cache"))

    return call


def prepare_sft(dataset, tokenizer, tmp_path, **options):
    """Return the dataset that SFTTrainer prepares; the trainer asks for nothing but these attributes."""
    arguments = trl.SFTConfig(output_dir=str(tmp_path / "out"), use_cpu=True, bf16=False, report_to=[], **options)
    names = set(dataset.column_names)
    is_given = arguments.completion_only_loss
    completion_only = {"prompt", "completion"} <= names if is_given is None else is_given
    trainer = SimpleNamespace(completion_only_loss=completion_only, chat_template=None, _tokenizer=tokenizer)
    return trl.SFTTrainer._prepare_dataset(
        trainer, dataset, tokenizer, arguments, packing=False, formatting_func=None, dataset_name="train"
    )


def prepare_reward(dataset, tokenizer, tmp_path, **options):
    """Return the dataset that RewardTrainer prepares; it asks for no attribute of the trainer."""
    arguments = trl.RewardConfig(output_dir=str(tmp_path / "out"), use_cpu=True, bf16=False, report_to=[], **options)
    return trl.RewardTrainer._prepare_dataset(None, dataset, tokenizer, arguments, "train")


def fail(*_, **__):
    raise AssertionError("TRL tokenizes a dataset that has ids already")


@pytest.mark.parametrize("loss", [(), ("--no-stop",), ("--loss", "conversation"), ("--loss", "last")])
def test_sft_keeps_the_ids_and_trains_where_the_mask_is_one(write, tokenizer, tmp_path, monkeypatch, loss):
    written = write("supervised", *loss)
    monkeypatch.setattr("trl.trainer.sft_trainer._tokenize", fail)
    prepared = prepare_sft(written, tokenizer, tmp_path, max_length=None)
    assert prepared["input_ids"][:] == written["input_ids"][:]
    for row, labels in zip(written, prepared["labels"], strict=True):
        masked = [
            id if trained else -100 for id, trained in zip(row["input_ids"], row["assistant_masks"], strict=True)
        ]
        assert labels == masked
        assert any(label != -100 for label in labels)


def test_sft_with_completion_only_loss_trains_on_no_turn_of_the_prompt(write, tokenizer, tmp_path):
    written = write("supervised", "--loss", "conversation")
    prepared = prepare_sft(written, tokenizer, tmp_path, max_length=None, completion_only_loss=True)
    for row, labels in zip(written, prepared["labels"], strict=True):
        assert all(label == -100 for label in labels[: row["prompt_length"]])
        assert [label != -100 for label in labels] == [
            bool(one and other) for one, other in zip(row["assistant_masks"], row["completion_mask"], strict=True)
        ]


def test_sft_truncates_as_we_do(write, tokenizer, tmp_path):
    whole = write("supervised")
    limit = max(whole["length"]) - 2
    ours = write("supervised", "--max-length", limit, "--too-long", "truncate")
    theirs = prepare_sft(whole, tokenizer, tmp_path, max_length=limit)
    assert theirs["input_ids"][:] == ours["input_ids"][:]
    assert theirs["labels"][:] == prepare_sft(ours, tokenizer, tmp_path, max_length=None)["labels"][:]


def test_the_reward_trainer_keeps_the_ids(write, tokenizer, tmp_path, monkeypatch):
    written = write("preference")
    monkeypatch.setattr("trl.trainer.reward_trainer._tokenize", fail)
    prepared = prepare_reward(written, tokenizer, tmp_path, max_length=None)
    for name in ("chosen_ids", "rejected_ids"):
        assert prepared[name][:] == written[name][:]
    longest = [max(row["chosen_length"], row["rejected_length"]) for row in written]
    limit = max(longest) - 1
    assert min(longest) <= limit
    shorter = prepare_reward(written, tokenizer, tmp_path, max_length=limit)
    dropped = write("preference", "--max-length", limit)
    assert shorter["chosen_ids"][:] == dropped["chosen_ids"][:]


def test_the_ids_are_those_that_trl_makes_of_the_same_messages(write, tokenizer, tmp_path):
    pairs = datasets.Dataset.from_list([{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in ROWS])
    theirs, ours = prepare_reward(pairs, tokenizer, tmp_path, max_length=None), write("preference")
    for name in ("chosen_ids", "rejected_ids"):
        assert theirs[name][:] == ours[name][:]
    answers = datasets.Dataset.from_list([{key: row[key] for key in ("prompt", "completion")} for row in ROWS])
    theirs, ours = prepare_sft(answers, tokenizer, tmp_path, max_length=None), write("supervised")
    assert theirs["input_ids"][:] == ours["input_ids"][:]
    # TRL trains on all that follows the prompt, also on what the template writes after the end of the turn
    for labels, row in zip(theirs["labels"], ours, strict=True):
        trained = [label != -100 for label in labels]
        assert trained == [bool(one) for one in row["completion_mask"]]
        assert all(trained[at] for at, one in enumerate(row["assistant_masks"]) if one)


def test_margins_are_there_for_the_reward_trainer(tmp_path, tokenizer):
    path, out, folder = tmp_path / "rows.jsonl", tmp_path / "o.parquet", tmp_path / "tokenizer"
    path.write_text(
        json.dumps({"prompt": "q", "chosen": "a", "rejected": "b", "chosen_score": 3, "rejected_score": 1})
    )
    tokenizer.save_pretrained(folder)
    template = tmp_path / "scores.yaml"
    template.write_text(
        "name: scores\nrow: {prompt: str, chosen: str, rejected: str, chosen_score: int, rejected_score: int}\n"
        "preference:\n  prompt: '{{ prompt }}'\n  chosen: '{{ chosen }}'\n  rejected: '{{ rejected }}'\n"
        "  margin: '{{ chosen_score - rejected_score }}'\n"
    )
    run("tokenize", path, "-t", template, "--tokenizer", folder, "-o", out)
    dataset = datasets.Dataset.from_parquet(str(out), cache_dir=str(tmp_path / "cache"))
    assert prepare_reward(dataset, tokenizer, tmp_path, max_length=None)["margin"][:] == [2.0]
