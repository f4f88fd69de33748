"""The command `preftemplates-train`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from preftemplates.data.reading import spell_install
from preftemplates.errors import MissingPackageError, PrefTemplatesError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED_PACKAGES = (
    "accelerate",
    "datasets",
    "filelock",
    "huggingface_hub",
    "matplotlib",
    "numpy",
    "safetensors",
    "shtab",
    "torch",
    "transformers",
    "yaml",
)
"""The packages of the extra `train`, as they are imported."""


def main() -> None:
    """Run the command. An error is one line on standard error, with exit code 2, or 3 for too many bad rows.

    SIGTERM ends the command with exit code 130, as Ctrl-C does.
    """
    try:
        with _interrupted_by(signal.SIGTERM):
            try:
                sys.exit(_run())
            finally:
                sys.stdout.flush()
    except PrefTemplatesError as error:
        if not _is_reported_by_another_process(error):
            print(f"error: {one_line(str(error), 5000)}", file=sys.stderr)
        sys.exit(3 if type(error).__name__ == "TooManyBadRowsError" else 2)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        _drop_output()
        sys.exit(0)
    except OSError as error:  # a fault of the machine that no inner handler explains better
        _drop_output()
        print(f"error: {one_line(str(error), 5000)}", file=sys.stderr)
        sys.exit(2)
    except MemoryError:
        print("error: the machine is out of memory", file=sys.stderr)
        sys.exit(2)


def _drop_output() -> None:
    """Discard the buffer of stdout: at exit the interpreter flushes it, and would fail on the closed pipe again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _interrupted_by(number: int) -> Iterator[None]:
    """Let a signal raise KeyboardInterrupt; only the main thread can set a handler."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _is_reported_by_another_process(error: PrefTemplatesError) -> bool:
    """Return whether the first process on this machine reports the same error.

    All processes fail alike on settings, data and checkpoints. An error in a training step may occur in one of them
    alone, so every process reports it.
    """
    is_other = os.environ.get("LOCAL_RANK", "0") != "0" and os.environ.get("WORLD_SIZE", "1") != "1"
    return is_other and type(error).__name__ not in ("TrainingError", "NonFiniteError")


def _run() -> int:
    missing = [name for name in REQUIRED_PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingPackageError(f"this command needs {', '.join(missing)}: {spell_install(*missing)}")
    from preftemplates_train.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    main()
