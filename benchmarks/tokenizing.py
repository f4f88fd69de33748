"""Token ids of pairs: our encoder next to TRL's preparation of a dataset, and to bare encoding of the same texts.

    python examples/smollm2.py smollm2
    python benchmarks/tokenizing.py --tokenizer smollm2
    python benchmarks/tokenizing.py --tokenizer smollm2 --rows 2000 --peer-rows 500

Rows are real rows of HH that are varied sentence by sentence (`varied_rows.py`). All times are CPU times, measured in
turns; the ids of both sides are compared first. TRL's preparation is that of its `RewardTrainer`, which gets messages
that are made before, and a chat template; we read rows, find messages, write texts and encode them. Bare encoding is
`encode_batch_fast` of the tokenizer over our whole texts, which are written before.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import pyarrow as pa
from cpu_ratios import HEADER, Operation, format_lines, make_speed_line
from transformers import AutoTokenizer
from transformers.utils import logging
from trl import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer
from varied_rows import ROW_SETS, vary_rows

from preftemplates import Style, get_template
from preftemplates.data import Conversion
from preftemplates.data.sample_ids import SampleEncoder, TextSample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates import Template
    from preftemplates.templates.results import Formatted

ROOT = Path(__file__).resolve().parent.parent

Row = dict[str, Any]
Ids = list[list[int]]

BATCH = 1_000
"""So many pairs are encoded at once, as the trainer does it."""


def read_pairs(template: Template, rows: Sequence[Row]) -> list[Formatted]:
    """Return the pairs of rows."""
    conversion = Conversion(rows, template, "preference", on_error="skip", flag=False)
    return [formatted for _, formatted in conversion.accepted()]


def make_text_sample(formatted: Formatted) -> TextSample:
    """Return the texts of a pair as they are encoded."""
    texts = formatted.texts
    assert texts is not None
    return TextSample([*texts.responses.values()], formatted.messages)


def encode_rows(template: Template, encoder: SampleEncoder, rows: Sequence[Row]) -> datasets.Dataset:
    """Return a dataset of the ids of both texts of each row, as TRL's preparation does."""
    remaining, tables = iter(rows), []
    while batch := [*islice(remaining, BATCH)]:
        samples = [make_text_sample(formatted) for formatted in read_pairs(template, batch)]
        chosen, rejected = zip(*(sample.responses for sample in encoder.encode(samples) if sample), strict=True)
        tables.append(pa.table({"chosen_ids": [*chosen], "rejected_ids": [*rejected]}))
    return datasets.Dataset(datasets.table.InMemoryTable(pa.concat_tables(tables)))


def make_message_dataset(pairs: Sequence[Formatted]) -> datasets.Dataset:
    """Return pairs as conversations, with the keys that TRL reads."""
    rows = [
        {"prompt": sample.prompt, **sample.responses}
        for sample in (formatted.plain_messages for formatted in pairs)
        if sample is not None
    ]
    return datasets.Dataset.from_list(rows)


def prepare_with_trl(dataset: datasets.Dataset, tokenizer: Any) -> datasets.Dataset:
    """Return the dataset that TRL's RewardTrainer prepares, with the ids."""
    arguments = RewardConfig(output_dir="unused", max_length=None, report_to=[], use_cpu=True)
    prepare: Any = RewardTrainer._prepare_dataset  # it looks at no attribute of the trainer
    return prepare(None, dataset, tokenizer, arguments, "train")


def list_ids(dataset: datasets.Dataset) -> list[Ids]:
    """Return the ids of a dataset as lists."""
    return [[row["chosen_ids"], row["rejected_ids"]] for row in dataset]


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="a folder with a fast tokenizer that has a chat template")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the folder of real rows")
    parser.add_argument("--rows", type=int, default=20_000, help="how many rows we encode")
    parser.add_argument("--peer-rows", type=int, default=2_000, help="how many rows TRL prepares")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair is measured")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    options = parse_options()
    silence: Any = logging.set_verbosity_error
    silence()
    datasets.disable_progress_bars()
    datasets.disable_caching()
    tokenizer: Any = AutoTokenizer.from_pretrained(options.tokenizer)
    style = Style.from_tokenizer(tokenizer)
    template = get_template(ROW_SETS["HH"].template).with_style(style).with_dialect("text")
    rows = [*vary_rows(options.data, "HH", options.rows)]
    encoder = SampleEncoder(tokenizer, style)
    part = rows[: options.peer_rows]
    dataset = make_message_dataset(read_pairs(template, part))
    ours = list_ids(encode_rows(template, encoder, part))
    theirs = list_ids(prepare_with_trl(dataset, tokenizer))
    assert ours == theirs, "the ids differ"
    print(f"{len(ours):,} pairs have equal ids; {options.rows:,} rows, TRL {len(dataset):,}, CPU time")
    texts = [text for formatted in read_pairs(template, rows) for text in make_text_sample(formatted).responses]
    bare = partial(tokenizer.backend_tokenizer.encode_batch_fast, texts, add_special_tokens=False)
    operation = Operation(partial(encode_rows, template, encoder, rows), len(rows))
    peers = {
        "TRL's preparation": Operation(partial(prepare_with_trl, dataset, tokenizer), len(dataset)),
        "bare encoding": Operation(bare, len(rows)),
    }
    print(format_lines([HEADER]))
    for peer, other in peers.items():
        print(format_lines([make_speed_line("token ids, HH", operation, peer, other, options.rounds)]), flush=True)


if __name__ == "__main__":
    main()
