"""Token ids and loss masks of pairs: `TokenBatchFormatter` next to TRL's preparation of a dataset, and bare encoding.

    python examples/smollm2.py smollm2
    pip install --no-deps --target tokenizers-1 "tokenizers>=1.0.0rc3"
    python benchmarks/tokenizing.py --tokenizer smollm2 --engine tokenizers-1
    python benchmarks/tokenizing.py --tokenizer smollm2 --rows 2000 --peer-rows 500

The rows are real rows of HH, varied sentence by sentence (`varied_rows.py`). All times are CPU times, measured in
turns, after the ids of both sides were compared. TRL's preparation is that of its `RewardTrainer`, which gets prepared
messages and a chat template and makes no masks. We get the rows as they are. Bare encoding is the engine alone, over
the whole texts, and over the parts of them that we encode. Each round has a new engine with an empty cache of words;
loading and checking it takes about a second and is not included.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from cpu_ratios import HEADER, Line, Operation, format_lines, make_speed_line, run_command
from transformers import AutoTokenizer
from transformers.utils import logging
from trl import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer
from varied_rows import ROW_SETS, vary_rows

from preftemplates import BatchFormatter, Style, TokenBatchFormatter, get_template
from preftemplates.data import Conversion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from preftemplates import Template
    from preftemplates.tokens.engines.engine import Engine

ROOT = Path(__file__).resolve().parent.parent

ROWS_PER_TABLE = 16_384
"""The number of rows that `TokenBatchFormatter` encodes at once."""


class Recorder:
    """An engine that records the texts that it gets."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.texts, self._engine = engine.name, list[list[str]](), engine

    def encode(self, texts: Sequence[str]) -> Any:
        """Encode texts with the wrapped engine."""
        self.texts.append([*texts])
        return self._engine.encode(texts)


def make_message_dataset(template: Template, rows: pa.Table) -> datasets.Dataset:
    """Return pairs as conversations, with the keys that TRL reads."""
    conversion = Conversion(rows.to_pylist(), template, "preference", on_error="skip", flag=False)
    samples = (formatted.plain_messages for _, formatted in conversion.accepted())
    return datasets.Dataset.from_list([{"prompt": sample.prompt, **sample.responses} for sample in samples if sample])


def prepare_with_trl(dataset: datasets.Dataset, tokenizer: Any) -> datasets.Dataset:
    """Prepare a dataset with TRL's RewardTrainer, and return it with the ids."""
    arguments = RewardConfig(output_dir="unused", max_length=None, report_to=[], use_cpu=True)
    prepare: Any = RewardTrainer._prepare_dataset  # it reads no attribute of the trainer
    return prepare(None, dataset, tokenizer, arguments, "train")


def time_call(prepare: Callable[[], Callable[[], object]]) -> float:
    """Return the CPU seconds of a function, without those for making it."""
    run = prepare()
    start = time.process_time()
    run()
    return time.process_time() - start


def list_ids(rows: Sequence[dict[str, Any]]) -> list[list[list[int]]]:
    """Return the ids of both texts of each pair."""
    return [[row["chosen_ids"], row["rejected_ids"]] for row in rows]


class Setup:
    """The rows, and the formatters and engines that encode them.

    Args:
        options: the options of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(options.tokenizer)
        self.template = get_template(ROW_SETS["HH"].template).with_style(Style.from_tokenizer(self.tokenizer))
        self.rows = pa.Table.from_pylist([*vary_rows(options.data, "HH", options.rows)])

    def make_formatter(self, engine: str | None) -> TokenBatchFormatter:
        """Return a formatter with its own engine and finished plans."""
        tokenizer: Any = self.tokenizer.__class__.from_pretrained(self.tokenizer.name_or_path)
        formatter = TokenBatchFormatter(self.template, "preference", tokenizer, engine=engine, on_error="skip")
        formatter(self.rows.slice(0, 1_000))
        return formatter

    def prepare_tokens(self, engine: str | None) -> Callable[[], object]:
        """Return a function that encodes all rows."""
        return partial(self.make_formatter(engine), self.rows)

    def prepare_bare(self, engine: str | None, texts: Sequence[Sequence[str]]) -> Callable[[], object]:
        """Return a function that encodes texts with an engine that has not seen them before."""
        encode = self.make_formatter(engine).engine.encode
        return lambda: [encode(part) for part in texts]

    def write_whole_texts(self) -> list[list[str]]:
        """Return the whole texts of all pairs, in batches of as many as we encode at once."""
        texts = BatchFormatter(self.template.with_dialect("text"), "preference", on_error="skip")(self.rows)
        return [[row["prompt"] + row[name] for row in texts.slice(start, ROWS_PER_TABLE).to_pylist()
                 for name in ("chosen", "rejected")] for start in range(0, len(texts), ROWS_PER_TABLE)]  # fmt: skip

    def record_parts(self, engine: str | None) -> list[list[str]]:
        """Return the texts that we give to the engine for all pairs."""
        formatter = self.make_formatter(engine)
        encoder: Any = formatter._sample_tokenizer._blocks
        encoder.engine = recorder = Recorder(encoder.engine)
        formatter(self.rows)
        return recorder.texts


def measure_engine(setup: Setup, engine: str | None, dataset: Any, ids: Any, rounds: int) -> Iterator[Line]:
    """Yield the lines of one engine, after a comparison of ids."""
    formatter = setup.make_formatter(engine)
    ours = list_ids(formatter(setup.rows.slice(0, 2 * len(dataset))).to_pylist())[: len(ids)]
    assert ours == ids, "the ids differ"
    name = formatter.engine.name
    operation = Operation(partial(time_call, partial(setup.prepare_tokens, engine)), setup.rows.num_rows, True)
    trl = Operation(partial(prepare_with_trl, dataset, setup.tokenizer), len(dataset))
    yield make_speed_line(f"ids and masks, {name}", operation, "TRL's preparation", trl, rounds)
    for what, texts in (("whole texts", setup.write_whole_texts()), ("the same parts", setup.record_parts(engine))):
        bare = Operation(partial(time_call, partial(setup.prepare_bare, engine, texts)), setup.rows.num_rows, True)
        yield make_speed_line(f"ids and masks, {name}", operation, f"bare, {what}", bare, rounds)


def measure_memory(options: argparse.Namespace) -> Iterator[Line]:
    """Yield the peak memory of the command for files of two lengths."""
    command = [sys.executable, "-m", "preftemplates", "tokenize", "rows.parquet", "-t", ROW_SETS["HH"].template]
    command += ["--tokenizer", str(Path(options.tokenizer).resolve()), "--out", "ids.parquet"]
    for number in options.memory:
        with TemporaryDirectory() as folder:
            rows = [*vary_rows(options.data, "HH", number)]
            pq.write_table(pa.Table.from_pylist(rows), Path(folder) / "rows.parquet", row_group_size=10_000)
            seconds, peak = run_command(command, os.environ, Path(folder))
        yield Line(f"tokenize, {number:,} rows", f"{number / seconds:,.0f} rows/s", "", f"{peak:,.0f} MiB at most")


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="a folder with a fast tokenizer that has a chat template")
    parser.add_argument("--engine", action="append", default=[], help="another engine: its name or directory")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the folder of real rows")
    parser.add_argument("--rows", type=int, default=20_000, help="how many rows we encode")
    parser.add_argument("--peer-rows", type=int, default=2_000, help="how many rows TRL prepares")
    parser.add_argument("--memory", type=int, nargs="*", default=[10_000, 100_000], help="rows of the files")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair is measured")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    options = parse_options()
    silence: Any = logging.set_verbosity_error
    silence()
    datasets.disable_progress_bars()
    datasets.disable_caching()
    setup = Setup(options)
    dataset = make_message_dataset(setup.template, setup.rows.slice(0, options.peer_rows))
    ids = list_ids([*prepare_with_trl(dataset, setup.tokenizer)])
    print(f"{options.rows:,} rows, TRL {len(dataset):,} whose ids are equal, CPU time")
    print(format_lines([HEADER]))
    for engine in (None, *options.engine):
        for line in measure_engine(setup, engine, dataset, ids, options.rounds):
            print(format_lines([line]), flush=True)
    for line in measure_memory(options):
        print(format_lines([line]), flush=True)


if __name__ == "__main__":
    main()
