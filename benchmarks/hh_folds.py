"""Cross-validate a reward model on HH harmless, next to rules that read only words or lengths.

    python benchmarks/hh_folds.py                                 # the trainer's small decoder
    python benchmarks/hh_folds.py --model_name_or_path DIRECTORY  # any checkpoint
    python benchmarks/hh_folds.py --quick                         # does it run?

All pairs with the same opening question, the first human turn, are in one fold. A seed draws the folds, the model's
initial weights and the order of the pairs. Options that --help does not list go to the trainer, after the recipe.

No recipe was tuned on these rows, on any fold. The small decoder's recipe is the trainer's own preset. The recipe
for a checkpoint is usual for small encoders, and sized so that a processor core finishes in minutes. Both were set
before the first complete run. The bag of words chooses its penalty within the training folds.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from hh_pairs import TEMPLATE, Floats, Rows, folds_of, read_rows
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.run import train
from rich.console import Console
from transformers.utils import logging
from word_baseline import word_wins

from preftemplates.data.writing import write_text
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

DATA = Path("hh_rlhf") / "harmless-base_test_even.jsonl.gz"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

COMMON = ("--length_policy", "cut_prompt", "--eval_strategy", "no", "--save_strategy", "no")

TINY_RECIPE = (
    *("--max_length", "512", "--per_device_train_batch_size", "8", "--gradient_accumulation_steps", "4"),
    *("--per_device_eval_batch_size", "16"),
)
"""The trainer's preset: 3 epochs, 2e-3, cosine, 32 pairs per step, in groups of eight, which need less padding."""

CHECKPOINT_RECIPE = (
    *("--max_length", "192", "--max_dropped", "0.1", "--num_train_epochs", "1", "--learning_rate", "5e-5"),
    *("--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "8", "--warmup_steps", "0.1"),
)
"""One epoch of 16 pairs per step, up to 5e-5 in the first tenth and then linearly down; a CPU finishes in minutes."""

QUICK = ("--max_steps", "3")
QUICK_ROWS = 100


@dataclass
class Run:
    """One training run: the held-out pairs that it scored, how many it skipped or cut, and how long it took."""

    seed: int
    fold: int
    pairs: int
    accuracy: float
    left_out: int
    cut: int
    train_pairs: int
    parameters: int
    seconds: float


@dataclass
class Wins:
    """Whether the chosen answer won, for each seed and pair: 1, 0.5 for a tie, 0, or NaN if it was not scored."""

    by_seed: Floats
    runs: list[Run] = field(default_factory=list)


def train_folds(rows: Rows, seeds: int, folds: int, recipe: Sequence[str]) -> Wins:
    """Train on all folds but one, score that fold, and repeat for each fold and seed.

    Ctrl-C keeps the finished seeds, or what there is of the first.
    """
    wins = Wins(np.full((seeds, len(rows.pairs)), np.nan))
    try:
        for seed, fold in product(range(seeds), range(folds)):
            fold_of = folds_of(rows.openings, folds, seed)
            scored, run = train_one(rows, fold_of, fold, seed, recipe)
            wins.by_seed[seed, fold_of == fold] = scored
            wins.runs.append(run)
            done = f"seed {seed}, fold {fold + 1} of {folds}: {run.accuracy:.3f} of {run.pairs} pairs"
            print(f"{done}, {run.seconds:.0f} s", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        if not wins.runs:
            raise
        print(f"stopped after {len(wins.runs)} of {seeds * folds} runs")
    return Wins(wins.by_seed[: max(1, len(wins.runs) // folds)], wins.runs)


def train_one(
    rows: Rows, fold_of: NDArray[np.int64], fold: int, seed: int, recipe: Sequence[str]
) -> tuple[Floats, Run]:
    """Train on all folds but one, and score that fold."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        files = [Path(folder) / name for name in ("train.jsonl", "test.jsonl")]
        for file, own in zip(files, (fold_of != fold, fold_of == fold), strict=True):
            write_text(file, "".join(json.dumps(rows.cells[at]) + "\n" for at in np.flatnonzero(own)))
        data = ("--dataset_name", str(files[0]), "--eval_data", str(files[1]), "--template", TEMPLATE)
        where = ("--output_dir", str(Path(folder) / "model"), "--disable_tqdm", "true")
        config = read_config([*data, *where, "--seed", str(seed), *COMMON, *recipe])
        outcome = train(config, Console(file=nowhere))
        if outcome.stopped_at is not None:
            raise KeyboardInterrupt
        wins = read_wins(Path(folder) / "model" / "scores.jsonl", int((fold_of == fold).sum()))
    seconds = time.perf_counter() - start
    return wins, _run(outcome.metrics, seed, fold, seconds)


def _run(found: Mapping[str, Any], seed: int, fold: int, seconds: float) -> Run:
    trained, tested = found["data"]
    pairs = tested["eval_pairs"]
    counts = {"pairs": pairs, "left_out": tested["formatted"] - pairs, "cut": tested["cut"]}
    counts["train_pairs"] = trained["train_pairs"]
    known = {"accuracy": found["accuracy"], "parameters": found["parameters"]}
    return Run(seed=seed, fold=fold, seconds=seconds, **counts, **known)


def read_wins(path: Path, pairs: int) -> Floats:
    """Read who won each pair from a run's `scores.jsonl`; NaN for pairs that it left out."""
    wins = np.full(pairs, np.nan)
    for line in path.read_text(encoding="utf-8").splitlines():
        score = json.loads(line)
        wins[score["row"]] = (np.sign(score["margin"]) + 1) / 2
    return wins


def longer_wins(rows: Rows) -> Floats:
    """Return for each pair whether the chosen answer has more characters than the rejected one."""
    lengths = [np.array([len(text) for text in rows.answers(side)]) for side in ("chosen", "rejected")]
    wins: Floats = (np.sign(lengths[0] - lengths[1]) + 1) / 2
    return wins


def clustered_error(values: Floats, clusters: Sequence[str]) -> float:
    """Return the standard error of the mean of values that may depend on each other within a cluster."""
    number = {cluster: at for at, cluster in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros(len(number))
    np.add.at(sums, [number[cluster] for cluster in clusters], values - values.mean())
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / len(values))


def measure(wins: Floats, model: Floats | None, openings: Sequence[str]) -> dict[str, Any]:
    """Return the figures of one method.

    Args:
        wins: the wins by seed and pair; one row if the method has no seed.
        model: the model's wins, to compare with on the same pairs; None for the model itself.
        openings: the pairs' opening questions.
    """
    by_seed = wins.mean(axis=1)
    found: dict[str, Any] = {"accuracy": float(wins.mean())}
    found["error_questions"] = clustered_error(wins.mean(axis=0), openings)
    found["by_seed"] = by_seed.tolist()
    found["error_seeds"] = float(by_seed.std(ddof=1) / np.sqrt(len(by_seed))) if len(by_seed) > 1 else None
    if model is not None:
        ahead = model.mean(axis=0) - wins.mean(axis=0)
        found |= {"model_ahead": float(ahead.mean()), "model_ahead_error": clustered_error(ahead, openings)}
    return found


def lines(methods: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the aligned lines of the table."""
    width = max(map(len, methods))
    yield f"{'':{width}}  accuracy  ± questions  ± seeds  model is ahead by"
    for name, found in methods.items():
        seeds = "      –" if found["error_seeds"] is None else f"{found['error_seeds']:7.3f}"
        ahead = f"{found['model_ahead']:+.3f} ± {found['model_ahead_error']:.3f}" if "model_ahead" in found else ""
        figures = f"{found['accuracy']:8.3f}  {found['error_questions']:11.3f}  {seeds}"
        yield f"{name:{width}}  {figures}  {ahead}".rstrip()


EXPLAINED = """\
accuracy     the share of held-out pairs whose chosen answer wins, a tie being a half; the mean over the seeds
± questions  its standard error over the pairs, those of one opening question taken together; it knows nothing of
             how another training set would have done
± seeds      the standard error of the mean between the seeds, each with its own folds, weights and order
ahead by     on the same pairs, with the standard error over the questions"""


def facts(rows: Rows, name: str, wins: Wins, counted: int, args: argparse.Namespace) -> Iterator[str]:
    """Yield sentences on what was counted, trained and left out."""
    report = rows.report
    refused = f"{len(report.skipped)} skipped + {len(report.rejected)} rejected"
    yield f"{report.rows:,} rows = {report.formatted:,} formatted + {refused}"
    questions, seeds = len(set(rows.openings)), len(wins.by_seed)
    yield f"{len(rows.pairs):,} pairs, {questions:,} opening questions; folds: {args.folds}, seeds: {seeds}"
    if wins.runs:
        out, cut = (sum(getattr(run, key) for run in wins.runs) for key in ("left_out", "cut"))
        said = f"{out} left out as too long, {cut} with a cut prompt"
        yield f"held-out pairs, all runs: {said}; figures are of {counted:,}, scored with every seed"
        seconds = [run.seconds for run in wins.runs]
        took = f"{np.mean(seconds):.0f} s a run, {min(seconds):.0f} to {max(seconds):.0f}; {sum(seconds) / 60:.0f} min"
        yield f"{name}: {wins.runs[0].parameters:,} parameters; {took} in all, {torch.get_num_threads()} thread(s)"


def benchmark(args: argparse.Namespace, extra: Sequence[str]) -> dict[str, Any]:
    """Run the whole benchmark, and print the table.

    Returns:
        The result for `--out`.
    """
    rows = read_rows(args.data, QUICK_ROWS if args.quick else None)
    name, recipe = _recipe(args, extra)
    wins = Wins(np.full((args.seeds, len(rows.pairs)), np.nan))
    if args.model is not None:
        wins = train_folds(rows, args.seeds, args.folds, recipe)
    scored = ~np.isnan(wins.by_seed).any(axis=0) | (not wins.runs)
    methods = compare(rows, name, wins, scored, args)
    print("\n".join(facts(rows, name, wins, int(scored.sum()), args)))
    print("recipe: " + shlex.join([*COMMON, *recipe]) if wins.runs else "no model")
    print("", *lines(methods), "", EXPLAINED, sep="\n")
    counts = {"rows": rows.report.rows, "formatted": rows.report.formatted, "counted": int(scored.sum())}
    return {
        "data": counts,
        "recipe": [*COMMON, *recipe],
        "methods": methods,
        "runs": [asdict(run) for run in wins.runs],
    }


def compare(rows: Rows, name: str, wins: Wins, scored: Any, args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the figures of each method, on the pairs that the model scored.

    Args:
        rows: the rows.
        name: the name of the model.
        wins: the wins of the model; it has no runs if there is no model.
        scored: for each pair, whether it counts.
        args: the settings.
    """
    longer = longer_wins(rows)[None]
    others = {"bag of words": word_wins(rows, len(wins.by_seed), args.folds), "the shorter wins": 1 - longer}
    others["the longer wins"] = longer
    openings = [opening for opening, own in zip(rows.openings, scored, strict=True) if own]
    model = wins.by_seed[:, scored] if wins.runs else None
    found = {} if model is None else {name: measure(model, None, openings)}
    return found | {other: measure(own[:, scored], model, openings) for other, own in others.items()}


def _recipe(args: argparse.Namespace, extra: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the model, and the trainer's options."""
    quick = QUICK if args.quick else ()
    if args.model_name_or_path is None:
        return "tiny", [*TINY_RECIPE, *quick, *extra]
    name = str(args.model_name_or_path)
    return args.label or Path(name).name, ["--model_name_or_path", name, *CHECKPOINT_RECIPE, *quick, *extra]


def _parser() -> argparse.ArgumentParser:
    about = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(description=about, allow_abbrev=False)
    parser.add_argument("--data", type=Path, default=SHARED / DATA, help="the rows (default: %(default)s)")
    parser.add_argument("--model", choices=("tiny", "none"), default="tiny", help="none: only the rules")
    parser.add_argument("--model_name_or_path", help="a checkpoint instead of the small decoder")
    parser.add_argument("--label", help="what the table calls the checkpoint")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3, help="0, 1, ... up to that many")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} rows, 2 folds, 1 seed, 3 steps")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    return parser


def _settings(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the benchmark's own settings and the options for the trainer; exit with 2 if they cannot work."""
    parser = _parser()
    args, extra = parser.parse_known_args(words)
    if args.quick:
        args.folds, args.seeds = 2, 1
    args.model = None if args.model == "none" and args.model_name_or_path is None else args.model
    if args.folds < 2 or args.seeds < 1:
        parser.error("--folds is at least 2, --seeds at least 1")
    if args.out and not args.out.parent.is_dir():
        parser.error(f"--out: there is no directory {args.out.parent}")
    if extra and args.model is None:
        parser.error(f"without a model nothing takes {extra[0]}")
    return args, extra


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 2 if the rows or the settings are wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    args, extra = _settings(words)
    torch.set_num_threads(args.threads)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    command = shlex.join(["python", "benchmarks/hh_folds.py", *words])
    print(f"$ {command}", flush=True)
    try:
        found = benchmark(args, extra)
    except PrefTemplatesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if args.out:
        versions = {library.__name__: library.__version__ for library in (torch, transformers, np)}
        write_text(args.out, json.dumps({"command": command, "versions": versions, **found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
