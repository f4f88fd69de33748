"""Compare reward training with TRL's, on the same pairs, weights and dtype, in one process.

    python benchmarks/reward_training.py                    # a Llama of 4 layers, 400 pairs of HH harmless
    python benchmarks/reward_training.py --model DIRECTORY  # a checkpoint, such as SmolLM2's
    python benchmarks/reward_training.py --ratios           # prompts and answers of drawn tokens, of many lengths
    python benchmarks/reward_training.py --quick            # does it run?

Each contestant trains for the same number of steps from the same weights, one after the other, round by round. The
comparison is between the CPU times of the steps within a round, on one thread. TRL's RewardTrainer runs with its
defaults (gradient checkpointing), in its best way (pairs of similar length together, no checkpointing), and on the
same batches as ours, whose losses are then equal. Before anything is timed, the rewards and gradients of the layout
are compared with those of a padded batch.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import torch
from datasets import Dataset
from preftemplates_train.data.branches import ComputeCost, count_shared_tokens
from preftemplates_train.data.collators import BranchCollator, PaddedCollator
from preftemplates_train.data.dataset import SampleDataset
from preftemplates_train.data.encoding import LabelledTokens
from preftemplates_train.data.labelled_texts import read_labelled_texts
from preftemplates_train.model.attention import explain_no_branches
from preftemplates_train.model.tiny import train_tiny_tokenizer
from preftemplates_train.training.trainer import RewardTrainer
from reward_training_docs import write
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaConfig,
    LlamaForSequenceClassification,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging
from trl import RewardConfig as TrlConfig
from trl import RewardTrainer as TrlTrainer

from preftemplates import get_template
from preftemplates.data.reading import open_rows

MAX_LENGTH = 1024
BATCH = 8


@dataclass
class Steps(TrainerCallback):
    """The CPU time, the losses and the memory of a run's steps."""

    begun: float = 0.0
    seconds: float = 0.0
    level: int = 0
    peak: int = 0
    losses: list[float] = field(default_factory=list)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002  the signature of transformers' callbacks
        """Start the clock; at the second step, also start to watch memory."""
        if state.global_step == 1:
            self.level = _memory(reset=True)
        self.begun = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002  the signature of transformers' callbacks
        """Add the step's time."""
        self.seconds += time.process_time() - self.begun
        self.peak = _memory() - self.level

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002  the signature of transformers' callbacks
        """Record the loss."""
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))


def _memory(reset: bool = False) -> int:
    """Return the current resident memory if `reset`, else the highest since then; 0 if that is unknown."""
    try:
        if reset:
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # return freed memory to the system first
            Path("/proc/self/clear_refs").write_text("5")
        name = "VmRSS:" if reset else "VmHWM:"
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    except (OSError, StopIteration, AttributeError):
        return 0


Maker = Callable[[Any, Sequence[LabelledTokens], Any, dict[str, Any]], Any]


def trl(**own: Any) -> Maker:
    """Return a function that makes TRL's trainer with these settings."""

    def make(model: Any, pairs: Sequence[LabelledTokens], tokenizer: Any, common: dict[str, Any]) -> Any:
        rows = [{"chosen_ids": pair.ids[0], "rejected_ids": pair.ids[1], "length": _longer(pair)} for pair in pairs]
        config = TrlConfig(**{**common, "max_length": None, **own})
        return TrlTrainer(model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)

    return make


def ours(share: bool = True, grouped: bool = False) -> Maker:
    """Return a function that makes our trainer, with shared prefixes or padded and grouped by length."""

    def make(model: Any, pairs: Sequence[LabelledTokens], tokenizer: Any, common: dict[str, Any]) -> Any:
        is_shared = ComputeCost.from_model(model).is_sharing_cheaper if share else lambda *_: False
        return RewardTrainer(
            model=model,
            args=TrainingArguments(**common, remove_unused_columns=False),
            data_collator=PaddedCollator(tokenizer.pad_token_id) if grouped else BranchCollator(is_shared),
            grouped=grouped,
            train_dataset=SampleDataset(pairs),
            processing_class=tokenizer,
        )

    return make


GROUPED = {
    "train_sampling_strategy": "group_by_length",
    "length_column_name": "length",
    "remove_unused_columns": False,
}
CONTESTANTS: dict[str, Maker] = {
    "TRL, defaults": trl(),
    "TRL, grouped, no checkpointing": trl(gradient_checkpointing=False, **GROUPED),
    "TRL, same batches, no checkpointing": trl(gradient_checkpointing=False),
    "branches": ours(),
    "branches, nothing shared": ours(share=False),
    "padded, grouped": ours(grouped=True),
}
BASE = "branches"


def _longer(pair: LabelledTokens) -> int:
    return max(len(pair.ids[0]), len(pair.ids[1]))


def read(arguments: argparse.Namespace) -> tuple[list[LabelledTokens], Any, Any]:
    """Return the pairs, the tokenizer and the model."""
    template = get_template(arguments.template)
    texts, _ = read_labelled_texts(open_rows(arguments.data), template)
    if arguments.model:
        tokenizer = AutoTokenizer.from_pretrained(arguments.model)
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.unk_token or tokenizer.eos_token
        dtype = getattr(torch, arguments.dtype)
        model = AutoModelForSequenceClassification.from_pretrained(arguments.model, num_labels=1, dtype=dtype)
    else:
        tokenizer = train_tiny_tokenizer((text for pair in texts for text in pair.texts), 8000)
        set_seed(0)
        shape = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4, "num_attention_heads": 4}
        model = LlamaForSequenceClassification(
            LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=MAX_LENGTH, num_labels=1, **shape)
        ).to(getattr(torch, arguments.dtype))
    model.config.pad_token_id = tokenizer.pad_token_id
    ids = tokenizer([text for pair in texts for text in pair.texts])["input_ids"]
    pairs = [
        LabelledTokens(pair, two, {}) for pair, two in zip(texts, zip(ids[::2], ids[1::2], strict=True), strict=True)
    ]
    fitting = [pair for pair in pairs if _longer(pair) <= MAX_LENGTH and tokenizer.pad_token_id not in pair.ids[0]]
    return fitting[: arguments.pairs], tokenizer, model


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread, so that CPU time is work and not waiting."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def exactness(model: Any, pairs: Sequence[LabelledTokens], pad_id: int) -> tuple[float, float]:
    """Return by how much shared prefixes move a reward and, relatively, a gradient of a padded batch in fp32."""
    model = deepcopy(model).float().eval()
    features = [SampleDataset(pairs)[number] for number in range(min(BATCH, len(pairs)))]
    found = []
    for collator in (PaddedCollator(pad_id), BranchCollator(lambda *_: True)):
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(folder, report_to="none", use_cpu=True, remove_unused_columns=False)
            trainer = RewardTrainer(model=model, args=arguments, data_collator=collator)
            chosen, rejected = trainer.scores(model, collator(features)).unbind(1)
        model.zero_grad()
        torch.nn.functional.softplus(rejected - chosen).mean().backward()
        gradients = {name: weights.grad for name, weights in model.named_parameters() if weights.grad is not None}
        found.append((torch.cat([chosen, rejected]).detach(), {name: one.clone() for name, one in gradients.items()}))
    (rewards, wanted), (moved, gradients) = found
    greatest = max(float(one.abs().max()) for one in wanted.values())
    apart = max(float((gradients[name] - one).abs().max()) for name, one in wanted.items())
    return float((rewards - moved).abs().max()), apart / greatest


def tokens(pairs: Sequence[LabelledTokens]) -> dict[str, float]:
    """Count the tokens per pair in each layout: random batches, grouped by length, without padding, shared."""
    total = [len(pair.ids[0]) + len(pair.ids[1]) for pair in pairs]
    shared = [count_shared_tokens([*pair.ids]) for pair in pairs]
    order = sorted(pairs, key=_longer)
    padded = {
        name: sum(
            2 * max(map(_longer, some[at : at + BATCH])) * len(some[at : at + BATCH])
            for at in range(0, len(some), BATCH)
        )
        for name, some in (("random batches", pairs), ("grouped by length", order))
    }
    found = {**padded, "no padding": sum(total), "beginning once": sum(total) - sum(shared)}
    return {name: count / len(pairs) for name, count in found.items()}


def peak(dtype: torch.dtype) -> float:
    """Measure the floating point operations per second of a matrix product on this machine in a dtype."""
    size = 1024
    one, other = (torch.randn(size, size).to(dtype) for _ in range(2))
    best = 0.0
    for _ in range(8):
        begun = time.process_time()
        one @ other
        best = max(best, 2 * size**3 / (time.process_time() - begun))
    return best


def useful(model: Any, pairs: Sequence[LabelledTokens]) -> float:
    """Count the floating point operations that training needs for a pair whose beginning is computed once."""
    cost, layers = ComputeCost.from_model(model), model.config.get_text_config().num_hidden_layers
    total = 0.0
    for pair in pairs:
        trunk = count_shared_tokens([*pair.ids])
        lengths = [len(pair.ids[0]), len(pair.ids[1])]
        seen = trunk**2 / 2 + sum((length**2 - trunk**2) / 2 for length in lengths)
        total += cost.per_token * (sum(lengths) - trunk) + cost.per_attention * seen
    return 6 * layers * total / len(pairs)


def race(
    model: Any, pairs: Sequence[LabelledTokens], tokenizer: Any, arguments: argparse.Namespace
) -> dict[str, list[Steps]]:
    """Run the contestants round by round, and return the steps of each."""
    found: dict[str, list[Steps]] = {name: [] for name in CONTESTANTS if name in arguments.only or not arguments.only}
    for number in range(arguments.rounds):
        names = list(found) if number % 2 == 0 else list(found)[::-1]
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                common = {
                    "output_dir": folder, "max_steps": arguments.steps, "per_device_train_batch_size": BATCH,
                    "learning_rate": 1e-4, "lr_scheduler_type": "constant", "logging_steps": 1, "report_to": "none",
                    "save_strategy": "no", "use_cpu": True, "bf16": False, "disable_tqdm": True, "seed": 1,
                }  # fmt: skip
                steps = Steps()
                trainer = CONTESTANTS[name](deepcopy(model), pairs, tokenizer, common)
                trainer.remove_callback(PrinterCallback)
                trainer.add_callback(steps)
                trainer.train()
            found[name].append(steps)
            print(f"  round {number + 1}: {name}: {steps.seconds:.1f} s", flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    data = Path(__file__).resolve().parents[2] / "shared" / "data" / "hh_rlhf" / "harmless-base_test_even.jsonl.gz"
    parser.add_argument("--data", default=str(data), help="rows")
    parser.add_argument("--template", default="HH", help="how they are read")
    parser.add_argument("--model", help="a checkpoint's directory; none: a Llama of 4 layers, untrained")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="of the weights")
    parser.add_argument("--pairs", type=int, default=400, help="so many pairs")
    parser.add_argument("--steps", type=int, default=25, help="steps of 8 pairs a run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant")
    parser.add_argument("--only", nargs="*", default=[], help="only these contestants")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--docs", metavar="NAME", help="write table and picture into the docs, in that name's place")
    parser.add_argument("--ratios", action="store_true", help="drawn pairs of many lengths")
    parser.add_argument("--quick", action="store_true", help="2 steps, 1 round, 32 pairs")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.steps, arguments.rounds, arguments.pairs = 2, 1, 32
    logging.set_verbosity_error()
    with one_thread():
        pairs, tokenizer, model = read(arguments)
        if arguments.ratios:
            ratios(model, tokenizer, arguments)
            return
        reason = explain_no_branches(model, tokenizer.pad_token_id)
        if reason:
            raise SystemExit(f"the model takes no branches: {reason}")
        rewards, gradients = exactness(model, pairs, tokenizer.pad_token_id)
        print(f"{len(pairs)} pairs, {arguments.steps} steps of {BATCH}, {arguments.rounds} rounds, {arguments.dtype}")
        print(
            f"branches against a padded batch in fp32: rewards within {rewards:.1e}, gradients within {gradients:.1e}"
        )
        print("tokens a pair: " + ", ".join(f"{count:.0f} {name}" for name, count in tokens(pairs).items()))
        found = race(model, pairs, tokenizer, arguments)
        top, needed = peak(getattr(torch, arguments.dtype)), useful(model, pairs)
    report(found, top, needed, arguments)


RATIOS = ((8, 500), (32, 400), (100, 250), (250, 100), (400, 32), (500, 8))
"""Mean tokens of a prompt and of an answer."""

UNSHARED, GROUPED_TRL = "branches, nothing shared", "TRL, grouped, no checkpointing"


def drawn(prompt: int, answer: int, count: int, known: int) -> list[LabelledTokens]:
    """Return pairs of random tokens, with lengths from half to one and a half times these."""
    draw = Random(0)

    def some(mean: int) -> list[int]:
        return draw.choices(range(3, known), k=max(1, round(mean * draw.uniform(0.5, 1.5))))

    text: Any = None
    prompts = [some(prompt) for _ in range(count)]
    return [LabelledTokens(text, ([*one, *some(answer)], [*one, *some(answer)]), {}) for one in prompts]


def ratios(model: Any, tokenizer: Any, arguments: argparse.Namespace) -> None:
    """Compare shared prefixes with the faster of our unshared layout and TRL grouped, over lengths."""
    arguments.only = [BASE, UNSHARED, GROUPED_TRL]
    lines = []
    for prompt, answer in RATIOS:
        print(f"prompts of {prompt} tokens, answers of {answer}")
        pairs = drawn(prompt, answer, arguments.pairs, len(tokenizer))
        found = race(model, pairs, tokenizer, arguments)
        seconds = {name: [run.seconds for run in runs] for name, runs in found.items()}
        rivals = [min(two) for two in zip(seconds[UNSHARED], seconds[GROUPED_TRL], strict=True)]
        times = [rival / own for rival, own in zip(rivals, seconds[BASE], strict=True)]
        of_trl = [rival / own for rival, own in zip(seconds[GROUPED_TRL], seconds[BASE], strict=True)]
        cost = ComputeCost.from_model(model)
        sides = [one.ids for one in pairs]
        share = sum(cost.is_sharing_cheaper(count_shared_tokens(two), list(map(len, two))) for two in sides)
        lines.append(
            f"{prompt:6} {answer:6} {share / len(pairs):8.0%} {statistics.median(times):9.2f}x"
            f" ({min(times):.2f} to {max(times):.2f}) {statistics.median(of_trl):9.2f}x"
        )
    print("\nprompt answer   shared  against the faster of unshared and TRL   against TRL grouped")
    print("\n".join(lines))


def report(found: dict[str, list[Steps]], top: float, needed: float, arguments: argparse.Namespace) -> None:
    """Print the table and the losses."""
    done = arguments.steps * BATCH
    table = {}
    for name, runs in found.items():
        seconds = [run.seconds for run in runs]
        ratios = [one / ours.seconds for one, ours in zip(seconds, (run for run in found[BASE]), strict=True)]
        rate = done / statistics.median(seconds)
        table[name] = {
            "pairs_per_cpu_second": rate,
            "times_branches": statistics.median(ratios),
            "least": min(ratios),
            "most": max(ratios),
            "useful_share_of_peak": rate * needed / top,
            "peak_bytes": statistics.median(run.peak for run in runs),
        }
    print(f"\nmatrix products reach {top / 1e9:.0f} GFLOP/s here; a pair needs {needed / 1e9:.1f} GFLOP")
    print(f"{'':38}{'pairs/s':>8}{'time':>8}{'(least to most)':>20}{'of peak':>9}{'memory':>9}")
    for name, row in table.items():
        print(
            f"{name:38}{row['pairs_per_cpu_second']:8.2f}{row['times_branches']:7.2f}x"
            f"{row['least']:12.2f} to {row['most']:.2f}{row['useful_share_of_peak']:9.0%}"
            f"{row['peak_bytes'] / 2**20:6.0f} MiB"
        )
    alike = ("TRL, same batches, no checkpointing", BASE)
    if all(name in found for name in alike):
        print("\nloss by step: " + " | ".join(alike))
        for number, losses in enumerate(zip_longest(*(found[name][0].losses for name in alike))):
            print(f"  {number + 1:3}  " + "  ".join("-" if loss is None else f"{loss:.6f}" for loss in losses))
    if arguments.docs:
        write(arguments.docs, table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
