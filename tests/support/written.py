"""What is written for each peer of every file of real rows, and what the peer should get of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from real_files import FILES
from support import HANGS, real_rows
from token_support import byte_level

from preftemplates import get_style, get_template, tokenize
from preftemplates.data.convert import Conversion
from preftemplates.data.reading import Record
from preftemplates.errors import RowError
from preftemplates.templates.dataset_info import make_dataset_info_entry
from preftemplates.templates.rendering import render_sample

if TYPE_CHECKING:
    from collections.abc import Callable

STYLE = get_style("chatml")
TOKENIZER = byte_level()
READERS = Path(__file__).parents[1] / "peers" / "readers"
ENVIRONMENTS = Path(os.environ.get("PREFTEMPLATES_PEERS", Path(__file__).parents[2] / "build" / "peers"))


@dataclass
class File:
    """A file of real rows in a dialect, what a peer should read in it, and what it read."""

    name: str
    format: str
    dialect: str
    written: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Any] = field(default_factory=list)
    expected: list[Any] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    read: list[Any] = field(default_factory=list)
    error: str = ""


def turns(messages: Any) -> list[list[Any]]:
    """Messages as pairs of role and content; a call of a tool is its own turn, as ms-swift has it."""
    pairs = []
    for message in messages:
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        if "content" in message or not calls:
            pairs.append([message["role"], message.get("content")])
        pairs += [["tool_call", {key: call[key] for key in ("name", "arguments")}] for call in calls]
    return pairs


def ids(sample: Any) -> dict[str, list[int]]:
    """The ids that we predict for each response."""
    tokens = tokenize(render_sample(sample, STYLE), TOKENIZER)
    return {name: list(own.input_ids) for name, own in tokens.responses.items()}


def texts(sample: Any) -> dict[str, str]:
    """The whole text of each response in our style."""
    return {name: own.text for name, own in render_sample(sample, STYLE).responses.items()}


def for_llama_factory(sample: Any) -> dict[str, Any]:
    """Prompt, answers and system text apart; a verdict is the place of the answer beside an empty one."""
    system = next((one["content"] for one in sample.prompt[:1] if one["role"] == "system"), "")
    answers = turns(message for own in sample.responses.values() for message in own)
    if sample.format == "unpaired":
        answers.insert(1 if sample.label else 0, ["assistant", ""])
    return {"prompt": turns(sample.prompt[1 if system else 0 :]), "answers": answers, "system": system}


def for_ms_swift(sample: Any) -> dict[str, Any]:
    """The conversation with the one answer or the chosen one, and beside it what else there is."""
    first, *others = sample.responses.values()
    got: dict[str, Any] = {"messages": turns([*sample.prompt, *first])}
    for (other,) in others:
        got["rejected_response"] = other["content"]
    labels = {"label": getattr(sample, "label", None), "margin": getattr(sample, "margin", None)}
    return got | {name: value for name, value in labels.items() if value is not None}


def for_torchtune(sample: Any) -> list[Any]:
    """The conversation of each response."""
    return [turns([*sample.prompt, *own]) for own in sample.responses.values()]


def for_verl(sample: Any) -> dict[str, Any]:
    """The prompt, and what verl's reward functions ask for."""
    reward = {"style": "model", "ground_truth": ""}
    return {"prompt": sample.prompt, "source": "preftemplates", "reward": reward}


def for_openrlhf(sample: Any) -> dict[str, Any]:
    """The ids of each response, and the margin, which is 0 where there is none."""
    if sample.format == "prompt_only":
        return {"prompt": STYLE.text(sample.prompt, add_generation_prompt=True)}
    return {**ids(sample), **({"margin": sample.margin or 0} if sample.format == "preference" else {})}


def for_axolotl(sample: Any) -> dict[str, Any]:
    """The prompt's text and what follows it, or the ids."""
    if sample.format == "supervised":
        return ids(sample)
    prompt = STYLE.text(sample.prompt, add_generation_prompt=True)
    return {"prompt": prompt} | {name: text.removeprefix(prompt) for name, text in texts(sample).items()}


@dataclass(frozen=True)
class Peer:
    """A peer's reader, what is written for it, and what it should get of each sample."""

    name: str
    dialects: tuple[str, ...]
    expected: Callable[[Any], Any]
    formats: tuple[str, ...] = ("supervised", "preference", "unpaired")

    @property
    def python(self) -> Path:
        """The interpreter of the peer's environment; our own for TRL, beside which the tests run."""
        return Path(sys.executable) if self.name == "trl" else ENVIRONMENTS / self.name / "bin" / "python"

    def write(self) -> list[File]:
        """Every file of real rows, in each of the peer's dialects that spells its format."""
        files = []
        for dialect in self.dialects:
            for name, asked in FILES.items():
                format = "prompt_only" if self.formats == ("prompt_only",) else asked.format
                template = get_template(asked.template).with_dialect(dialect)
                can = {*template.formats, *template.derived_formats} & set(template.dialect.formats)
                if format not in can.intersection(self.formats):
                    continue
                files.append(self._written(File(name, format, dialect), template))
        return [file for file in files if file.written]

    def _written(self, file: File, template: Any) -> File:
        records = [Record(number, None, row) for number, row in enumerate(real_rows(file.name))]
        conversion = Conversion(records, template, file.format, on_error="skip")
        for _, formatted in conversion.accepted():
            try:
                file.expected.append(self.expected(formatted.messages))
            except RowError as error:  # our style writes no such text
                file.refused[str(error.code)] += 1
            else:
                file.samples.append(formatted.messages)
                file.written.append(formatted.result)
        for refusal in (*conversion.report.skipped, *conversion.report.rejected):
            file.refused[str(refusal.code)] += 1
        return file

    def read(self, files: list[File], folder: Path) -> str:
        """Let the peer read the files; its version."""
        TOKENIZER.backend_tokenizer.save(str(folder / "tokenizer.json"))
        job: dict[str, Any] = {"tokenizer": str(folder / "tokenizer.json"), "eos": "<|im_end|>", "pad": "</s>"}
        job |= {"chat_template": STYLE.chat_template, "files": []}
        for number, file in enumerate(files):
            home = folder / str(number)
            home.mkdir()
            lines = [json.dumps(row, ensure_ascii=False) for row in file.written]
            (home / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            entry = make_dataset_info_entry(file.dialect, file.format, "rows.jsonl") if "llama" in self.name else None
            job["files"].append({"path": str(home / "rows.jsonl"), "format": file.format, "entry": entry})
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        reader = READERS / f"read_{self.name.replace('-', '_')}.py"
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "MODELSCOPE_CACHE": str(folder), "HOME": str(folder)}
        done = subprocess.run(
            [str(self.python), str(reader), str(folder / "job.json"), str(folder / "read.json")],
            capture_output=True,
            text=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            timeout=HANGS,
            env={**os.environ, **offline, "PYTHONPATH": "", "CUDA_VISIBLE_DEVICES": "", "PYTHONHASHSEED": "1"},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        answer = json.loads((folder / "read.json").read_text(encoding="utf-8"))
        for file, read in zip(files, answer["files"], strict=True):
            file.read, file.error = read.get("rows", []), read.get("error", "")
        return str(answer["version"])


def cut(value: Any) -> Any:
    """Texts without blanks at their ends, and ids without the newline at theirs."""
    newline = TOKENIZER.convert_tokens_to_ids("Ċ")
    if isinstance(value, dict):
        return {name: one if name == "prompt" else cut(one) for name, one in value.items()}
    if isinstance(value, str):
        return value.rstrip()
    return value[:-1] if isinstance(value, list) and value[-1] == newline else value


def difference(peer: str, file: File, number: int) -> str | None:
    """Why a peer reads a row otherwise than it should; None where there is no known reason."""
    sample, expected = file.samples[number], file.expected[number]
    read = file.read[number] if number < len(file.read) else file.error
    if peer in ("openrlhf", "axolotl") and read == cut(expected):
        return "the newline behind the stop is cut off"
    if not sample.prompt:
        return "no question stands before the answer"
    if peer == "reward-bench" and file.error and any(one.prompt[0]["role"] == "system" for one in file.samples):
        return "a file with a system text is refused whole (fault 13)"
    return None


PEERS = [
    Peer("trl", ("trl", "trl-implicit"), ids, ("preference",)),
    Peer("llama-factory", ("llama-factory-alpaca", "llama-factory-sharegpt"), for_llama_factory),
    Peer("ms-swift", ("ms-swift",), for_ms_swift),
    Peer("torchtune", ("torchtune",), for_torchtune),
    Peer("openrlhf", ("openrlhf",), for_openrlhf, ("supervised", "preference", "prompt_only")),
    Peer("axolotl", ("axolotl",), for_axolotl),
    Peer("reward-bench", ("reward-bench",), texts),
    Peer("verl", ("verl",), for_verl, ("prompt_only",)),
]
