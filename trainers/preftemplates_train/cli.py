"""The commands of `preftemplates-train`: train, score a file, or evaluate on one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.console import Console
from transformers.utils.logging import disable_progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""The exit code of a run that Ctrl-C stopped."""


def run_command(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: the command's words, without its name.

    Returns:
        The exit code.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    disable_progress_bar()
    console = Console()
    if arguments[:1] == ["score"]:
        from preftemplates_train.evaluation.score_file import run_score

        return run_score(arguments[1:])
    if arguments[:1] == ["evaluate"]:
        from preftemplates_train.evaluation.evaluate_file import run_evaluate

        return run_evaluate(arguments[1:])
    from preftemplates_train.settings.command_line import read_config
    from preftemplates_train.training.run import preview_run, train

    config = read_config(arguments)
    if config.dry_run:
        preview_run(config, console)
        return 0
    result = train(config, console)
    if result.stopped_at is None:
        return 0
    console.print(f"\nstopped at step {result.stopped_at}; add --resume_from_checkpoint last to go on from there")
    return INTERRUPTED
