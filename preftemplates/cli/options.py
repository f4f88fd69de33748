"""The arguments and options that several subcommands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from preftemplates.data.convert import OnError
from preftemplates.dialects.dialect import DIALECTS
from preftemplates.styles.style import STYLES
from preftemplates.templates.declaration import Ties
from preftemplates.templates.derivations import Pairs
from preftemplates.templates.library import TEMPLATES
from preftemplates.templates.text_edges import EdgePolicy

if TYPE_CHECKING:
    from preftemplates.core.registry import Registry


def complete_templates(incomplete: str) -> list[str]:
    """Return the templates that begin with a text, for the shell's completion; where none does, it completes files."""
    return _complete(TEMPLATES, incomplete)


def complete_styles(incomplete: str) -> list[str]:
    """Return the styles that begin with a text, for the shell's completion; where none does, it completes files."""
    return _complete(STYLES, incomplete)


def complete_dialects(incomplete: str) -> list[str]:
    """Return the dialects that begin with a text, for the shell's completion."""
    return _complete(DIALECTS, incomplete)


def _complete(registry: Registry[Any], incomplete: str) -> list[str]:
    return [name for name in registry.load_names()[0] if name.casefold().startswith(incomplete.casefold())]


SourceArgument = Annotated[
    str, typer.Argument(metavar="IN", help="A file of rows, a dataset directory, or a hub name.")
]
SplitOption = Annotated[str | None, typer.Option(help="Read this split of a dataset. \\[default: train]")]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="CONFIG", help="Read this configuration of a dataset that has several.")
]
DataDirOption = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="Read the files in this folder of a dataset.")
]
RevisionOption = Annotated[str | None, typer.Option(help="Read this version of a dataset on the hub.")]
GroupOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Group the rows with the same value in this column. A group is one row, whose column 'rows' lists them.",
    ),
]

TemplateOption = Annotated[
    str,
    typer.Option(
        "--template",
        "-t",
        help="A template's name, or a Python, YAML or dataset_info.json file.",
        autocompletion=complete_templates,
    ),
]
StyleOption = Annotated[
    str | None,
    typer.Option(
        "--style",
        "-s",
        metavar="STYLE",
        help="Render conversations in this style: a style's name, a tokenizer's directory, a chat template's file"
        " (.jinja, .json) or a model on the hub. \\[default: the template's]",
        autocompletion=complete_styles,
    ),
]
DialectOption = Annotated[
    str | None,
    typer.Option(
        "--dialect",
        "-d",
        help="Use the keys and layout of this dialect. \\[default: the template's]",
        autocompletion=complete_dialects,
    ),
]

TokenizerOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Leave out of the texts the BOS and EOS that this tokenizer adds in the framework.",
    ),
]
EdgeBosOption = Annotated[
    EdgePolicy | None, typer.Option("--bos", help="Keep or drop the style's BOS, without --tokenizer.")
]
EdgeEosOption = Annotated[
    EdgePolicy | None,
    typer.Option("--eos", help="Keep or drop the end-of-turn token, without --tokenizer."),
]

OnErrorOption = Annotated[
    OnError,
    typer.Option(help="If a row cannot be formatted: skip rejects it and continues, raise stops with its error."),
]
PairsOption = Annotated[Pairs, typer.Option(help="Choose which pairs of a ranking to write.")]
TiesOption = Annotated[
    Ties | None,
    typer.Option(help="Handle pairs without a better answer: drop, half or keep. \\[default: the template's]"),
]

STYLE_ARGUMENT_HELP = (
    "A style's name, a tokenizer's directory, a chat template's file (.jinja, .json) or a model on the hub; of several"
    " chat templates, DIRECTORY:NAME is one."
)
BosOption = Annotated[str | None, typer.Option("--bos-token", help="Set bos_token for a chat template in a file.")]
EosOption = Annotated[str | None, typer.Option("--eos-token", help="Set eos_token for a chat template in a file.")]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
