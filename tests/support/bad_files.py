"""Bad files: of rows to train on, to hold out, to score and to evaluate on, and outputs that cannot be written."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pyarrow as arrow
from bad_folders import EVALUATE, SCORE, write
from bad_inputs import MODEL, PAIRS, ROWS, TEXT, BadInput, train_words
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _write_parquet(name: str, spoil: Callable[[bytes], bytes]) -> Callable[[Path], Any]:
    def apply(folder: Path) -> None:
        parquet.write_table(arrow.Table.from_pylist(PAIRS), folder / name)
        (folder / name).write_bytes(spoil((folder / name).read_bytes()))

    return apply


def _make_folder(name: str, **files: str) -> Callable[[Path], Any]:
    def apply(folder: Path) -> None:
        (folder / name).mkdir()
        for file, content in files.items():
            (folder / name / file.replace("_json", ".json")).write_text(content)

    return apply


def _make_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jsonl")


TOO_LONG = "f" * 300 + ".jsonl"
UNKNOWN_ENDING = "unknown file name ending, expected .jsonl,"

UNREADABLE: dict[str, tuple[str, Callable[[Path], Any] | None, str]] = {
    "empty": ("bad.jsonl", write("bad.jsonl", ""), "bad.jsonl is empty"),
    "blank lines": ("bad.jsonl", write("bad.jsonl", "\n\n"), "bad.jsonl has no rows"),
    "half a gzip file": (
        "bad.jsonl.gz",
        write("bad.jsonl.gz", gzip.compress(TEXT.encode())[:-50]),
        "bad.jsonl.gz is damaged, or cannot be read to its end",
    ),
    "no gzip file": ("bad.jsonl.gz", write("bad.jsonl.gz", "xx"), "is not gzip, though its name ends in .gz"),
    "an empty Parquet file": ("bad.parquet", write("bad.parquet", ""), "bad.parquet is empty"),
    "half a Parquet file": (
        "bad.parquet",
        _write_parquet("bad.parquet", lambda data: data[: len(data) // 2]),
        "bad.parquet is not Parquet: ",
    ),
    "a hole in a Parquet file": (
        "bad.parquet",
        _write_parquet("bad.parquet", lambda data: data[:100] + b"\0" * 50 + data[150:]),
        "bad.parquet cannot be read",
    ),
    "a list that is not closed": ("bad.json", write("bad.json", '[{"prompt": "a"'), "bad.json"),
    "an object for a list": ("bad.json", write("bad.json", "{"), "the file begins with an object, expected a list"),
    "a list for rows": ("bad.jsonl", write("bad.jsonl", "[1, 2]\n" * 30), "each line is a list, expected an object"),
    "100,000 brackets": (
        "bad.jsonl",
        write("bad.jsonl", "[" * 100_000 + "\n"),
        "the file is one JSON list, expected one",
    ),
    "an unknown ending": ("bad.arrow", write("bad.arrow", "xx"), UNKNOWN_ENDING),
    "no ending": ("bad", write("bad", TEXT), UNKNOWN_ENDING),
    "another compression": ("bad.jsonl.zst", write("bad.jsonl.zst", "x"), UNKNOWN_ENDING),
    "a pipe": ("pipe.jsonl", _make_pipe, "pipe.jsonl is a pipe or a device, but rows are read more than once"),
    "/dev/null": ("/dev/null", None, "/dev/null is a pipe or a device, but rows are read more than once"),
    "/dev/zero": ("/dev/zero", None, "/dev/zero is a pipe or a device, but rows are read more than once"),
    "a name that is too long": (TOO_LONG, None, "cannot be read: File name too long"),
    "a link to itself": (
        "loop.jsonl",
        lambda folder: (folder / "loop.jsonl").symlink_to("loop.jsonl"),
        "loop.jsonl cannot be read: Too many levels of symbolic links",
    ),
    "within a file": (f"{ROWS}/x.jsonl", None, "does not exist"),
    "nowhere": ("row.jsonl", None, "row.jsonl does not exist. Did you mean 'rows.jsonl'?"),
    "an empty folder": ("data", _make_folder("data"), "data has no files of rows, expected .jsonl"),
    "half a saved dataset": (
        "data",
        _make_folder("data", dataset_info_json="{", state_json="{"),
        "data cannot be loaded as a dataset: JSONDecodeError",
    ),
    "a model's folder": (MODEL, None, "model cannot be loaded as a dataset: "),
}
"""The file's name, what makes it, and what is said of it, whoever reads it."""

UNUSABLE: dict[str, tuple[str, str | bytes, int, str]] = {
    "UTF-16": (
        "bad.jsonl",
        TEXT.encode("utf-16"),
        2,
        "bad.jsonl is UTF-16, expected UTF-8; convert it: iconv -f UTF-16",
    ),
    "random bytes": ("bad.jsonl", bytes(range(128, 256)) * 9, 2, "bad.jsonl, row 0: byte 0 of the line is not UTF-8"),
    "null bytes": ("bad.jsonl", "\0" * 100, 2, "bad.jsonl, row 0: not JSON: "),
    "Latin-1": ("bad.jsonl", '{"prompt": "é"}\n'.encode("latin-1"), 2, "bad.jsonl, row 0: byte 12 of the line is no"),
    "another layout": ("bad.jsonl", json.dumps({"question": 1}) + "\n", 2, "row 0: column 'prompt': missing"),
    "another layout in CSV": ("bad.csv", "a,b\n1,2\n", 2, "bad.csv, row 0: column 'prompt': missing"),
    "cut CSV": ("bad.csv", 'prompt,response_0\n\0"x,\n', 2, "bad.csv, row 0: column 'response_1': missing"),
}
"""Files whose rows are all bad: the file's name, its content, the exit code of a run, and what it says."""

OUTPUTS = [
    ("a folder that is not there", "no/out.jsonl", None, "no/out.jsonl cannot be written: there is no directory no"),
    ("within a file", f"{ROWS}/out.jsonl", None, f"{ROWS}/out.jsonl cannot be written: there is no directory {ROWS}"),
    ("a folder", "out.jsonl", lambda folder: (folder / "out.jsonl").mkdir(), "it is a directory; name a file"),
    (
        "a pipe",
        "pipe.jsonl",
        _make_pipe,
        "pipe.jsonl cannot be written: it is a pipe or a device; name a file",
    ),
    ("a name that is too long", TOO_LONG, None, "cannot be written: File name too long"),
    (
        "a link to itself",
        "loop.jsonl",
        lambda folder: (folder / "loop.jsonl").symlink_to("loop.jsonl"),
        "loop.jsonl cannot be written: Too many levels of symbolic links",
    ),
]  # fmt: skip

BAD_FILES = [
    *(
        BadInput(f"rows: {name}", train_words(dataset_name=path), message, prepare=prepare)
        for name, (path, prepare, message) in UNREADABLE.items()
    ),
    *(
        BadInput(f"held-out rows: {name}", (*train_words(), "--eval_data", path), message, prepare=prepare)
        for name, (path, prepare, message) in UNREADABLE.items()
    ),
    *(
        BadInput(f"{words[0]}: {name}", (words[0], path, *words[2:]), message, prepare=prepare)
        for name, (path, prepare, message) in UNREADABLE.items()
        for words in (SCORE, EVALUATE)
    ),
    *(
        BadInput(f"rows: {name}", train_words(dataset_name=path), message, code, write(path, content))
        for name, (path, content, code, message) in UNUSABLE.items()
    ),
    *(
        BadInput(f"score: output is {name}", (*SCORE[:-1], path), message, prepare=prepare)
        for name, path, prepare, message in OUTPUTS
    ),
    *(
        BadInput(f"evaluate: output is {name}", (*EVALUATE, "--out", path), message, prepare=prepare)
        for name, path, prepare, message in OUTPUTS
    ),
    BadInput(
        "score: the output is the input", (*SCORE[:-1], ROWS), "rows.jsonl is the input; name another file with --out"
    ),
    BadInput("score: an output of an unknown ending", (*SCORE[:-1], "out.txt"), UNKNOWN_ENDING),
    BadInput(
        "score: a column that is there already",
        SCORE,
        "row 0 already has a column 'unscored', which would be overwritten",
        prepare=write(ROWS, json.dumps({**PAIRS[0], "unscored": 1}) + "\n"),
    ),
    BadInput(
        "score: the lines of another job",
        (*SCORE, "--resume"),
        "scored.jsonl.part would be replaced, but `score` did not write it; rename or remove it",
        prepare=write("scored.jsonl.part", '{"a": 1}\n'),
    ),
    BadInput("score: another style", (*SCORE, "--style", "zephyr"), "was trained with style chatml, not with style"),
    BadInput("score: no such style", (*SCORE, "--style", "nope"), "no style 'nope'."),
    BadInput("score: no such template", (*SCORE, "--template", "nope"), "no template 'nope'."),
    BadInput(
        "score: a split of a file",
        (*SCORE, "--split", "x"),
        "only a dataset has splits, configurations, folders and revisions",
    ),
    BadInput("evaluate: no such column", (*EVALUATE, "--by", "nope"), "no row has a column 'nope'."),
]
"""Each with what makes a file in a folder that would be good without it."""
