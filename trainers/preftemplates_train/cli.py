"""The commands of `preftemplates-train`: train, score a file, or evaluate on one."""

from __future__ import annotations

import os
import sys
import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING

from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from preftemplates.cli.terminal import SafeConsole, print_json
from preftemplates.errors import find_nearest, preview
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.options import read_evaluate_options, read_score_options
from preftemplates_train.settings.command_line import PROGRAM, read_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

INTERRUPTED = 130
"""The exit code of a run that Ctrl-C stopped."""


def run(arguments: Sequence[str]) -> int:
    """Run the command.

    Modules that import torch are imported after the options are read: help and usage errors do not need it.

    Args:
        arguments: the command's words, without its name.

    Returns:
        The exit code.

    Raises:
        SetupError: the first word is nearly the name of a command, or an option is wrong.
    """
    _silence_libraries()
    name = arguments[0] if arguments else ""
    if name in COMMANDS:
        return COMMANDS[name](arguments[1:])
    nearest = None if name.startswith("-") else find_nearest(name, COMMANDS)
    if nearest is not None:
        raise SetupError(f"there is no command {preview(name)}. Did you mean {PROGRAM} {nearest}?")
    return _train(arguments)


NOTED_LIBRARIES = r"(transformers|accelerate|datasets|huggingface_hub|peft|torch)(\..*)?$"


def _silence_libraries() -> None:
    """Silence other libraries' progress bars and notes; this package reports what matters in its own lines and errors.

    `--log_level` and Python's option -W show the notes.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    disable_progress_bar()
    if "datasets" in sys.modules:  # it reads the variable when it is imported
        sys.modules["datasets"].disable_progress_bars()
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        set_verbosity_error()
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module=NOTED_LIBRARIES)


def _train(arguments: Sequence[str]) -> int:
    config = read_config(arguments)
    from preftemplates_train.training.run import preview_run, train

    console = SafeConsole(stderr=config.json)
    if config.dry_run:
        preview_run(config, console)
        return 0
    result = train(config, console)
    if result.stopped_at is None:
        if config.json and config.process_index == 0:
            print_json(result.metrics, indent=1)
        return 0
    if config.process_index == 0:
        console.print(
            f"\nstopped at step {result.stopped_at}; add --resume_from_checkpoint last to continue from there"
        )
    return INTERRUPTED


def _score(arguments: Sequence[str]) -> int:
    options = read_score_options(arguments)
    from preftemplates_train.evaluation.score_file import score_file

    return score_file(options)


def _evaluate(arguments: Sequence[str]) -> int:
    options = read_evaluate_options(arguments)
    from preftemplates_train.evaluation.evaluate_file import evaluate_file

    return evaluate_file(options)


def _print_completion(arguments: Sequence[str]) -> int:
    from preftemplates_train.completion import COMPLETION_USAGE, render_completion

    if arguments and arguments[0] in ("-h", "--help"):
        print(f"usage: {COMPLETION_USAGE}")
        return 0
    if len(arguments) != 1:
        raise SetupError(f"completion takes the name of one shell, got {len(arguments)}; usage: {COMPLETION_USAGE}")
    print(render_completion(arguments[0]))
    return 0


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = MappingProxyType(
    {"score": _score, "evaluate": _evaluate, "completion": _print_completion}
)
"""The commands after the program's name. Without a command, the program trains."""
