"""OpenRLHF: the ids that its training commands hold, started by the written script.

The script runs with a `deepspeed` and a `python` that keep its arguments. The command's own module parses these and
makes its dataset; the model, the ranks and the engines, which need accelerators, are in place of the real ones.
"""

import asyncio
import contextlib
import functools
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

import datasets
from job import run

ABSENT = ("deepspeed", "flash_attn", "vllm")
KEEP = """\
#!{python}
import json, os, sys
json.dump(sys.argv[1:], open(os.environ["KEPT"], "w"))
"""


class AbsentModule(ModuleType):
    """A module that this environment has not, and that the data do not need."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return mock.MagicMock()


class AbsentFinder:
    """Finds the modules that this environment has not."""

    def find_spec(self, name, _path=None, _target=None):
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in ABSENT else None

    def create_module(self, spec):
        return AbsentModule(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(AbsentFinder())

from openrlhf.trainer import ppo_trainer  # noqa: E402
from openrlhf.utils import agent, utils  # noqa: E402


def in_this_process(method):
    """A method of a dataset without eight other processes for a few rows."""

    @functools.wraps(method)
    def call(*args, **options):
        return method(*args, **{**options, "num_proc": None})

    return call


datasets.Dataset.map = in_this_process(datasets.Dataset.map)


class Held(Exception):  # noqa: N818  it carries a dataset
    """The dataset that a command has made."""

    def __init__(self, dataset):
        super().__init__()
        self.dataset = dataset


class Strategy:
    """What the commands ask of DeepSpeed's strategy before they train."""

    def __init__(self, args):
        self.args = args

    def setup_distributed(self):
        pass

    def get_ds_train_config(self, **_):
        return {}

    get_ds_eval_config = get_ds_train_config

    def is_rank_0(self):
        return False

    def print(self, *_):
        pass

    def setup_dataloader(self, dataset, *_, **__):
        raise Held(dataset)


class Trainer:
    """The trainer for PPO, up to its prompts."""

    @staticmethod
    def remote(pretrain, strategy, *_, **__):
        fast = not strategy.args.data.disable_fast_tokenizer
        ppo_trainer.prepare_datasets(strategy, utils.get_tokenizer(pretrain, None, "left", strategy, use_fast=fast))


def run_script(job):
    """The module and the arguments that the script starts."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("deepspeed", "python"):
            path = Path(folder) / name
            path.write_text(KEEP.format(python=sys.executable), encoding="utf-8")
            path.chmod(0o755)
        kept = Path(folder) / "kept.json"
        model = "actor" if job["format"] == "prompt_only" else "model"
        options = [f"--{model}.model_name_or_path", job["tokenizer"], "--data.max_len", "100000"]
        if job["format"] == "prompt_only":
            options += ["--reward.remote_url", "none"]
        env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "KEPT": str(kept)}
        if job["variant"]:
            env["TRAINER"] = job["variant"].lower()
        subprocess.run(["bash", job["config"], *options], check=True, env=env)
        _, module, *arguments = json.loads(kept.read_text(encoding="utf-8"))
    return module, arguments


def hold_dataset(job):
    """The dataset that the command makes of the script's arguments."""
    module, arguments = run_script(job)
    written = Path(job["tokenizer"]) / "chat_template.jinja"
    if job["format"] != "prompt_only" and written.exists():
        written.unlink()  # the script gives it
    with contextlib.ExitStack() as stack:
        patch = lambda target, value: stack.enter_context(mock.patch(target, value))  # noqa: E731
        patch("sys.argv", [module, *arguments])
        patch("openrlhf.utils.get_strategy", Strategy)
        model = SimpleNamespace(config=SimpleNamespace(), model=SimpleNamespace(config=SimpleNamespace()))
        if job["format"] == "prompt_only":
            for name in ("init", "get", "is_initialized"):
                patch(f"ray.{name}", mock.MagicMock())
            patch("openrlhf.trainer.ppo_trainer.PPOTrainer", Trainer)
            for name in ("RayActorGroup", "create_vllm_engines"):
                patch(f"{find_home(name)}.{name}", mock.MagicMock())
        else:
            for name in ("get_llm_for_sequence_regression", "Actor"):
                patch(f"openrlhf.models.{name}", lambda *_, **__: model)
        try:
            runpy.run_module(module, run_name="__main__")
        except Held as held:
            return held.dataset
    raise AssertionError("the command made no dataset")


def find_home(name):
    """The module from which the command for PPO imports a name."""
    homes = ("openrlhf.trainer.ray", "openrlhf.trainer.ray.launcher", "openrlhf.trainer.ray.vllm_engine")
    return next(home for home in homes if hasattr(importlib.import_module(home), name))


def tokenize_prompt(dataset, number):
    """The ids with which the engine is called for a prompt."""
    _, prompt, label, _ = dataset[number]
    ids = []

    class Engine:
        async def generate(self, prompt_token_ids, *_, **__):
            ids.extend(prompt_token_ids)
            raise Held(None)

    executor = agent.SingleTurnAgentExecutor("none")
    with contextlib.suppress(Held):
        limits = SimpleNamespace(max_tokens=None)
        asyncio.run(executor.execute(prompt, label, limits, 100000, dataset.tokenizer, Engine()))
    return {"ids": {"prompt": ids}} | ({"answer": label} if label else {})


def read(job):
    dataset = hold_dataset(job)
    for number in range(len(dataset)):
        if job["format"] == "prompt_only":
            yield tokenize_prompt(dataset, number)
        elif job["format"] == "supervised":
            yield {"ids": {"completion": dataset[number][0][0].tolist()}}
        else:
            chosen, _, rejected, _, extra = dataset[number]
            margin = {} if job["variant"] else {"margin": extra}
            yield {"ids": {"chosen": chosen[0].tolist(), "rejected": rejected[0].tolist()}} | margin


if __name__ == "__main__":
    run("openrlhf", read)
