"""The command `preftemplates`."""

from __future__ import annotations

import sys

from preftemplates.cli.app import app
from preftemplates.errors import PrefTemplatesError


def main() -> None:
    """Run the command; an error of this library is one line and exit code 2."""
    try:
        app()
    except PrefTemplatesError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
