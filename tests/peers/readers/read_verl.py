"""verl: the ids of its datasets, and those that its rollout makes of prompts, as the written script sets them up."""

import contextlib
import copy
import functools
import os
import runpy
import sys
from importlib import import_module
from pathlib import Path
from unittest import mock

import hydra
import transformers
from job import attempt, run
from omegaconf import OmegaConf
from verl.utils.config import omega_conf_to_dataclass
from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder

LONG = 100_000
COMMANDS = {"prompt_only": "main_ppo", "supervised": "sft_trainer"}
STARTS = {"prompt_only": "run_ppo", "supervised": "run_sft"}


def make_model(job):
    """A model folder with the tokenizer of the job."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["tokenizer"])
    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "num_hidden_layers": 1}
    config = transformers.LlamaConfig(
        architectures=["LlamaForCausalLM"],
        eos_token_id=tokenizer.eos_token_id,
        hidden_size=64,
        num_attention_heads=4,
        **facts,
    )
    config.save_pretrained(job["tokenizer"])


@functools.cache
def compose_once(name, options):
    """The configuration that Hydra composes, which takes two seconds each time."""
    return compose(name, list(options))


def compose_for(name, options):
    """The same with the model of the job, which alone is another one each time."""
    (path,) = (option for option in options if ".path=" in option)
    key, value = path.split("=", 1)
    config = copy.deepcopy(compose_once(name, tuple(option for option in options if option != path)))
    OmegaConf.update(config, key, value)
    return config


compose = hydra.compose
hydra.compose = compose_for


def find_config(job):
    """The configuration with which the script starts a run."""
    make_model(job)
    kind = job["format"]
    if kind == "prompt_only":
        options = [f"actor_rollout_ref.model.path={job['tokenizer']}", "actor_rollout_ref.rollout.name=vllm"]
        options += ["actor_rollout_ref.actor.use_dynamic_bsz=True", "critic.enable=False"]
    else:
        options = [f"model.path={job['tokenizer']}", f"data.max_length={LONG}"]
    with (
        mock.patch(f"verl.trainer.{COMMANDS[kind]}.{STARTS[kind]}") as start,
        mock.patch.object(sys, "argv", [job["config"], *options]),
    ):
        runpy.run_path(job["config"], run_name="__main__")
    return start.call_args.kwargs.get("config") or start.call_args.args[0]


def read_prompts(job):
    """The prompts of a rollout, and the reward that the run gives the answers that the rows have."""
    from verl.trainer.ppo.reward import get_custom_reward_fn
    from verl.trainer.ppo.utils import create_rl_dataset

    config = find_config(job)
    score = get_custom_reward_fn(config)
    model = omega_conf_to_dataclass(config.actor_rollout_ref.model)
    rows = create_rl_dataset(config.data.train_files, config.data, model.tokenizer, model.processor)
    options = config.data.get("apply_chat_template_kwargs", {})
    builder = create_continuous_token_builder(
        model.tokenizer, hf_model_type=model.hf_config.model_type, chat_template_kwargs=options
    )
    for number in range(len(rows)):
        row = rows[number]
        got = attempt(lambda row=row: {"ids": {"prompt": builder.build_initial_tokens(row["raw_prompt"])}})
        truth = row["reward_model"]["ground_truth"]
        if truth:
            answer = f"#### {truth}" if row["data_source"] == "openai/gsm8k" else truth
            reward = score(data_source=row["data_source"], solution_str=answer, ground_truth=truth)
            got |= {"answer": truth} if reward == 1.0 else {"error": f"a right answer has the reward {reward}"}
        yield got


def read_conversations(job):
    """The ids of the dataset for supervised training."""
    create = import_module("verl.trainer.sft_trainer").create_sft_dataset
    config = find_config(job)
    model = omega_conf_to_dataclass(config.model)
    rows = create(config.data.train_files, config.data, model.tokenizer, model.processor)
    for number in range(len(rows)):
        yield attempt(lambda number=number: {"ids": {"completion": rows[number]["input_ids"].tolist()}})


def read_pairs(job):
    """The ids of the dataset for reward models."""
    rows = runpy.run_path(job["config"])["load_pairs"](job["tokenizer"], max_length=LONG)
    for number in range(len(rows)):
        row = rows[number]
        sides = [ids[mask.bool()].tolist() for ids, mask in zip(row["input_ids"], row["attention_mask"], strict=True)]
        yield {"ids": dict(zip(("chosen", "rejected"), sides, strict=True))}


READERS = {"prompt_only": read_prompts, "supervised": read_conversations, "preference": read_pairs}


def read(job):
    os.chdir(Path(job["rows"]).parent)
    with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):
        yield from READERS[job["format"]](job)


if __name__ == "__main__":
    run("verl", read)
