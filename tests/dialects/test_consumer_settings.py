"""The configurations for axolotl and OpenRLHF say what the rows hold."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from preftemplates import get_dialect, get_template

KEEP = '#!{python}\nimport json, os, sys\njson.dump(sys.argv[1:], open(os.environ["KEPT"], "w"))\n'
TEMPLATE = "{{ messages }}\n\n\n"
"""Newlines at the end are of the template."""


def configure_axolotl(format, **more):
    text = get_dialect("axolotl").configure(format, config="run.yaml", rows="out/rows.jsonl", **more)
    return text, yaml.safe_load(text)


def start_openrlhf(folder, format, trainer=None, chat_template=True, **more):
    """The arguments with which the script starts OpenRLHF."""
    place = folder / 'it\'s "here" $HOME'
    place.mkdir(exist_ok=True)
    (place / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    for name in ("deepspeed", "python"):
        (folder / name).write_text(KEEP.format(python=sys.executable), encoding="utf-8")
        (folder / name).chmod(0o755)
    script = folder / "run.sh"
    paths = {"rows": place / "rows.jsonl", "chat_template": place / "chat_template.jinja" if chat_template else None}
    script.write_text(get_dialect("openrlhf").configure(format, config=script, **paths, **more), encoding="utf-8")
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "KEPT": str(folder / "kept")}
    env |= {"TRAINER": trainer} if trainer else {}
    subprocess.run(["bash", str(script), "--data.max_len", "9"], check=True, env=env)
    return json.loads((folder / "kept").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("format", "settings", "strategy"),
    [
        ("supervised", {}, "chat_template"),
        ("preference", {"rl": "dpo", "skip_prepare_dataset": True}, "passthrough.default"),
        ("unpaired", {"rl": "kto", "skip_prepare_dataset": True, "micro_batch_size": 2}, None),
    ],
)
def test_axolotl_reads_each_dataset_type_with_its_own_settings(format, settings, strategy):
    _, block = configure_axolotl(format, chat_template="chat_template.jinja")
    (entry,) = block.pop("datasets")
    assert block == {**settings, "chat_template": "jinja", "chat_template_jinja": "chat_template.jinja"}
    expected = {"path": "out/rows.jsonl", "ds_type": "json", "split": "train"}
    assert entry == (expected if strategy is None else {**expected, "type": strategy})
    _, own = configure_axolotl(format)
    assert own["chat_template"] == "tokenizer_default"
    assert "chat_template_jinja" not in own


def test_axolotl_trains_a_reward_model_after_the_change_that_the_configuration_names():
    text, _ = configure_axolotl("preference", keys=["prompt", "chosen", "rejected", "margin"])
    assert "DPO does not read it" in text
    block = yaml.safe_load(text.replace("rl: dpo", "reward_model: true"))
    assert "rl" not in block
    assert block["reward_model"] is True
    assert "margin" not in configure_axolotl("preference", keys=["prompt", "chosen", "rejected"])[0]


def test_axolotl_gets_tools_and_margins_with_the_rows():
    template = get_template("TRL-messages").with_dialect("axolotl")
    row = {
        "prompt": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Who?"}],
        "chosen": [{"role": "assistant", "content": "Here."}],
        "rejected": [{"role": "assistant", "content": "There."}],
    }
    row["prompt"].append({"role": "user", "content": "Me."})
    assert template.format(row, "preference") == row
    assert {"margin", "tools"} < set(template.dialect.keys("preference", ["margin", "tools"]))


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
@pytest.mark.parametrize(
    ("format", "module", "keys"),
    [
        ("preference", "openrlhf.cli.train_rm", ["--data.chosen_key", "chosen", "--data.rejected_key", "rejected"]),
        ("supervised", "openrlhf.cli.train_sft", ["--data.input_key", "input", "--data.output_key", "output"]),
    ],
)
def test_openrlhf_is_started_with_the_rows_and_the_chat_template(tmp_path, format, module, keys):
    rows = str(tmp_path / 'it\'s "here" $HOME' / "rows.jsonl")
    expected = ["--module", module, "--data.dataset", rows, *keys, "--data.apply_chat_template"]
    ending = ["--data.max_len", "9"]
    found = start_openrlhf(tmp_path, format, keys=["chosen"])
    assert found == [*expected, "--data.tokenizer_chat_template", TEMPLATE, *ending]
    assert start_openrlhf(tmp_path, format, chat_template=False, keys=["chosen"]) == [*expected, *ending]


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_openrlhf_learns_with_a_margin_where_there_is_one_and_its_trainer_reads_it(tmp_path):
    flag = "--model.margin_loss_enable"
    keys = ["chosen", "rejected", "margin"]
    assert flag in start_openrlhf(tmp_path, "preference", keys=keys)
    assert flag not in start_openrlhf(tmp_path, "preference", keys=keys[:2])
    dpo = start_openrlhf(tmp_path, "preference", trainer="dpo", keys=keys)
    assert dpo[1] == "openrlhf.cli.train_dpo"
    assert flag not in dpo


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_openrlhf_gets_answers_as_labels_and_no_chat_template_for_prompts(tmp_path):
    found = start_openrlhf(tmp_path, "prompt_only", keys=["input", "label"])
    assert found[:2] == ["-m", "openrlhf.cli.train_ppo_ray"]
    assert found[found.index("--data.label_key") + 1] == "label"
    assert "--data.tokenizer_chat_template" not in found
    assert "--data.label_key" not in start_openrlhf(tmp_path, "prompt_only", keys=["input"])
