"""The options of `score` and `evaluate`, as dataclasses that one parser reads; this module does not import torch."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path  # noqa: TC003  the parser reads the annotations
from typing import TYPE_CHECKING, Literal

from preftemplates.data.dataset_sources import DatasetChoice
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.fail_below import RULE_WORDS, AccuracyBound, parse_bound
from preftemplates_train.settings.command_line import PROGRAM
from preftemplates_train.settings.parser import HelpPage, SettingsParser
from preftemplates_train.settings.run_settings import STYLE_HELP, TEMPLATE_HELP, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

ScoredFormat = Literal["preference", "supervised", "unpaired", "scored", "ranked"]
"""The dataset types whose answers can be scored."""


@dataclass(frozen=True, kw_only=True)
class ScoringOptions:
    """The options that `score` and `evaluate` share.

    Raises:
        SetupError: an option is out of its range.
    """

    source: str = field(
        metadata=describe("Read this file of rows, dataset directory or hub name.", metavar="IN", is_positional=True)
    )
    model: Path = field(
        metadata=describe(f"Score with the model in this folder, which {PROGRAM} wrote.", metavar="FOLDER")
    )
    template: str | None = field(
        default=None,
        metadata=describe(
            f"{TEMPLATE_HELP} [default: the template of the training, if it is the only one and is registered]",
            aliases=["-t"],
            metavar="NAME",
        ),
    )
    split: str | None = field(default=None, metadata=describe("Read this split of a dataset. [default: train]"))
    name: str | None = field(
        default=None, metadata=describe("Read this configuration of a dataset that has several.", metavar="CONFIG")
    )
    data_dir: str | None = field(
        default=None, metadata=describe("Read the files in this folder of a dataset.", metavar="FOLDER")
    )
    style: str | None = field(
        default=None, metadata=describe(f"{STYLE_HELP} [default: the style of the training]", metavar="NAME")
    )
    allow_style: bool = field(
        default=False,
        metadata=describe("Accept a style or a custom template that the model was not trained with."),
    )
    batch_size: int = field(default=16, metadata=describe("Score this many texts in one pass."))
    json: bool = field(default=False, metadata=describe("Print the result as JSON."))

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise SetupError(f"batch_size must be at least 1, got {self.batch_size}")

    @property
    def choice(self) -> DatasetChoice:
        """The part of a dataset to read."""
        return DatasetChoice(self.split, self.name, self.data_dir)


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(ScoringOptions):
    """The options of `score`."""

    out: Path = field(
        metadata=describe(
            "Write the rows to this file. Its ending selects the file format.", aliases=["-o"], metavar="FILE"
        )
    )
    format: ScoredFormat = field(
        default="preference", metadata=describe("Read rows as this dataset type.", aliases=["-f"])
    )
    resume: bool = field(
        default=False, metadata=describe("Continue where an earlier run with the same output stopped.")
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ScoringOptions):
    """The options of `evaluate`."""

    by: list[str] | None = field(
        default=None,
        metadata=describe(
            "Also print the figures per value of this column. Repeatable.", metavar="COLUMN", action="append"
        ),
    )
    against: Path | None = field(
        default=None, metadata=describe("Compare with the model in this folder on the same rows.", metavar="FOLDER")
    )
    out: Path | None = field(
        default=None,
        metadata=describe("Write all figures to this file, as JSON.", aliases=["-o"], metavar="FILE"),
    )
    fail_below: list[str] | None = field(
        default=None,
        metadata=describe(
            f"Exit with code 1 if the accuracy is below that of this rule ({', '.join(RULE_WORDS)}), or below this"
            " number from 0 to 1. Repeatable.",
            metavar="RULE",
            action="append",
        ),
    )
    write_temperature: bool = field(
        default=False,
        metadata=describe(
            "Write the temperature with the lowest log loss on these rows to the model's record. Use rows that the"
            " model was not trained on."
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.bounds

    @property
    def bounds(self) -> list[AccuracyBound]:
        """The lower bounds of the accuracy.

        Raises:
            SetupError: a bound is neither a rule nor a number from 0 to 1.
        """
        return [parse_bound(word) for word in self.fail_below or ()]


def read_score_options(arguments: Sequence[str]) -> ScoreOptions:
    """Return the options of `score` from its command line; `--help` prints and exits.

    Raises:
        SetupError: an option is unknown or missing, or its value is not valid.
    """
    return ScoreOptions(**make_score_parser().parse_flags(arguments))


def make_score_parser() -> SettingsParser:
    """Return the parser of the options of `score`."""
    return _make_parser(
        ScoreOptions,
        "score",
        "IN --model FOLDER --out FILE [options]",
        "Write every row with its rewards. If a row cannot be scored, its column 'unscored' has the reason."
        " Exit with code 3 if no row can be scored.",
    )


def read_evaluate_options(arguments: Sequence[str]) -> EvaluateOptions:
    """Return the options of `evaluate` from its command line; `--help` prints and exits.

    Raises:
        SetupError: an option is unknown or missing, or its value is not valid.

    >>> read_evaluate_options(["rows.jsonl", "--model", "reward-model", "--fail-below", "longer"]).bounds[0].rule
    'longer'
    """
    return EvaluateOptions(**make_evaluate_parser().parse_flags(arguments))


def make_evaluate_parser() -> SettingsParser:
    """Return the parser of the options of `evaluate`."""
    return _make_parser(
        EvaluateOptions,
        "evaluate",
        "IN --model FOLDER [options]",
        "Print how well a model ranks the answers of a file. Exit with code 3 if no row can be scored."
        " Exit with code 1 if the accuracy is below a bound of --fail_below.",
    )


def _make_parser(kind: type[ScoringOptions], command: str, usage: str, description: str) -> SettingsParser:
    required_first = sorted(fields(kind), key=lambda option: option.default is not MISSING)
    groups = {"options": [*(option.name for option in required_first), "help"]}
    page = HelpPage(f"%(prog)s {usage}", description, groups)
    return SettingsParser(kind, f"{PROGRAM} {command}", page)
