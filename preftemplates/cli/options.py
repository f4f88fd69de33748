"""The arguments and options that several subcommands share."""

from __future__ import annotations

from typing import Annotated

import typer

from preftemplates.templates.text_edges import EdgePolicy

SourceArgument = Annotated[
    str, typer.Argument(metavar="IN", help="A file of rows, a dataset directory, or a hub name.")
]
SplitOption = Annotated[str | None, typer.Option(help="The part of a dataset; train.")]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="CONFIG", help="The configuration of a dataset that has several.")
]
DataDirOption = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="The folder within a dataset that its files are in.")
]
RevisionOption = Annotated[str | None, typer.Option(help="The version of a dataset on the hub.")]
GroupOption = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Rows with one value in it become one, whose 'rows' they are.")
]

TemplateOption = Annotated[
    str, typer.Option("--template", "-t", help="A template's name, or a Python, YAML or dataset_info.json file.")
]
StyleOption = Annotated[
    str | None,
    typer.Option(
        "--style",
        "-s",
        metavar="STYLE",
        help="Write conversations in this style: a style's name, a tokenizer's directory, a chat template's file"
        " (.jinja, .json) or a model on the hub. \\[default: the template's own]",
    ),
]
DialectOption = Annotated[
    str | None, typer.Option("--dialect", "-d", help="How keys are spelled; the template's own.")
]

TokenizerOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="For texts that a framework tokenizes: leave out the BOS and EOS that this tokenizer adds there.",
    ),
]
EdgeBosOption = Annotated[
    EdgePolicy | None, typer.Option("--bos", help="Without --tokenizer: keep or drop the style's BOS.")
]
EdgeEosOption = Annotated[
    EdgePolicy | None, typer.Option("--eos", help="Without --tokenizer: keep or drop the end of an answer.")
]

STYLE_ARGUMENT_HELP = (
    "A style's name, a tokenizer's directory, a chat template's file (.jinja, .json) or a model on the hub; of several"
    " chat templates, DIRECTORY:NAME is one."
)
BosOption = Annotated[str | None, typer.Option("--bos-token", help="What a file's template finds as bos_token.")]
EosOption = Annotated[str | None, typer.Option("--eos-token", help="What a file's template finds as eos_token.")]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
