"""The command `preftemplates`."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, NoReturn

from preftemplates.cli.app import app
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def main() -> None:
    """Run the command; an error of this library is one line and exit code 2."""
    try:
        with _ending_in_order():
            app()
    except PrefTemplatesError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        sys.exit(0)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let a signal to terminate end the command as an error does, so that no half-written file stays."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End with the code that a shell gives to a signal."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
