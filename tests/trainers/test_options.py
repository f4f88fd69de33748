"""The options of all three commands: one parser, both spellings, shared options, and help without torch."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.options import (
    EvaluateOptions,
    ScoredFormat,
    ScoreOptions,
    ScoringOptions,
    read_evaluate_options,
    read_score_options,
)
from preftemplates_train.evaluation.score_file import REWARD_COLUMNS
from preftemplates_train.settings.command_line import _make_parser
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.parser import HelpPage, SettingsParser
from trainer_support import command, refusal

PARSERS = {
    "train": _make_parser(RewardConfig),
    "score": SettingsParser(ScoreOptions, "score", HelpPage("", "", {})),
    "evaluate": SettingsParser(EvaluateOptions, "evaluate", HelpPage("", "", {})),
}
REQUIRED = {"score": ["rows.jsonl", "--model", "m", "--out", "out.jsonl"], "evaluate": ["rows.jsonl", "--model", "m"]}
READERS = {"score": read_score_options, "evaluate": read_evaluate_options}
OPTIONS = [
    (name, action.dest)
    for name, parser in PARSERS.items()
    for action in parser._actions
    if any(option.startswith("--") for option in action.option_strings) and action.nargs != 0
]


# Spelling


def value_of(setting):
    """A text that the setting takes, if it takes any."""
    if setting.choices or setting.is_switch:
        return setting.choices[0] if setting.choices else "true"
    texts = ((str, "x"), (bool, "true"), (int, "3"), (float, "0.5"), (dict, "{}"))
    return next((text for kind, text in texts if kind in setting.types | (setting.item_types or frozenset())), "x")


def parsed(parser, *words):
    try:
        return parser.parse_known_flags(words)
    except SetupError as error:
        return str(error)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_dashes_and_underscores_are_the_same(name, option):
    parser = PARSERS[name]
    value = value_of(parser.setting_types[option])
    dashed = option.replace("_", "-")
    expected = parsed(parser, f"--{option}", value)
    if option == "datasets":
        assert "list several sources in the file" in expected
    elif option == "parallelism_config":
        assert "expected a value that only Python code can pass" in expected
    else:
        assert (set(expected[0]), expected[1]) == ({option}, [])
    for words in ((f"--{dashed}", value), (f"--{dashed}={value}",), (f"--{option}={value}",)):
        assert parsed(parser, *words) == expected


def test_every_field_of_every_command_is_an_option():
    assert len(OPTIONS) == len(set(OPTIONS))
    for name, kind in (("train", RewardConfig), ("score", ScoreOptions), ("evaluate", EvaluateOptions)):
        names = {one.name for one in fields(kind) if one.init and not one.metadata.get("is_positional")}
        assert {option for command_name, option in OPTIONS if command_name == name} == names


# What is declared once


def test_options_of_both_commands_are_declared_once():
    shared = ScoringOptions.__dataclass_fields__
    for name, kind in (("score", ScoreOptions), ("evaluate", EvaluateOptions)):
        assert not set(kind.__annotations__) & set(shared), name
        assert all(kind.__dataclass_fields__[option] is shared[option] for option in shared), name
    assert set(ScoreOptions.__annotations__) & set(EvaluateOptions.__annotations__) == {"out"}  # required in one


def test_what_scoring_shares_with_training_has_one_help():
    for name in ("template", "style"):
        helps = [kind.__dataclass_fields__[name].metadata["help"] for kind in (RewardConfig, ScoringOptions)]
        assert len({text.partition(" [")[0] for text in helps}) == 1


def test_the_formats_are_those_that_have_columns():
    assert get_args(ScoredFormat) == (*REWARD_COLUMNS,)


# What is read


def test_what_is_not_given_has_its_default():
    options = read_score_options(REQUIRED["score"])
    shared = {"source": "rows.jsonl", "model": Path("m"), "batch_size": 16}
    assert options == ScoreOptions(**shared, out=Path("out.jsonl"))
    assert (options.template, options.format, options.allow_style) == (None, "preference", False)
    assert read_evaluate_options(REQUIRED["evaluate"]) == EvaluateOptions(**shared)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-t", "HH", "-f", "ranked"], {"template": "HH", "format": "ranked"}),
        (["--allow-style"], {"allow_style": True}),
        (["--allow_style", "false", "--resume", "true"], {"allow_style": False, "resume": True}),
        (["--resume=false"], {"resume": False}),
        (["--batch-size", "2", "--batch_size", "3"], {"batch_size": 3}),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_options_go_before_and_after_the_rows(words, expected, is_first):
    rest = ["--model", "m", "-o", "out.jsonl"]
    options = read_score_options([*words, "rows.jsonl", *rest] if is_first else ["rows.jsonl", *rest, *words])
    required = {"source": "rows.jsonl", "model": Path("m"), "out": Path("out.jsonl")}
    assert options == ScoreOptions(**{**required, **expected})


def test_a_switch_leaves_the_rows_alone():
    options = read_score_options(["--model", "m", "-o", "o.jsonl", "--resume", "--allow-style", "rows.jsonl"])
    assert (options.source, options.resume, options.allow_style) == ("rows.jsonl", True, True)


def test_a_column_to_group_by_may_be_repeated():
    words = ["--by", "kind", "rows.jsonl", "--by=source", "--model", "m"]
    assert read_evaluate_options(words).by == ["kind", "source"]


# What is refused


@pytest.mark.parametrize("name", ["score", "evaluate"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--styl", "zephyr"], "there is no option --styl. Did you mean --style?"),
        (["--batch-sise=3"], "there is no option --batch-sise. Did you mean --batch_size?"),
        (["--alow_style"], "there is no option --alow_style. Did you mean --allow_style?"),
        (["-x"], "there is no option -x; preftemplates-train {name} --help shows the options"),
        (["more.jsonl"], "unexpected argument 'more.jsonl'; preftemplates-train {name} --help shows the options"),
        (["run.yaml"], "unexpected argument 'run.yaml'; preftemplates-train {name} --help shows the options"),
        (["--batch_size", "many"], "--batch_size: expected a whole number, got 'many'"),
        (["--batch-size", "0"], "batch_size must be at least 1, got 0"),
        (["--style"], "--style: expected one argument"),
        (["--allow_style=perhaps"], "--allow_style: expected true or false, got 'perhaps'"),
    ],
)
def test_wrong_usage_is_one_line(name, words, message):
    assert refusal(name, *REQUIRED[name], *words) == message.format(name=name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score"], "IN, --model, --out are missing; preftemplates-train score --help shows the options"),
        (["evaluate", "rows.jsonl"], "--model is missing; preftemplates-train evaluate --help shows the options"),
        (["evaluate", "rows.jsonl", "--modle", "m"], "there is no option --modle. Did you mean --model?"),
        (["scoer", "rows.jsonl"], "there is no command 'scoer'. Did you mean preftemplates-train score?"),
        (["evalute"], "there is no command 'evalute'. Did you mean preftemplates-train evaluate?"),
        (["rows.jsonl"], "unexpected argument 'rows.jsonl'; preftemplates-train --help shows the options"),
    ],
)
def test_what_is_missing_or_misspelled_is_named(words, message):
    assert refusal(*words) == message


# Help


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("words", [[], ["score"], ["evaluate"]])
def test_the_help_fits_the_terminal(monkeypatch, words, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, err = command(*words, "--help")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= min(columns, 100)
    assert out.startswith("usage: preftemplates-train")


@pytest.mark.parametrize("name", ["score", "evaluate"])
def test_the_help_shows_every_option_with_its_default(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = " ".join(command(name, "--help")[1].split())
    assert "Exit with code 3 if no row can be scored." in out
    for one in fields(type(READERS[name](REQUIRED[name]))):
        short = "".join(f"{alias}, " for alias in one.metadata.get("aliases", ()))
        shown = one.metadata["metavar"] if one.metadata.get("is_positional") else f"{short}--{one.name} "
        assert out.count(f" {shown}") >= 1, one.name
        assert " ".join(one.metadata["help"].split()) in out
    assert out.count("[required]") == len(REQUIRED[name]) // 2 + 1
    assert "[default: 16]" in out
    assert "[default: false]" in out


WITHOUT_TORCH = [
    ["--help"],
    ["-h"],
    ["--seed", "1", "--help"],
    ["score", "--help"],
    ["evaluate", "--help"],
    ["score"],
    ["score", "rows.jsonl", "--model", "m", "--out", "o.jsonl", "--batch-sise", "1"],
    ["evaluate", "rows.jsonl", "--model", "m", "--batch-size", "0"],
    ["scoer", "rows.jsonl"],
    ["run.yaml"],
    ["--eval_size", "fast"],
]
RUN = """
import sys
from preftemplates_train.__main__ import main

for words in {commands!r}:
    sys.argv = ["preftemplates-train", *words]
    try:
        main()
    except SystemExit as error:
        print("code", error.code, "torch" in sys.modules)
"""


def test_help_and_wrong_usage_do_not_import_torch():
    """The last command does, so that the test would see it."""
    code = RUN.format(commands=[*WITHOUT_TORCH, ["--help_all"]])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    outcomes = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("code ")]
    assert outcomes == [*([code, "False"] for code in ["0"] * 5 + ["2"] * 6), ["0", "True"]], done.stderr
