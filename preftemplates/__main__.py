"""The command `preftemplates`."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from preftemplates.cli.app import app
from preftemplates.cli.terminal import print_error
from preftemplates.cli.usage_errors import describe_usage_error
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


_USAGE_ERROR: Any = typer.BadParameter.__base__
"""The base of all errors that typer raises for wrong arguments; typer does not export it."""


def main() -> None:
    """Run the command; an error of this library is one line and exit code 2."""
    try:
        with _ending_in_order():
            sys.exit(app(standalone_mode=False))
    except PrefTemplatesError as error:
        print_error(f"error: {error}")
        sys.exit(2)
    except _USAGE_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # the command alone prints its help
            error.show()
        else:
            print_error(f"error: {describe_usage_error(error)}")
        sys.exit(error.exit_code)
    except typer.Abort:
        print_error("stopped")
        sys.exit(130)
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
