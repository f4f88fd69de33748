"""What `preftemplates-train` does with its words: train, score a file, or evaluate on one."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from transformers.utils.logging import disable_progress_bar

INTERRUPTED = 130
"""The exit code of a run that Ctrl-C stopped."""


def run(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: the command's words, without its name.

    Returns:
        The exit code.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    disable_progress_bar()
    console = Console()
    if words[:1] == ["score"]:
        from preftemplates_train.evaluation.score_file import command

        return command(words[1:])
    if words[:1] == ["evaluate"]:
        from preftemplates_train.evaluation import evaluate_file as evaluate

        return evaluate.command(words[1:])
    from preftemplates_train.settings.command_line import read_config
    from preftemplates_train.training.run import show, train

    config = read_config(words)
    if config.dry_run:
        show(config, console)
        return 0
    outcome = train(config, console)
    if outcome.stopped_at is None:
        return 0
    console.print(f"\nstopped at step {outcome.stopped_at}; add --resume_from_checkpoint last to go on from there")
    return INTERRUPTED
