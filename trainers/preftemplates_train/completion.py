"""The completion script of a shell for `preftemplates-train`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import shtab

from preftemplates.errors import did_you_mean, preview
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.options import make_evaluate_parser, make_score_parser
from preftemplates_train.settings.command_line import PROGRAM, make_run_parser

if TYPE_CHECKING:
    from collections.abc import Iterable

SHELLS = ("bash", "zsh", "fish", "powershell", "tcsh")

COMPLETION_USAGE = f"{PROGRAM} completion {'|'.join(SHELLS)}"


def render_completion(shell: str) -> str:
    """Return the script that completes the options, choices and file names of every command.

    Args:
        shell: one of `SHELLS`.

    Raises:
        SetupError: the shell is unknown.
    """
    if shell not in SHELLS:
        guess = did_you_mean(shell, SHELLS) or f" Choose from: {', '.join(SHELLS)}."
        raise SetupError(f"there is no completion for {preview(shell)}.{guess}")
    parser = argparse.ArgumentParser(PROGRAM, parents=[make_run_parser()], add_help=False)
    commands = parser.add_subparsers()
    commands.add_parser("score", parents=[make_score_parser()], add_help=False, help="Score every row of a file.")
    commands.add_parser(
        "evaluate", parents=[make_evaluate_parser()], add_help=False, help="Print how well a model ranks a file."
    )
    completion = commands.add_parser("completion", help="Print the completion script of a shell.")
    completion.add_argument("shell", choices=SHELLS)
    for one in (parser, *commands.choices.values()):
        _complete_files(one._actions)
    return shtab.complete(parser, shell=shell)


def _complete_files(actions: Iterable[argparse.Action]) -> None:
    """Let values without choices complete as names of files: rows, models, templates and settings are such."""
    for action in actions:
        if action.nargs != 0 and not action.choices:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
