"""Bad inputs of `preftemplates-train`: what each is, where it is tried, and what the command must say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from support import HANGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MODEL, REWARD_MODEL, ROWS, OUTPUT = "model", "reward-model", "rows.jsonl", "out"
"""What is in the folder where a bad input is tried, and the folder that a run would write."""

PAIRS = [
    {"prompt": f"question {n}", "response_0": f"good {n}", "response_1": "bad", "better_response_id": 0}
    for n in range(40)
]
TEXT = "".join(json.dumps(pair) + "\n" for pair in PAIRS)


class BadInput(NamedTuple):
    """One thing that is wrong.

    Attributes:
        name: the test's name.
        words: the command's words.
        message: a part of what the command says.
        code: its exit code.
        prepare: makes what the words name, in a folder that has a model, a reward model and rows.
    """

    name: str
    words: tuple[str, ...]
    message: str
    code: int = 2
    prepare: Callable[[Path], Any] | None = None

    def __str__(self) -> str:
        return self.name


def train_words(**changed: str | None) -> tuple[str, ...]:
    """The words of a short run, some of them changed; None leaves an option out."""
    options = {
        "dataset_name": ROWS,
        "template": "PKUSafeRLHF",
        "style": "chatml",
        "model_name_or_path": MODEL,
        "per_device_train_batch_size": "4",
        "max_steps": "2",
        "output_dir": OUTPUT,
        **changed,
    }
    return tuple(word for name, value in options.items() if value is not None for word in (f"--{name}", value))


def read_table(table: str) -> Iterator[BadInput]:
    """The bad settings of a table: in each line the words, an arrow and what must be said."""
    for line in table.strip().splitlines():
        words, message = re.split(r" +=> ", line)
        yield BadInput(words, (*train_words(), *words.split(" ")), message)


def make_place(folder: Path, model: Path, reward_model: Path) -> None:
    """Put a model, a reward model and rows into a folder."""
    shutil.copytree(model, folder / MODEL)
    shutil.copytree(reward_model, folder / REWARD_MODEL, ignore=shutil.ignore_patterns("checkpoint-*", ".*"))
    (folder / ROWS).write_text(TEXT, encoding="utf-8")


def list_files(folder: Path) -> set[str]:
    """The names of everything in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


class Result(NamedTuple):
    """What a command did: its exit code, what it wrote to both streams, and its seconds of CPU."""

    code: int
    out: str
    err: str
    seconds: float


class CommandServer:
    """Runs commands in forks of a process that has imported everything; a context."""

    def __enter__(self) -> CommandServer:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": ""}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        script = Path(__file__).with_name("command_server.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=HANGS)

    def run(
        self,
        words: Iterable[str],
        folder: Path,
        *,
        environment: dict[str, str] | None = None,
        file_limit: int | None = None,
        timeout: float = 300,
    ) -> Result:
        """Run `preftemplates-train` with these words; see `command_server.run_command`."""
        request = {
            "words": list(words),
            "folder": str(folder),
            "environment": environment or {},
            "file_limit": file_limit,
            "timeout": timeout,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Result(**json.loads(self._process.stdout.readline()))
