"""Kill training while it saves: `python killed_runs.py FOLDER NUMBER WORDS...` prints as JSON what each kill left.

Everything is imported once, and each run is a fork of this process, which has computed nothing yet.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from io import StringIO
from pathlib import Path

from preftemplates_train.model.manifest import find_damage
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.checkpoints import list_own_checkpoints
from preftemplates_train.training.run import train
from rich.console import Console


def start(words: list[str]) -> int:
    """Start a run in a process of its own; its number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            train(read_config(words), Console(file=StringIO()))
            code = 0
        finally:
            os._exit(code)
    return child


def kill_while_saving(words: list[str], folder: Path, at_save: int, delay: float) -> int | None:
    """Kill a run some time after a save has begun; the step that was saved, or None where the run ended before."""
    child, seen = start(words), set()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        staging = [path.name for path in folder.glob(".saving-checkpoint-*")]
        seen |= set(staging)
        if len(seen) >= at_save and staging:
            time.sleep(delay)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return max(int(name.rpartition("-")[2]) for name in seen)
        time.sleep(0.0005)
    return None


def main() -> None:
    """Kill runs at random moments of random saves, each in a folder of its own, and let each go on to its end."""
    root, number, words = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    rng = random.Random(0)
    results = []
    for kill in range(number):
        folder = root / f"killed-{kill}"
        named = [*words, "--output_dir", str(folder)]
        step = kill_while_saving(named, folder, rng.randint(1, 4), rng.choice([0, 0.001, 0.003, 0.006, 0.01, 0.02]))
        whole = [path for path in list_own_checkpoints(folder) if find_damage(path) is None]
        newest = max((int(path.name.rpartition("-")[2]) for path in whole), default=0)
        result = {"kill": kill, "step": step, "newest": newest, "torn": len(list_own_checkpoints(folder)) - len(whole)}
        if step is not None:
            _, status = os.waitpid(start([*named, *(["--resume_from_checkpoint", "last"] if whole else [])]), 0)
            result["code"] = os.waitstatus_to_exitcode(status)
            result["left"] = sorted(path.name for path in folder.glob(".saving*"))
            shutil.copy(folder / "model.safetensors", root / f"{kill}.safetensors")
        results.append(result)
        shutil.rmtree(folder)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
