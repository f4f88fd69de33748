"""What a run measures is the folder that it saves: plain transformers gives its scores again."""

import json
from itertools import chain

import pytest
import torch
from preftemplates_train.data.demo import generate
from preftemplates_train.data.labelled_texts import read_labelled_texts
from preftemplates_train.evaluation.scorer import Scorer
from safetensors.torch import load_file
from trainer_support import train_by
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from preftemplates import Style, get_template

LORA = ["--use_peft", "--learning_rate", "1e-2"]
WAYS = {
    "float32": ([], torch.float32),
    "float32, evaluated in bfloat16": (["--bf16_full_eval", "--use_cpu"], torch.float32),
    "bfloat16": (["--dtype", "bfloat16", "--learning_rate", "1e-2"], torch.bfloat16),
    "LoRA": (LORA, torch.float32),
    "LoRA, dora": ([*LORA, "--use_dora"], torch.float32),
    "LoRA, bfloat16": ([*LORA, "--dtype", "bfloat16"], torch.bfloat16),
    "LoRA, evaluated in bfloat16": ([*LORA, "--bf16_full_eval", "--use_cpu"], torch.float32),
}
"""The options, and the type of the weights that they save."""

ALONE = {torch.float32: 1e-6, torch.bfloat16: 2**-8}
"""By how much a reward may differ from that of a batch, as a share of the largest: one rounding step."""


def score_plainly(folder, rows):
    """The margins of rows by transformers alone, each text by itself."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="auto").eval()
    template = get_template("PKUSafeRLHF").with_style(Style.from_tokenizer(tokenizer))
    pairs, _ = read_labelled_texts(rows, template)
    rewards = []
    for pair in pairs:
        with torch.no_grad():
            rewards.append(
                [model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, 0].item() for text in pair.texts]
            )
    return rewards


@pytest.mark.usefixtures("small_set")
@pytest.mark.parametrize("way", WAYS)
def test_the_saved_folder_gives_the_scores_that_were_written(tmp_path, base_model, way):
    words, dtype = WAYS[way]
    rows = [row for row in generate(60)[0] if row["response_0"] != row["response_1"]]
    files = {"rows": rows[20:], "held": rows[:20]}
    for name, of_file in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in of_file))
    outcome, _ = train_by(
        *words, "--model_name_or_path", str(base_model("decoder with BOS")), "--style", "chatml",
        "--dataset_name", str(tmp_path / "rows.jsonl"), "--eval_data", str(tmp_path / "held.jsonl"),
        "--template", "PKUSafeRLHF", "--max_steps", "6", "--per_device_train_batch_size", "4",
        "--eval_strategy", "no", "--save_strategy", "no", "--output_dir", str(tmp_path / "model"),
    )  # fmt: skip
    weights = load_file(outcome.folder / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {dtype}
    lines = [json.loads(line) for line in (outcome.folder / "scores.jsonl").read_text().splitlines()]
    written = [[line["chosen_reward"], line["rejected_reward"]] for line in lines]
    plain = score_plainly(outcome.folder, rows[:20])
    assert len(written) == len(plain) == 20
    size = max(abs(reward) for pair in plain for reward in pair)
    worst = max(abs(a - b) for one, two in zip(written, plain, strict=True) for a, b in zip(one, two, strict=True))
    print(f"{way}: the rewards differ by {worst:.1e}, of {size:.1e}")
    assert worst <= ALONE[dtype] * max(size, 1.0)
    again = Scorer(outcome.folder)
    pairs, _ = read_labelled_texts(rows[:20], again.adapt_template(get_template("PKUSafeRLHF")))
    found = again.rewards(again.encode([text for pair in pairs for text in pair.texts]))
    assert found == pytest.approx([*chain.from_iterable(written)], abs=ALONE[dtype] * max(size, 1.0))
