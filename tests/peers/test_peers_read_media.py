"""LLaMA-Factory and ms-swift read our media: their own loaders give the texts with marks and the media of `extract`.

The rows are what `convert` writes, with the configuration of `--consumer-config` where the dialect has one.
`make peers` makes an environment for each peer; a peer without one is skipped.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from peer_runs import ENVIRONMENTS, PEERS, READERS, SETUPS, run_reader
from PIL import Image
from support import run

from preftemplates import get_dialect, get_template
from preftemplates.core.media import MARKS, MEDIA_COLUMNS, read_medium
from preftemplates.core.provenance import plain

pytestmark = pytest.mark.peers

DIALECTS = {"llama-factory": ("llama-factory-sharegpt", "llama-factory-alpaca"), "ms-swift": ("ms-swift",)}
SIDES = {"preference": ("chosen", "rejected"), "supervised": ("completion",), "unpaired": ("completion",)}
FILES = ("a.png", "b.png", "c.png", "a.mp4", "b.mp4", "a.wav", "b.wav")
KINDS = {".png": "image", ".mp4": "video", ".wav": "audio"}


def show(file):
    """A typed part with a medium."""
    kind = KINDS[Path(file).suffix]
    return {"type": kind, kind: file}


def place(kind):
    """A typed part whose medium is in a column."""
    return {"type": kind}


def say(*content, role="user"):
    """A message: one text, or typed parts of texts and media."""
    if len(content) == 1 and isinstance(content[0], str):
        return {"role": role, "content": content[0]}
    return {"role": role, "content": [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]}


NUMBERS = count()


def ask(*messages, answer=None, other=("No.",), **columns):
    """A row with a prompt and answers; ms-swift's KTO takes no answer that is equal to that of the row before."""
    answer = answer or (f"Yes, {next(NUMBERS)}.",)
    answers = {"completion": answer, "chosen": answer, "rejected": other}
    return {
        "prompt": list(messages),
        **{name: [say(*content, role="assistant")] for name, content in answers.items()},
        **columns,
        "label": True,
    }


ROWS = {
    "marks": ask(say("<image>\nLike <image>?"), images=["b.png", "a.png"]),
    "columns of each kind": ask(
        say("First <image>, then <video> with <audio>, and <image>."),
        images=["a.png", "c.png"], videos=["b.mp4"], audios=["a.wav"],
    ),
    "places of each kind": ask(
        say(place("audio"), "Who? ", place("video"), place("image"), place("video")),
        images=["c.png"], videos=["b.mp4", "a.mp4"], audios=["b.wav"],
    ),
    "no marks": ask(say("Compare."), say("What?", role="assistant"), say("These."), images=["b.png", "c.png"]),
    "interleaved": ask(say(show("c.png"), " or ", show("a.wav"), show("a.png"), ", say ", show("a.mp4"), "?")),
    "two turns": ask(
        say(show("a.png"), "?"), say("Tea.", role="assistant"), say(show("b.png"), show("a.png"), show("b.mp4"))
    ),
    "second turn": ask(say("Hi"), say("Hello.", role="assistant"), say("See ", show("c.png"), show("b.png"))),
    "after a system": ask(say("Be brief.", role="system"), say("What is ", show("b.wav"), "?")),
    "no media": ask(say("What is a mark?"), images=[], videos=[], audios=[]),
}  # fmt: skip
"""Rows that each dialect has keys for."""

ANSWERED = {
    "one medium in both answers": ask(
        say("Draw ", show("a.png"), "."), answer=("So: ", show("b.png")), other=("Or so: ", show("b.png"), "!")
    ),
}
"""Rows whose answers show what one list of media can hold; not where KTO pairs prompts with others' answers."""

OTHERS = {
    "another medium in each answer": ask(
        say("Draw ", show("a.png"), "."), answer=(show("b.png"), "?"), other=(show("c.png"), show("a.wav"), "?")
    ),
    "a medium in one answer": ask(say("Draw."), answer=("A text.",), other=(show("c.png"),)),
}
"""Pairs that only ms-swift has keys for."""

TYPED = {
    "a mark as text": ask(say(show("a.png"), "What does <image> mean?")),
    "a mark as text in an answer": ask(say("What is it? ", show("a.png")), answer=("It is <video>.",)),
    "a mark as text without media": ask(say("What does <image> mean?"), images=[]),
}
"""Rows with a text that the framework takes for a medium; the last one is next to rows with media."""


def choose_rows(dialect, format):
    """The rows that a file gets, and those among them that are rejected."""
    answered = {} if format == "unpaired" else ANSWERED
    others = OTHERS if format == "preference" else {}
    keeps = others if dialect == "ms-swift" else {}
    return {**ROWS, **answered, **keeps}, {**TYPED, **{name: row for name, row in others.items() if name not in keeps}}


@dataclass
class Written:
    """A file of rows for a peer, and what it should and does read."""

    dialect: str
    format: str
    suffix: str
    folder: Path
    expected: list[dict[str, Any]]
    rejected: Counter[str]
    read: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def job(self) -> dict[str, Any]:
        """What the reader gets."""
        config = next((path for path in self.folder.glob("*") if path.suffix in (".yaml", ".json")), None)
        return {
            "rows": str(self.folder / f"rows{self.suffix}"),
            "config": None if config is None else str(config),
            "tokenizer": str(self.folder.parent / "tokenizer"),
            "format": self.format,
        }


def place_files(value, folder):
    """The value with the path of each file in its place."""
    if isinstance(value, str):
        return str(folder / value) if value in FILES else value
    if isinstance(value, dict):
        return {key: place_files(item, folder) for key, item in value.items()}
    return [place_files(item, folder) for item in value] if isinstance(value, list) else value


def spell(part):
    """A part as text, with a mark for a medium."""
    medium = read_medium(part)
    return part["text"] if medium is None else MARKS[medium.kind]


def view(messages):
    """The texts of messages with marks, and the media by kind."""
    found = {"texts": [], **{column: [] for column in MEDIA_COLUMNS.values()}, "error": ""}
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        found["texts"].append("".join(map(spell, parts)))
        for medium in filter(None, map(read_medium, parts)):
            found[MEDIA_COLUMNS[medium.kind]].append(plain(medium.value))
    return json.loads(json.dumps(found))


def expect(row, format):
    """What a peer should read of a row, by response."""
    sample = get_template(name_template(format)).extract(row, format)
    return {name: view([*sample.prompt, *messages]) for name, messages in sample.responses.items()}


def name_template(format):
    return "TRL-unpaired-messages" if format == "unpaired" else "TRL-messages"


def write(dialect, format, suffix, folder, rows, relative=False):
    """Convert rows as the command does, with a configuration where the dialect has one for the dataset type."""
    folder.mkdir(parents=True)
    for file in FILES:
        Image.new("RGB", (4, 4)).save(folder / file) if file.endswith("png") else (folder / file).write_bytes(b"")
    if suffix == ".parquet":  # the columns of a table are those of the first row
        rows = [{**{column: [] for column in MEDIA_COLUMNS.values()}, **row} for row in rows]
    placed = [place_files(row, folder) for row in rows]
    lines = [json.dumps(row) + "\n" for row in (rows if relative else placed)]
    source, report = folder / "source.jsonl", folder / "report"
    source.write_text("".join(lines), encoding="utf-8")
    config = get_dialect(dialect).table.config
    name = "dataset_info.json" if config.suffix == ".json" else f"run{config.suffix}"
    options = ["--consumer-config", folder / name] if format in config.texts else []
    options += ["--report", report, "-t", name_template(format), "-f", format, "-d", dialect]
    run("convert", source, "-o", folder / f"rows{suffix}", *options, cwd=folder)
    rejected = json.loads(report.read_text(encoding="utf-8"))["rejected"]
    numbers = {one["row"] for one in rejected}
    expected = [expect(row, format) for number, row in enumerate(placed) if number not in numbers]
    return Written(dialect, format, suffix, folder, expected, Counter(one["code"] for one in rejected))


def read(peer, files, folder):
    """Let a peer read files; return its version."""
    SETUPS[0].tokenizer.save_pretrained(folder / "tokenizer")
    reader = READERS / f"read_{peer.replace('-', '_')}_media.py"
    version, results = run_reader(find_python(peer), reader, [file.job for file in files], folder)
    for file, result in zip(files, results, strict=True):
        file.read, file.error = result.get("rows", []), result.get("error", "")
    return version


def find_python(peer):
    """The interpreter of a peer's environment; without one the test is skipped."""
    python = next(one.python for one in PEERS if one.name == peer)
    if not python.exists() or (ENVIRONMENTS / f"{peer}.error").exists():
        pytest.skip(f"{peer} is not installed: run make peers")
    return python


def add_answers_of_others(expected):
    """What KTO reads as well: each prompt with the answer of the row before it."""
    texts = [row["completion"]["texts"] for row in expected]
    return [
        {**row, "KL": {**row["completion"], "texts": [*texts[number][:-1], texts[number - 1][-1]]}}
        for number, row in enumerate(expected)
    ]


@pytest.mark.parametrize("peer", DIALECTS)
def test_a_peer_reads_the_media_of_each_response(peer, tmp_path):
    files = []
    for dialect in DIALECTS[peer]:
        for format in SIDES:
            good, bad = choose_rows(dialect, format)
            for suffix in (".jsonl", ".parquet"):
                relative = peer == "llama-factory" and suffix == ".jsonl"
                folder = tmp_path / f"{dialect}-{format}{suffix}"
                file = write(dialect, format, suffix, folder, [*good.values(), *bad.values()], relative)
                assert len(file.expected) == len(good)
                assert file.rejected == {"unsupported_content": len(bad)}
                files.append(file)
    version = read(peer, files, tmp_path)
    assert version
    for file in files:
        expected = add_answers_of_others(file.expected) if file.format == "unpaired" else file.expected
        assert (file.error, file.read) == ("", expected), (version, file.folder.name)


@pytest.mark.parametrize("peer", DIALECTS)
def test_a_text_that_spells_a_mark_stays_where_no_row_has_media(peer, tmp_path):
    rows = [ask(say("What does <image> mean?"), answer=("A <video>, <audio>.",))]
    files = [
        write(dialect, format, ".jsonl", tmp_path / f"{dialect}-{format}", rows)
        for dialect in DIALECTS[peer]
        for format in ("preference", "supervised")
    ]
    read(peer, files, tmp_path)
    for file in files:
        (row,) = file.read
        for side in SIDES[file.format]:
            answer = "No." if side == "rejected" else "A <video>, <audio>."
            assert row[side]["texts"] == ["What does <image> mean?", answer]
            assert [row[side][column] for column in MEDIA_COLUMNS.values()] == [[], [], []]


@pytest.mark.parametrize("peer", DIALECTS)
def test_kto_gets_no_answer_with_media_of_another_row(peer, tmp_path):
    """KTO pairs each prompt, and its media, with the answer of another row, so answers must show none."""
    rows = [ROWS["marks"], *ANSWERED.values(), ROWS["interleaved"]]
    files = [write(name, "unpaired", ".jsonl", tmp_path / name, rows) for name in DIALECTS[peer]]
    read(peer, files, tmp_path)
    for view in (view for file in files for row in file.read for view in row.values()):
        assert view["error"] == ""
        for kind, column in MEDIA_COLUMNS.items():
            assert sum(text.count(MARKS[kind]) for text in view["texts"]) == len(view[column])


MISREAD = {
    "a medium in the system's text": ask(say(show("a.png"), "Be brief.", role="system"), say("Hi")),
    "a mark as text before the first row with media": ask(say("What does <image> mean?")),
}
"""Rows that LLaMA-Factory does not read: it counts marks without the system's text, and in every row of a file."""


@pytest.mark.parametrize("name", MISREAD)
def test_llama_factory_takes_every_row_that_is_written(name, tmp_path):
    rows = [MISREAD[name], ROWS["interleaved"]]
    files = [write(dialect, "supervised", ".jsonl", tmp_path / dialect, rows) for dialect in DIALECTS["llama-factory"]]
    read("llama-factory", files, tmp_path)
    assert [view["error"] for file in files for row in file.read for view in row.values() if view["error"]] == []


FAULTS = {
    "images in the other order": ('"b.png", "a.png"]', '"a.png", "b.png"]'),
    "an image too few": ('"b.png", "a.png"]', '"b.png"]'),
    "an image too many": ('"b.png", "a.png"]', '"b.png", "a.png", "c.png"]'),
    "a mark too many": ("Like <image>?", "Like <image><image>?"),
    "a mark too few": ("Like <image>?", "Like?"),
    "a mark in another place": ("Like <image>?", "<image>Like?"),
}


@pytest.mark.parametrize("peer", DIALECTS)
def test_planted_faults_are_caught(peer, tmp_path):
    files = []
    for dialect in DIALECTS[peer]:
        for fault, (found, instead) in FAULTS.items():
            folder = tmp_path / f"{dialect}-{fault}"
            file = write(dialect, "preference", ".jsonl", folder, list(ROWS.values()), relative=True)
            first, *lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
            assert found in first
            (folder / "rows.jsonl").write_text("".join([first.replace(found, instead), *lines]), encoding="utf-8")
            files.append(file)
    read(peer, files, tmp_path)
    for file in files:
        expected = (
            file.expected
            if peer == "llama-factory"
            else json.loads(json.dumps(file.expected).replace(f"{file.folder}/", ""))
        )
        same = [got == wanted for got, wanted in zip(file.read, expected, strict=True)]
        assert same == [False] + [True] * (len(ROWS) - 1), file.folder.name
