"""What each peer is given, and whether its trainer holds our ids: rows, chat template, configuration and tokenizer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from real_files import FILES
from support import DATA, HANGS, TEMPLATE_NAMES, real_rows
from token_support import tokenizer_for_style

from preftemplates import get_dialect, get_style, get_template, tokenize
from preftemplates.data.arrow import build_output_schema, check_fits_schema
from preftemplates.data.convert import Conversion
from preftemplates.data.reading import Record
from preftemplates.data.writing import open_writer
from preftemplates.errors import DefinitionError, RowError
from preftemplates.styles.control_text import find_control_text
from preftemplates.templates.rendering import render_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates import Template

READERS = Path(__file__).parents[1] / "peers" / "readers"
ENVIRONMENTS = Path(os.environ.get("PREFTEMPLATES_PEERS", Path(__file__).parents[2] / "build" / "peers"))


@dataclass(frozen=True)
class Setup:
    """A style, and whether the tokenizer adds a BOS; every row is read with the first, every tenth with the others."""

    style: str
    adds_bos: bool

    @property
    def name(self) -> str:
        """The style, and what the tokenizer does."""
        return self.style + (", the tokenizer adds BOS" if self.adds_bos else "")

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, without a chat template of its own."""
        return _make_tokenizer(self.style, self.adds_bos)


SETUPS = (Setup("chatml", False), Setup("llama3", True), Setup("llama3", False), Setup("mistral-v3", True))


@cache
def _make_tokenizer(style: str, adds_bos: bool) -> Any:
    return tokenizer_for_style(style, adds_bos)


@dataclass(frozen=True)
class Peer:
    """A peer's reader, the dialects that are written for it, and the reasons that are known for other ids.

    Attributes:
        name: of the peer, and of its environment and its reader.
        dialects: what is written; each of its dataset types that has a configuration.
        suffix: the ending of the files of rows.
        rows: how many rows of a file are read at most, where a peer is slow.
        variants: dataset types that the peer has another trainer for as well, and its name.
        examples: further templates, whose examples are read as well.
        refused_with_bos: dataset types that a dialect refuses to write for tokenizers that add a BOS.
    """

    name: str
    dialects: tuple[str, ...]
    suffix: str = ".jsonl"
    rows: int | None = None
    variants: tuple[tuple[str, str], ...] = ()
    examples: tuple[str, ...] = ()
    refused_with_bos: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """The interpreter of the peer's environment; our own for TRL, which is installed for the tests."""
        return Path(sys.executable) if self.name == "trl" else ENVIRONMENTS / self.name / "bin" / "python"

    @property
    def reader(self) -> Path:
        """The script that runs in the peer's environment."""
        return READERS / f"read_{self.name.replace('-', '_')}.py"


PEERS = (
    Peer(
        "trl", ("trl", "trl-implicit", "trl-text", "trl-implicit-text"), rows=50, variants=(("preference", "Reward"),)
    ),
    Peer(
        "llama-factory",
        ("llama-factory-alpaca", "llama-factory-sharegpt"),
        rows=50,
        variants=(("preference", "rm"),),
    ),
    Peer("ms-swift", ("ms-swift", "ms-swift-text"), rows=10, variants=(("preference", "rm"),)),
    Peer("torchtune", ("torchtune",), rows=50),
    Peer("openrlhf", ("openrlhf",), rows=10, variants=(("preference", "DPO"),)),
    Peer("axolotl", ("axolotl",), rows=10, variants=(("preference", "reward_model"),)),
    Peer("reward-bench", ("reward-bench",), rows=50),
    Peer(
        "verl",
        ("verl",),
        suffix=".parquet",
        rows=50,
        examples=("GSM8K", "TRL-prompts", "verl"),
        refused_with_bos=("preference",),
    ),
)


@dataclass
class Row:
    """A row that is written: the ids that we give, and what else the peer should read in it.

    Attributes:
        ids: our ids by response; those of the prompt where there is no response.
        ends: how many of these go up to the last end of turn, by response that has one.
        labels: the margin, the label or the answer, where the sample has one.
        control_text: whether a content spells what the style writes between turns.
        facts: what the sample holds: `empty prompt`, `system`, `tools`, `thinking`, `turns`.
    """

    ids: dict[str, list[int]]
    ends: dict[str, int]
    labels: dict[str, Any]
    control_text: bool
    facts: set[str]


@dataclass
class File:
    """A file of rows in a dialect, and what a peer holds of them."""

    name: str
    dialect: str
    format: str
    setup: Setup
    rows: list[Row] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    read: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    variant: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from the other files."""
        return self.name, self.dialect, self.format, self.variant, self.setup.name

    @cached_property
    def template(self) -> Template:
        """The template, in the dialect and the style of the setup."""
        template = get_template(self.name).with_style(self.setup.style).with_dialect(self.dialect)
        if template.dialect.table.consumer is not None:
            template = template.with_tokenizer(self.setup.tokenizer)
        return template

    def fill(self, rows: list[dict[str, Any]], suffix: str) -> None:
        """Convert rows, and keep those that have a text in the style."""
        check = None
        if suffix == ".parquet":
            schema = build_output_schema(self.template, self.format)
            check = lambda result: check_fits_schema(result, schema=schema)  # noqa: E731
        records = [Record(number, None, row) for number, row in enumerate(rows)]
        conversion = Conversion(records, self.template, self.format, on_error="skip", check=check)
        for _, formatted in conversion.accepted():
            try:
                self.rows.append(_describe(formatted.messages, self.setup))
            except RowError as error:  # the style writes no such text
                self.refused[str(error.code)] += 1
            else:
                self.results.append(formatted.result)
        for issue in (*conversion.report.skipped, *conversion.report.rejected):
            self.refused[str(issue.code)] += 1

    def write(self, folder: Path, suffix: str) -> dict[str, Any]:
        """Write rows, chat template and configuration as `convert` does, and the tokenizer; return where they are."""
        folder.mkdir(parents=True)
        rows, style = folder / f"rows{suffix}", self.template.style
        schema = build_output_schema(self.template, self.format) if suffix == ".parquet" else None
        with open_writer(rows, schema) as writer:
            for result in self.results:
                writer.write(result)
        paths = {"rows": str(rows), "tokenizer": str(folder / "tokenizer"), "config": None, "chat_template": None}
        self.setup.tokenizer.save_pretrained(paths["tokenizer"])
        if self.template.text_style(self.format) is None:
            paths["chat_template"] = str(folder / "chat_template.jinja")
            Path(paths["chat_template"]).write_text(style.chat_template, encoding="utf-8")
        dialect = get_dialect(self.dialect)
        config = dialect.table.config
        assert config is not None
        keys = [key for key, _ in self.template.result_shape(self.format)[0].fields]
        name = "dataset_info.json" if config.suffix == ".json" else f"config{config.suffix}"
        paths["config"] = str(folder / name)
        text = dialect.configure(
            self.format, config=paths["config"], rows=rows, chat_template=paths["chat_template"], keys=keys
        )
        Path(paths["config"]).write_text(text, encoding="utf-8")
        if config.get_style_note(self.format) and paths["chat_template"]:  # the note asks for it in the model's folder
            shutil.copy(paths["chat_template"], Path(paths["tokenizer"]) / "chat_template.jinja")
        return {**paths, "format": self.format, "dialect": self.dialect, "variant": self.variant}


def _describe(sample: Any, setup: Setup) -> Row:
    """What we give for a sample."""
    style, tokenizer = get_style(setup.style), setup.tokenizer
    tokens = tokenize(render_sample(sample, style), tokenizer)
    named = dict(tokens.responses) or {"prompt": tokens.prompt}
    ids = {name: list(one.input_ids) for name, one in named.items()}
    stop = tokenizer.convert_tokens_to_ids(style.stop)
    ends = {name: len(own) - own[::-1].index(stop) for name, own in ids.items() if name != "prompt" and stop in own}
    messages = [*sample.prompt, *(message for own in sample.responses.values() for message in own)]
    labels = {name: getattr(sample, name, None) for name in ("margin", "label", "answer")}
    return Row(
        ids,
        ends,
        {name: value for name, value in labels.items() if value is not None},
        find_control_text(messages, style) is not None,
        set(_list_facts(sample, messages)),
    )


def _list_facts(sample: Any, messages: list[Any]) -> Iterator[str]:
    if not sample.prompt:
        yield "empty prompt"
    if any(message["role"] == "system" for message in messages):
        yield "system"
    if sample.tools is not None or any(message.get("tool_calls") for message in messages):
        yield "tools"
    if any(message.get("reasoning_content") for message in messages):
        yield "thinking"
    if len(sample.prompt) > 1:
        yield "turns"


def list_files(peer: Peer) -> list[File]:
    """Every file of rows for a peer: each dialect, dataset type and setup."""
    files = []
    for dialect in peer.dialects:
        config = get_dialect(dialect).table.config
        assert config is not None, f"{dialect} has no configuration"
        for setup in SETUPS:
            examples = ((name, None, [get_template(name).example]) for name in peer.examples)
            for name, asked, rows in (*_list_sources(), *examples):
                for format in config.texts:
                    if asked in (None, format) or format == "prompt_only":
                        file = _fill(peer, File(name, dialect, format, setup), rows)
                        others = [variant for kind, variant in peer.variants if kind == format]
                        files += [file, *(replace(file, variant=variant) for variant in others)]
    return [file for file in files if file.rows]


def _list_sources() -> Iterator[tuple[str, str | None, list[dict[str, Any]]]]:
    """Templates with their rows: the real ones, or the templates' examples where there are none."""
    if DATA.exists():
        yield from ((asked.template, asked.format, real_rows(name)) for name, asked in FILES.items())
    else:
        yield from ((name, None, [get_template(name).example]) for name in TEMPLATE_NAMES)


def _fill(peer: Peer, file: File, rows: list[dict[str, Any]]) -> File:
    template = get_template(file.name)
    if getattr(template, "is_custom", False):
        return file
    if file.format in {*template.formats, *template.derived_formats}:
        if file.format in peer.refused_with_bos and file.setup.adds_bos:
            with pytest.raises(DefinitionError, match="adds a BOS"):
                file.template.choose_edges(file.format)
            return file
        shortened = rows if file.setup == SETUPS[0] else rows[::10]
        file.fill(shortened[: peer.rows], peer.suffix)
    return file


def read(peer: Peer, files: list[File], folder: Path) -> str:
    """Let the peer's own trainer or dataset read the files; return its version."""
    jobs = [file.write(folder / str(number), peer.suffix) for number, file in enumerate(files)]
    version, results = run_reader(peer.python, peer.reader, jobs, folder)
    for file, got in zip(files, results, strict=True):
        file.read, file.error = got.get("rows", []), got.get("error", "")
    return version


def run_reader(
    python: Path, reader: Path, jobs: list[dict[str, Any]], folder: Path
) -> tuple[str, list[dict[str, Any]]]:
    """Run a reader with the peer's Python; return the peer's version, and what the reader gives for each job."""
    (folder / "job.json").write_text(json.dumps(jobs), encoding="utf-8")
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "MODELSCOPE_CACHE": str(folder), "HOME": str(folder)}
    done = subprocess.run(
        [str(python), str(reader), str(folder / "job.json"), str(folder / "read.json")],
        capture_output=True,
        text=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        timeout=HANGS,
        env={**os.environ, **offline, "PYTHONPATH": "", "CUDA_VISIBLE_DEVICES": "", "PYTHONHASHSEED": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads((folder / "read.json").read_text(encoding="utf-8"))
    return str(answer["version"]), answer["files"]


def judge(file: File, number: int) -> str:
    """How what a peer holds of a row compares with what we give, in words; `equal` where the ids are the same."""
    row = file.rows[number]
    if file.error or number >= len(file.read):
        return f"not read: {file.error[:100]}" if file.error else "not read"
    got = file.read[number]
    if got.get("error"):
        return f"not read: {got['error'][:100]}"
    if any(row.labels.get(name, 0 if name == "margin" else None) != got[name] for name in set(got) & set(_LABELS)):
        return "another label"
    verdicts = {_compare(row, name, got["ids"].get(name), file.setup) for name in row.ids}
    if "other ids" in verdicts and row.control_text:
        return "control_text"
    return max(verdicts, key=("equal", *_ENDINGS, "other ids").index)


def explain(peer: Peer, file: File, number: int, verdict: str) -> str | None:
    """Return the reason that is known for a verdict; None where there is none."""
    reasons = import_module(f"peer_reasons.{peer.name.replace('-', '_')}").REASONS
    return next((reason for reason, holds in reasons.items() if holds(file, file.rows[number], verdict)), None)


FINE = ("equal", "without the tail", "EOS instead of the tail", "EOS after the end", "control_text")
"""The verdicts on ids that are ours up to the last end of turn, or of a row that spells a control token."""

_LABELS = ("margin", "label", "answer")
_ENDINGS = FINE[1:4]


def _compare(row: Row, name: str, theirs: list[int] | None, setup: Setup) -> str:
    ours = row.ids[name]
    end = row.ends.get(name, len(ours))
    if theirs == ours:
        return "equal"
    if theirs is None or theirs[:end] != ours[:end]:
        return "other ids"
    rest, tail, eos = theirs[end:], ours[end:], setup.tokenizer.eos_token_id
    endings = {(): "without the tail", (eos,): "EOS instead of the tail", (*tail, eos): "EOS after the end"}
    if not tail:
        endings = {(eos,): "EOS after the end"}
    last = ours[end - 1] if end else None
    return endings.get(tuple(rest), "other ids") if last != eos or eos not in rest else "other ids"
