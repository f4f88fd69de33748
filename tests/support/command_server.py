"""A process that imports the trainer once, and runs each command in a fork of its own: as a user would, only sooner.

`python command_server.py` reads requests from stdin, a line of JSON each, and answers on stdout, a line each.
"""

from __future__ import annotations

import atexit
import faulthandler
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

PRELOADED = ("preftemplates_train.training.run", "preftemplates_train.evaluation.evaluate_file")


def serve() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in (*PRELOADED, "preftemplates_train.evaluation.score_file", "peft", "datasets", "pyarrow.parquet"):
        __import__(name)
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        answers.write(json.dumps(run_command(**json.loads(line))) + "\n")
        answers.flush()


def run_command(
    words: list[str], folder: str, environment: dict[str, str], file_limit: int | None, timeout: float
) -> dict[str, Any]:
    """Run `preftemplates-train` with these words; its exit code, and everything that it wrote to both streams.

    Args:
        words: the command's words.
        folder: where it runs.
        environment: more variables.
        file_limit: the size in bytes that no file may pass, as if the disk were full.
        timeout: the seconds after which it is killed, with the stacks of its threads in its errors.
    """
    with TemporaryFile() as out, TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _run_child(words, Path(folder), environment, file_limit, timeout)
        _, status, usage = os.wait4(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="backslashreplace"))
    seconds = usage.ru_utime + usage.ru_stime
    return {"code": os.waitstatus_to_exitcode(status), "out": texts[0], "err": texts[1], "seconds": seconds}


def _run_child(
    words: list[str], folder: Path, environment: dict[str, str], file_limit: int | None, timeout: float
) -> None:
    code: Any = 70
    try:
        os.chdir(folder)
        os.environ.update(environment)
        sys.argv = ["preftemplates-train", *words]
        faulthandler.dump_traceback_later(timeout, exit=True)
        if file_limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        from preftemplates_train.__main__ import main

        main()
    except SystemExit as error:
        code = error.code or 0
    except BaseException:  # noqa: BLE001  it is shown, as the interpreter would
        traceback.print_exc()
        code = 1
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve()
