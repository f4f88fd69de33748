"""Compare a linear head on a frozen model with training all weights: accuracy, CPU time, throughput.

    python benchmarks/head_training.py --model SmolLM2-135M DIRECTORY                   # the head, five seeds
    python benchmarks/head_training.py --model SmolLM2-135M DIRECTORY --full-seeds 1    # and all weights, one seed
    python benchmarks/head_training.py --model SmolLM2-135M DIRECTORY --quick           # does it run?

Folds, styles and recipes are in `head_recipes.json`, which was committed before the first run. All methods see the
same folds, drawn by opening question from the seed. `full` trains all weights from the checkpoint; `head` fits a
linear head on the frozen checkpoint, cut at a layer that is chosen within the training folds; `head, then full` trains
all weights of what `head` wrote. Features are kept for the folds and seeds of one run, as `--feature_cache` does: the
table has the CPU time of all runs together, and that of the first fold alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from hh_folds import clustered_error, longer_wins, read_wins
from hh_pairs import Floats, Rows, folds_of, read_rows
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.model.loading import load_model_config
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.run import train
from rich.console import Console
from transformers import AutoModelForSequenceClassification
from word_baseline import word_wins

from preftemplates.data.writing import write_text
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RECIPES = Path(__file__).with_name("head_recipes.json")

METHODS = ("head", "full", "head, then full")
QUICK_ROWS = 60
ROUNDS = 3
SCORED_PAIRS = 64


@dataclass
class FoldRun:
    """One training run: its cost, and the settings that it chose."""

    method: str
    seed: int
    fold: int
    accuracy: float
    pairs: int
    cpu_seconds: float
    layer: int | None
    penalty: float | None


@dataclass
class Method:
    """The runs of a method, and its wins by seed and pair."""

    wins: Floats
    runs: list[FoldRun] = field(default_factory=list)

    @property
    def seeds(self) -> int:
        """Return how many seeds are complete."""
        return int((~np.isnan(self.wins).all(axis=1)).sum())


class Bench:
    """The folds, the recipes and a folder to work in."""

    def __init__(self, args: argparse.Namespace, recipes: Mapping[str, Any], folder: Path) -> None:
        self.args, self.recipes, self.folder = args, recipes, folder
        one_set = recipes["sets"][args.set]
        self.template, self.options = one_set["template"], one_set["options"]
        self.rows = read_rows(args.data / one_set["path"], QUICK_ROWS if args.quick else None, self.template)
        self.name, self.model = args.model
        self.of_model = recipes["models"][self.name]

    def run(self, method: str, seed: int, fold: int, own: Any) -> tuple[Floats, FoldRun]:
        """Train on all folds but one, and score that fold."""
        files = [self.folder / name for name in ("train.jsonl", "test.jsonl")]
        for file, chosen in zip(files, (~own, own), strict=True):
            write_text(file, "".join(json.dumps(self.rows.cells[at]) + "\n" for at in np.flatnonzero(chosen)))
        out = self.folder / method.replace(", ", "-")
        shutil.rmtree(out, ignore_errors=True)
        words = ["--dataset_name", str(files[0]), "--eval_data", str(files[1]), "--template", self.template]
        words += ["--output_dir", str(out), "--disable_tqdm", "true", "--seed", str(seed), *self.find_recipe(method)]
        start = time.process_time()
        with open(os.devnull, "w") as nowhere:
            result = train(read_config(words), Console(file=nowhere))
        seconds = time.process_time() - start
        if result.stopped_at is not None:
            raise KeyboardInterrupt
        wins = read_wins(out / "scores.jsonl", int(own.sum()))
        head = result.metrics.get("head", {})
        pairs, accuracy = int(result.metrics["pairs"]), result.metrics["accuracy"]
        return wins, FoldRun(method, seed, fold, accuracy, pairs, seconds, head.get("layer"), head.get("penalty"))

    def find_recipe(self, method: str) -> list[str]:
        """Return the trainer's options for a method, apart from data and seed."""
        common = [*self.recipes["common"], *self.of_model["common"], *self.options]
        quick = ["--max_steps", "2"] if self.args.quick else []
        if method == "head":
            cache = ["--feature_cache", str(self.folder / "features")]
            return [*common, *self.recipes["head"], *cache, "--model_name_or_path", self.model]
        model = self.model if method == "full" else str(self.folder / "head")
        return [*common, *self.recipes[method], *self.of_model["full"], *quick, "--model_name_or_path", model]


def run_all(bench: Bench, methods: Mapping[str, int], seeds: Sequence[int], folds: int) -> dict[str, Method]:
    """Run each method on its number of seeds; Ctrl-C keeps the finished runs."""
    done = {name: Method(np.full((len(seeds), len(bench.rows.pairs)), np.nan)) for name in methods}
    try:
        for number, seed in enumerate(seeds):
            fold_of = folds_of(bench.rows.openings, folds, seed)
            for fold in range(folds):
                for name, wanted in methods.items():
                    if number < wanted:
                        wins, run = bench.run(name, seed, fold, fold_of == fold)
                        done[name].wins[number, fold_of == fold] = wins
                        done[name].runs.append(run)
                        print(describe(run, folds), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return done


def describe(run: FoldRun, folds: int) -> str:
    """Return one line about a run."""
    chosen = "" if run.layer is None else f", layer {run.layer}, penalty {run.penalty:g}"
    place = f"seed {run.seed}, fold {run.fold + 1} of {folds}"
    return f"{run.method}: {place}: {run.accuracy:.3f} of {run.pairs} pairs, {run.cpu_seconds:.0f} CPU s{chosen}"


def measure(method: Method, other: Method | None, rows: Rows) -> dict[str, Any]:
    """Return the figures of a method, and its lead over another one on the same seeds and pairs."""
    complete = [seed for seed in range(len(method.wins)) if not np.isnan(method.wins[seed]).all()]
    wins = method.wins[complete]
    scored = ~np.isnan(wins).any(axis=0)
    openings = [opening for opening, keep in zip(rows.openings, scored, strict=True) if keep]
    by_seed = wins[:, scored].mean(axis=1)
    figures: dict[str, Any] = {
        "accuracy": float(by_seed.mean()),
        "pairs": int(scored.sum()),
        "by_seed": by_seed.tolist(),
        "error_questions": clustered_error(wins[:, scored].mean(axis=0), openings),
        "error_seeds": float(by_seed.std(ddof=1) / len(by_seed) ** 0.5) if len(by_seed) > 1 else None,
        "cpu_seconds": sum(run.cpu_seconds for run in method.runs),
        "cpu_seconds_first_fold": method.runs[0].cpu_seconds if method.runs else None,
        "layers": [run.layer for run in method.runs if run.layer is not None],
    }
    if other is not None:
        difference = (wins - other.wins[complete])[:, scored]
        common = ~np.isnan(difference).any(axis=0)
        ahead = difference[:, common].mean(axis=0)
        clusters = [opening for opening, keep in zip(openings, common, strict=True) if keep]
        figures |= {"ahead": float(ahead.mean()), "ahead_error": clustered_error(ahead, clusters)}
    return figures


def measure_throughput(bench: Bench) -> dict[str, Any]:
    """Measure the CPU time of scoring pairs with the whole model and with the cut one, pair by pair."""
    cut, whole = bench.folder / "head", bench.folder / "whole"
    shutil.copytree(cut, whole, dirs_exist_ok=True)
    model = AutoModelForSequenceClassification.from_pretrained(bench.model, config=load_model_config(bench.model))
    scorers = [Scorer(cut)]
    model.resize_token_embeddings(max(len(scorers[0].tokenizer), model.get_input_embeddings().num_embeddings))
    model.config.pad_token_id = scorers[0].tokenizer.pad_token_id
    model.save_pretrained(whole)
    scorers.append(Scorer(whole))
    pairs = bench.rows.pairs[:SCORED_PAIRS]
    groups = [scorers[0].encode(list(pair.texts)) for pair in pairs]
    groups = [group for group in groups if max(map(len, group)) <= 512]
    ratios, seconds = [], []
    for _ in range(1 if bench.args.quick else ROUNDS):
        taken = [_time_scoring(scorer, groups) for scorer in scorers]
        ratios.append(taken[1] / taken[0])
        seconds.append(taken)
    return {"whole_over_cut": ratios, "seconds": seconds, "pairs": len(groups), "layers": _count_layers(scorers)}


def _count_layers(scorers: Sequence[Scorer]) -> list[int]:
    return [int(scorer.model.config.get_text_config().num_hidden_layers) for scorer in scorers]


def _time_scoring(scorer: Scorer, groups: Any) -> float:
    start = time.process_time()
    scorer.group_rewards(groups)
    return time.process_time() - start


def table(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the aligned lines of the table."""
    width = max(map(len, figures))
    yield f"{'':{width}}  accuracy  ± questions  ± seeds  seeds  CPU s of all folds  first fold  ahead of the head by"
    for name, one in figures.items():
        seeds = "      –" if one["error_seeds"] is None else f"{one['error_seeds']:7.3f}"
        cost = "" if not one.get("cpu_seconds") else f"{one['cpu_seconds'] / len(one['by_seed']):18.0f}"
        first = "" if not one.get("cpu_seconds") else f"{one['cpu_seconds_first_fold']:10.0f}"
        ahead = f"{one['ahead']:+.3f} ± {one['ahead_error']:.3f}" if "ahead" in one else ""
        accuracy = f"{one['accuracy']:8.3f}  {one['error_questions']:11.3f}  {seeds}  {len(one['by_seed']):5}"
        yield f"{name:{width}}  {accuracy}  {cost:18}  {first:10}  {ahead}".rstrip()


def benchmark(args: argparse.Namespace) -> dict[str, Any]:
    """Run the whole benchmark, print the tables, and return the result for `--out`."""
    recipes = json.loads(RECIPES.read_text(encoding="utf-8"))
    seeds = recipes["seeds"][: 1 if args.quick else args.seeds]
    folds = 2 if args.quick else recipes["folds"]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, recipes, Path(folder))
        methods = {"head": len(seeds), "full": args.full_seeds, "head, then full": args.tuned_seeds}
        methods = {name: wanted for name, wanted in methods.items() if wanted}
        done = run_all(bench, methods, seeds, folds)
        throughput = measure_throughput(bench)
    rows = bench.rows
    words = Method(word_wins(rows, len(seeds), folds))
    shorter = Method(np.tile(1 - longer_wins(rows), (len(seeds), 1)))
    others = {"bag of words": words, "the shorter wins": shorter}
    figures = {
        name: measure(method, done["head"] if name != "head" else None, rows)
        for name, method in {**done, **others}.items()
        if method.seeds
    }
    print(f"{len(rows.pairs):,} pairs, {len(set(rows.openings)):,} opening questions; {folds} folds; {args.set}")
    print(f"{bench.name}; head: {shlex.join(bench.find_recipe('head')[:-4])}\n")
    print(*table(figures), sep="\n")
    ratio = float(np.median(throughput["whole_over_cut"]))
    layers = " and ".join(map(str, throughput["layers"]))
    print(f"\nscoring {throughput['pairs']} pairs with {layers} layers: {ratio:.2f} times the throughput")
    return {
        "figures": figures,
        "throughput": throughput,
        "runs": [asdict(run) for m in done.values() for run in m.runs],
    }


def make_parser(recipes: Mapping[str, Any]) -> argparse.ArgumentParser:
    """Return the parser of the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    names = ", ".join(recipes["models"])
    parser.add_argument("--model", nargs=2, required=True, metavar=("NAME", "DIRECTORY"), help=f"one of {names}")
    parser.add_argument("--set", choices=list(recipes["sets"]), default="HH harmless")
    parser.add_argument("--data", type=Path, default=SHARED, help="the folder of rows (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=len(recipes["seeds"]), help="of the head (default: all)")
    parser.add_argument("--full-seeds", type=int, default=0, help="train all weights too, on so many seeds")
    parser.add_argument("--tuned-seeds", type=int, default=0, help="train all weights of the head's model, likewise")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} rows, 2 folds, 1 seed, 2 steps")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 2 if the rows or the settings are wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = make_parser(json.loads(RECIPES.read_text(encoding="utf-8"))).parse_args(words)
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    command = shlex.join(["python", "benchmarks/head_training.py", *words])
    print(f"$ {command}", flush=True)
    try:
        result = benchmark(args)
    except PrefTemplatesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.out:
        versions = {library.__name__: library.__version__ for library in (torch, transformers, np)}
        write_text(args.out, json.dumps({"command": command, "versions": versions, **result}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
