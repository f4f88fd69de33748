"""The command `preftemplates` with its subcommands, one per file."""

from typing import Annotated

import typer

from preftemplates import __version__
from preftemplates.cli import check, check_style, convert, detect, diff, schema, show, tokenize
from preftemplates.cli import list as listing

app = typer.Typer(
    name="preftemplates",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        print(f"preftemplates {__version__}")
        raise typer.Exit()


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Turn the rows of any preference dataset into training data."""


app.command("list")(listing.command)
app.command("show")(show.command)
app.command("detect")(detect.command)
app.command("check")(check.command)
app.command("convert")(convert.command)
app.command("tokenize")(tokenize.command)
app.command("check-style")(check_style.command)
app.command("diff")(diff.command)
app.command("schema")(schema.command)
