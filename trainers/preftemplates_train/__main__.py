"""The command `preftemplates-train`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from preftemplates.errors import PrefTemplatesError, one_line

REQUIRED_PACKAGES = (
    "accelerate",
    "datasets",
    "filelock",
    "huggingface_hub",
    "matplotlib",
    "numpy",
    "safetensors",
    "torch",
    "transformers",
    "yaml",
)
"""The packages of the extra `train`, as they are imported."""


def main() -> None:
    """Run the command; an error of this project is one line and exit code 2, too many bad rows exit code 3."""
    try:
        sys.exit(_run())
    except PrefTemplatesError as error:
        if not _is_reported_by_another_process(error):
            print(f"error: {one_line(str(error), 5000)}", file=sys.stderr)
        sys.exit(3 if type(error).__name__ == "TooManyBadRowsError" else 2)
    except KeyboardInterrupt:
        print("\nstopped at once", file=sys.stderr)
        sys.exit(130)


def _is_reported_by_another_process(error: PrefTemplatesError) -> bool:
    """Return whether the first process of a run ends with the same error: one of its settings, data or checkpoint."""
    is_other = os.environ.get("RANK", "0") != "0" and os.environ.get("WORLD_SIZE", "1") != "1"
    return is_other and type(error).__name__ in ("SetupError", "ResumeError", "TooManyBadRowsError")


def _run() -> int:
    missing = ", ".join(name for name in REQUIRED_PACKAGES if find_spec(name) is None)
    if missing:
        raise PrefTemplatesError(f"this command needs {missing}: pip install 'preftemplates[train]'")
    from preftemplates_train.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    main()
