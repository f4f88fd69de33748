"""What a file and flags may say of each setting, and the one line that refuses what they may not."""

from dataclasses import fields
from types import NoneType
from typing import get_args, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.settings.config import RewardConfig
from transformers import HfArgumentParser, TrainingArguments

OFFERED = sorted({action.dest for action in HfArgumentParser(TrainingArguments)._actions} - {"help"})
OWN = sorted({one.name for one in fields(RewardConfig)} - {one.name for one in fields(TrainingArguments)})
DATA = ["--dataset_name", "a.jsonl", "--template", "PKUSafeRLHF"]


def members(hint):
    return set(get_args(hint)) - {NoneType} if NoneType in get_args(hint) else {hint}


HINTS = get_type_hints(RewardConfig)
FLOATS, INTS, BOOLS, TEXTS = (
    sorted(name for name in {*OFFERED, *OWN} - {"config"} if members(HINTS[name]) == {kind})
    for kind in (float, int, bool, str)
)


def outcome(read_it):
    """The configuration's values, or the refusal without the word for where the setting stood."""
    try:
        return read_it().to_dict() | {"config": None}
    except SetupError as error:
        return error.message.removeprefix("--")


FSDP_IS_A_SWITCH = pytest.mark.skipif(
    members(HINTS["fsdp"]) != {str}, reason="this version of transformers has no fsdp that is true or false"
)
TRACKIO_MAY_BE_FALSE = pytest.mark.skipif(
    "trackio_static_space_id" not in HINTS, reason="this version of transformers has no trackio_static_space_id"
)


# In the file and in flags


@given(st.sampled_from(FLOATS), st.floats(-1e30, 1e30), st.sampled_from(["{!r}", "{:e}", "{:.0e}", "'{:e}'"]))
@example("lora_dropout", 2.0, "{!r}")  # out of range, and without an effect
def test_a_number_is_spelled_alike_in_the_file_and_in_a_flag(run_yaml, name, number, spelling):
    text = spelling.format(number)
    run_yaml.write_text(f"{name}: {text}")
    in_file = outcome(lambda: read_config(["--config", str(run_yaml)]))
    assert in_file == outcome(lambda: read_config([f"--{name}={text.strip(chr(39))}"]))


@pytest.mark.parametrize("name", FLOATS)
def test_1e_5_is_a_number(read, name):
    others = "\nearly_stopping_patience: 3" * (name == "early_stopping_threshold")
    assert getattr(read(f"{name}: 1e-5{others}"), name) == 1e-5
    words = ["--use_peft", "--no_disable_dropout"]  # so that a dropout of the adapters has an effect
    words += ["--early_stopping_patience", "3"] * (name == "early_stopping_threshold")
    assert getattr(read_config([f"--{name}", "1e-5", *words]), name) == 1e-5
    assert {"learning_rate", "eval_size", "max_grad_norm"} <= set(FLOATS)


def test_1e_5_is_a_number_within_a_mapping_too(read):
    assert read("lr_scheduler_kwargs: {min_lr: 1e-5}").lr_scheduler_kwargs == {"min_lr": 1e-5}
    assert read_config(["--lr_scheduler_kwargs", '{"min_lr": 1e-5}']).lr_scheduler_kwargs == {"min_lr": 1e-5}


# What a file may say


@pytest.mark.parametrize("name", ["dataset_name", "eval_data", "lora_target_modules", "label_names"])
def test_one_text_is_a_list_of_one(read, name):
    data = {"dataset_name": "b.jsonl", "template": "PKUSafeRLHF"}
    assert getattr(read({**data, name: "a.jsonl"}), name) == ["a.jsonl"]


def test_a_bare_no_is_no_where_no_is_a_choice(read):
    config = read("eval_strategy: no\nsave_strategy: off\nbf16: no")
    assert (config.eval_strategy, config.save_strategy, config.bf16) == ("no", "no", False)


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("debug: [underflow_overflow]", "debug", ["underflow_overflow"]),
        ("debug: underflow_overflow", "debug", ["underflow_overflow"]),
        pytest.param("fsdp: true", "fsdp", True, marks=FSDP_IS_A_SWITCH),
        ("report_to: [tensorboard]", "report_to", ["tensorboard"]),
        ("include_num_input_tokens_seen: non_padding", "include_num_input_tokens_seen", "non_padding"),
        pytest.param("trackio_static_space_id: false", "trackio_static_space_id", False, marks=TRACKIO_MAY_BE_FALSE),
        ("liger_kernel_config: {rope: true}", "liger_kernel_config", {"rope": True}),
        ("max_steps: '12'", "max_steps", 12),
        ("eval_steps:", "eval_steps", 10),
        ("\ufeffseed: 1", "seed", 1),
    ],
)
def test_settings_of_several_types_take_each(read, file, name, value):
    assert getattr(read(file), name) == value


def test_sources_are_listed_with_their_weights_as_numbers(read):
    config = read("template: T\ndatasets: [{path: a, weight: 5e-1}, {path: b, template: S, split: train, weight:}]")
    assert config.datasets == [
        {"path": "a", "weight": 0.5},
        {"path": "b", "template": "S", "split": "train", "weight": 1},
    ]


def test_an_anchor_may_be_merged_and_then_overridden(read):
    merged = "lr_scheduler_kwargs: &one {a: 1}\naccelerator_config: {<<: {even_batches: true}, even_batches: false}"
    assert not read(merged).accelerator_config.even_batches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "run.yaml: expected settings and their values, got None"),
        ("- seed", "run.yaml: expected settings and their values, got ['seed']"),
        ("seed: 1\nstyle: a\nseed: 2", "run.yaml line 3: the key seed is repeated"),
        ("lr_scheduler_kwargs:\n  a: 1\n  a: 2", "run.yaml line 3: the key a is repeated"),
        ("a: 1\nb: ]", "run.yaml line 2: while parsing a block node, expected the node content, but found ']'"),
        (
            "seed: 1\n---\nseed: 2",
            "run.yaml line 2: expected a single document in the stream, but found another document",
        ),
        ("seed: !!python/name:os.system", "run.yaml line 1: could not determine a constructor for the tag"),
        ("seed: 2026-13-45", "run.yaml: this is not YAML: month must be in 1..12"),
        ("seed: \x07", "run.yaml: this is not YAML: unacceptable character #x0007"),
        ("seed: " + "[" * 1000, "run.yaml: this is not YAML: maximum recursion depth exceeded"),
        ("learning_rat: 1", "run.yaml: there is no setting 'learning_rat'. Did you mean 'learning_rate'?"),
        ("eval-data: a", "run.yaml: there is no setting 'eval-data'. Did you mean 'eval_data'?"),
        (
            "evaluation_strategy: no",
            "run.yaml: evaluation_strategy is not supported: it is called --eval_strategy",
        ),
        ("3: 4", "run.yaml: there is no setting 3."),
        ("help_all: true", "run.yaml: there is no setting 'help_all'."),
        ("_n_gpu: 1", "run.yaml: there is no setting '_n_gpu'."),
        ("config: other.yaml", "run.yaml: config: a settings file cannot name another one"),
        ("learning_rate: fast", "run.yaml: learning_rate: expected a number, got 'fast'"),
        ("seed:", "run.yaml: seed: expected a whole number, got None"),
        ("bf16: 'yes'", "run.yaml: bf16: expected true or false, got 'yes'"),
        ("run_name: on", "run.yaml: run_name: expected text, got True; put it in quotes"),
        ("run_name: 2026-01-01", "run.yaml: run_name: expected text, got datetime.date(2026, 1, 1); put it in quotes"),
        ("template: [a]", "run.yaml: template: expected text, got ['a']"),
        ("eval_data: [a, 3]", "run.yaml: eval_data: expected text, got 3; put it in quotes"),
        (
            "length_policy: cut_promt",
            "run.yaml: length_policy: expected one of drop, cut_prompt"
            "; got 'cut_promt'. Did you mean 'cut_prompt'?",
        ),
        ("dtype: 16", "run.yaml: dtype: expected one of auto, float32, bfloat16, float16; got 16"),
        (
            "optim: adamw_torc",
            "run.yaml: optim: expected one of the values that --help_all lists"
            "; got 'adamw_torc'. Did you mean 'adamw_torch'?",
        ),
        ("debug: [all]", "run.yaml: debug: expected one of underflow_overflow, tpu_metrics_debug; got 'all'"),
        (
            "parallelism_config: {tp_size: 2}",
            "run.yaml: parallelism_config: expected a value that only Python code can pass, got {'tp_size': 2}",
        ),
        ("datasets: a.jsonl", "run.yaml: datasets: expected a mapping, got 'a.jsonl'"),
        ("datasets: [a.jsonl]", "run.yaml: datasets: expected a mapping, got 'a.jsonl'"),
    ],
)  # fmt: skip
def test_a_file_is_refused_in_one_line(read, text, message):
    with pytest.raises(SetupError) as caught:
        read(text)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) - len(message) < 60
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FLOATS + INTS)
def test_no_number_setting_takes_a_truth_or_a_word(read, name):
    kind = "a number" if name in FLOATS else "a whole number"
    for value in (True, "word", "", {}, [1]):
        with pytest.raises(SetupError, match=f"^run.yaml: {name}: expected {kind}, got "):
            read({name: value})


@pytest.mark.parametrize("name", INTS)
def test_no_setting_in_whole_numbers_takes_a_fraction(read, name):
    for value in (1.5, 2.0, "1.5"):
        with pytest.raises(SetupError, match=f"^run.yaml: {name}: expected a whole number, got "):
            read({name: value})


@pytest.mark.parametrize("name", BOOLS)
def test_no_switch_takes_a_number_or_a_word(read, name):
    for value in (1, 0.0, "true", [True]):
        with pytest.raises(SetupError, match=f"^run.yaml: {name}: expected true or false, got "):
            read({name: value})


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_setting_takes_a_number(read, name):
    for value in (1, 1e-5):
        with pytest.raises(SetupError, match=f"^run.yaml: {name}: expected (text|one of)"):
            read({name: value})


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"style: \xe9")
    for name, reason in (("no.yaml", "No such file"), ("", "Is a directory"), ("latin.yaml", "it is not UTF-8")):
        with pytest.raises(SetupError, match=f"{name} cannot be read: {reason}"):
            read_config(["--config", str(tmp_path / name)])


# What flags may say


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["--eval-size", "0.2"], "eval_size", 0.2),
        (["--eval-size=0.2"], "eval_size", 0.2),
        (["--no_disable_dropout"], "disable_dropout", False),
        (["--no-disable-dropout"], "disable_dropout", False),
        (["--disable_dropout", "false"], "disable_dropout", False),
        (["--no_dataloader_pin_memory"], "dataloader_pin_memory", False),
        (["--dry_run"], "dry_run", True),
        (["--dry-run", "no"], "dry_run", False),
        pytest.param(["--fsdp"], "fsdp", True, marks=FSDP_IS_A_SWITCH),
        (["--seed", "1", "--seed", "2"], "seed", 2),
        (
            ["--use_liger_kernel", "--liger_kernel_config", '{"rope": true}'],
            "liger_kernel_config",
            {"rope": True},
        ),
        ([*DATA, "--eval-data", "a", "b"], "eval_data", ["a", "b"]),
        ([*DATA, "--dataset-name", "a", "b"], "dataset_name", ["a", "b"]),
    ],
)
def test_flags_are_spelled_as_transformers_spells_them(argv, name, value):
    assert getattr(read_config(argv), name) == value


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--eval-dat", "a"], "there is no option --eval-dat. Did you mean --eval_data?"),
        (["--eval_dat=a"], "there is no option --eval_dat. Did you mean --eval_data?"),
        (["--no_disable_dropouts"], "there is no option --no_disable_dropouts. Did you mean --no_disable_dropout?"),
        (["--learning"], "there is no option --learning. Did you mean --learning_rate?"),
        (["-x"], "there is no option -x; preftemplates-train --help shows the options"),
        (["run.yaml"], "unexpected argument 'run.yaml'. Did you mean '--config run.yaml'?"),
        (["train"], "unexpected argument 'train'; preftemplates-train --help shows the options"),
        (["--learning_rate", "fast"], "--learning_rate: expected a number, got 'fast'"),
        (["--learning-rate", "fast"], "--learning_rate: expected a number, got 'fast'"),
        (["--learning_rate"], "--learning_rate: expected one argument"),
        (["--eval_data"], "--eval_data: expected at least one argument"),
        (["--seed", "3.0"], "--seed: expected a whole number, got '3.0'"),
        (["--bf16", "perhaps"], "--bf16: expected true or false, got 'perhaps'"),
        (
            ["--dtype", "float"],
            "--dtype: expected one of auto, float32, bfloat16, float16; got 'float'. Did you mean 'float32'?",
        ),
        (["--no_disable_dropout=1"], "--no_disable_dropout: ignored explicit argument '1'"),
        (["--datasets", "a.jsonl"], "--datasets: list several sources in the file of --config"),
        (
            ["--parallelism_config", "2"],
            "--parallelism_config: expected a value that only Python code can pass, got '2'",
        ),
        (
            ["--fsdp_config", "{1"],
            "--fsdp_config: expected a mapping in JSON, got '{1': Expecting property name enclosed in double quotes:"
            " line 1 column 2 (char 1)",
        ),
        (
            ["--eval_steps", "10.5"],
            "eval_steps must be a whole number of steps, or a share of the run above 0 and below 1, got 10.5",
        ),
        (
            ["--accelerator_config", "no.json"],
            "accelerator_config: no.json cannot be read as JSON: No such file or directory",
        ),
        (
            ["--warmup_steps=-1"],
            "warmup_steps must be a whole number of steps, or a share of the run below 1, got -1.0",
        ),
    ],
)  # fmt: skip
def test_a_flag_is_refused_in_one_line(argv, message):
    with pytest.raises(SetupError) as caught:
        read_config(argv)
    assert str(caught.value) == message


def test_what_transformers_says_in_several_lines_is_said_in_one(monkeypatch):
    def refuse(_):
        raise OverflowError("two\nlines")

    monkeypatch.setattr("transformers.TrainingArguments.__post_init__", refuse)
    with pytest.raises(SetupError, match=r"^two$"):
        read_config(["--model_name_or_path", "m"])
