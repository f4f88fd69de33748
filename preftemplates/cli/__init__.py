"""The subcommands of `preftemplates`, one a file."""

from __future__ import annotations

import typer

from preftemplates.cli.convert import convert
from preftemplates.cli.list import list_all
from preftemplates.cli.show import show

app = typer.Typer(
    name="preftemplates",
    help="Turn the rows of any preference dataset into training data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(list_all)
app.command("show")(show)
app.command("convert")(convert)
