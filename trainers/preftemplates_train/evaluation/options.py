"""The command-line options that `score` and `evaluate` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RowsArgument = Annotated[str, typer.Argument(metavar="IN", help="A file of rows, a dataset directory, or a hub name.")]
ModelOption = Annotated[Path, typer.Option(help="The folder that preftemplates-train wrote.")]
RowTemplateOption = Annotated[str | None, typer.Option("--template", "-t", help="The one trained with, if bundled.")]
DatasetSplitOption = Annotated[str | None, typer.Option(help="The part of a dataset; train.")]
BatchSizeOption = Annotated[int, typer.Option(min=1, help="How many texts are scored at a time.")]
ScoringStyleOption = Annotated[str | None, typer.Option(help="Write rows in this style; the one trained in.")]
AllowStyleOption = Annotated[bool, typer.Option("--allow-style", help="Take a style that was not trained in.")]
