"""Vary real rows of PKU-SafeRLHF and HH by exchanging sentences, so that no row occurs twice.

Each sentence of a row is replaced, half of the time, by a sentence from another row of the same set. Columns, labels
and the structure of transcripts stay as they are, and both sides of a transcript keep the same history. The rows
contain offensive text, as the real ones do: no script prints one, and none is kept beyond a temporary directory.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from preftemplates.data import open_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]

MARK = re.compile(r"(\n\n(?:Human|Assistant): )")
"""The beginning of a turn of an HH transcript."""

SENTENCE_END = re.compile(r"(?<=[.!?])(\s+)")

LOOKS_LIKE_MARK = re.compile(r"(?:Human|Assistant):")
"""Sentences with this text are not moved, because they could begin a turn at the start of a line."""

BATCH = 10_000
"""The number of rows of a table."""


class RowSet(NamedTuple):
    """A file of real rows, and the dataset template that reads it."""

    path: str
    template: str


ROW_SETS = {
    "PKU": RowSet("pku_saferlhf/align_anything_preference_train.json", "PKUSafeRLHF"),
    "HH": RowSet("hh_rlhf/harmless-base_test_even.jsonl.gz", "HH"),
}


def split_sentences(text: str) -> list[str]:
    """Split a text into sentences and the whitespace between them, in turns; joined, they are the text."""
    return SENTENCE_END.split(text)


class SentencePool:
    """Replaces sentences with those of other rows."""

    def __init__(self, texts: Iterable[str], rng: random.Random) -> None:
        sentences = itertools.chain.from_iterable(split_sentences(text)[::2] for text in texts)
        self.sentences = sorted({one for one in sentences if one.strip() and not LOOKS_LIKE_MARK.search(one)})
        self.rng = rng

    def vary(self, text: str) -> str:
        """Return the text with about half of its sentences replaced."""
        parts = split_sentences(text)
        for index in range(0, len(parts), 2):
            if parts[index] and self.rng.random() < 0.5:
                parts[index] = self.rng.choice(self.sentences)
        return "".join(parts)


def make_pku_variation(rows: Sequence[Row], rng: random.Random) -> Callable[[Row], Row]:
    """Return a function that varies a row with PKU-SafeRLHF's columns.

    The 32 real prompts have one sentence each. A varied prompt gets a second one, since most prompts would otherwise
    occur a thousand times among 200,000 rows.
    """
    columns = ("prompt", "response_0", "response_1")
    pool = SentencePool((row[column] for row in rows for column in columns), rng)

    def vary(row: Row) -> Row:
        varied = {column: pool.vary(row[column]) for column in columns}
        varied["prompt"] += f" {rng.choice(pool.sentences)}"
        return {**row, **varied}

    return vary


def split_transcript(text: str) -> tuple[list[str], str]:
    """Return the marks and contents before the last answer in turns, and the last answer."""
    *history, answer = MARK.split(text)
    return history, answer


def make_hh_variation(rows: Sequence[Row], rng: random.Random) -> Callable[[Row], Row]:
    """Return a function that varies the history that both transcripts of a row share, and each of the answers."""
    sides = ("chosen", "rejected")
    pool = SentencePool((text for row in rows for side in sides for text in MARK.split(row[side])[2::2]), rng)

    def vary(row: Row) -> Row:
        history, _ = split_transcript(row["chosen"])
        shared = "".join(part if index % 2 else pool.vary(part) for index, part in enumerate(history))
        return {side: shared + pool.vary(split_transcript(row[side])[1]) for side in sides}

    return vary


def read_rows(data: Path, name: str) -> list[Row]:
    """Read the real rows of a set whose two answers belong to the same prompt."""
    records = open_rows(str(data / ROW_SETS[name].path))
    rows = [dict(record.cells) for record in records if isinstance(record.cells, Mapping)]
    if name == "PKU":
        return rows
    return [row for row in rows if split_transcript(row["chosen"])[0] == split_transcript(row["rejected"])[0]]


def has_equal_answers(row: Row) -> bool:
    """Return whether the two answers of a row are equal, so that neither is preferred."""
    return bool(row["response_0"] == row["response_1"] if "response_0" in row else row["chosen"] == row["rejected"])


def vary_rows(data: Path, name: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Yield `count` rows that all differ; the same seed gives the same rows."""
    rows, rng = read_rows(data, name), random.Random(seed)
    vary = (make_pku_variation if name == "PKU" else make_hh_variation)(rows, rng)
    seen: set[int] = set()
    for row in itertools.islice(itertools.cycle(rows), count):
        varied = vary(row)
        while (key := hash(tuple(varied.values()))) in seen or has_equal_answers(varied):
            varied = vary(row)
        seen.add(key)
        yield varied
    assert len(seen) == count, "a row occurs twice"


def batch_rows(rows: Iterable[Row], size: int = BATCH) -> Iterator[pa.Table]:
    """Yield rows as Arrow tables of `size` rows each."""
    iterator = iter(rows)
    while part := list(itertools.islice(iterator, size)):
        yield pa.Table.from_pylist(part)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
