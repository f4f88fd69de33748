"""Settings: defaults, a preset, a file and flags make one configuration, and what is wrong is said in one line."""

import json
import pickle
from dataclasses import fields
from types import NoneType
from typing import get_args, get_type_hints

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.config import GROUPS, RANGES, TINY, RewardConfig, read_config
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


@pytest.fixture(scope="module")
def run_yaml(tmp_path_factory):
    return tmp_path_factory.mktemp("config") / "run.yaml"


@pytest.fixture
def read(run_yaml):
    """Read a file of that text, or of those settings, and flags."""

    def read(file, *flags):
        run_yaml.write_text(file if isinstance(file, str) else yaml.safe_dump(file), encoding="utf-8")
        return read_config(["--config", str(run_yaml), *flags])

    return read


def outcome(read_it):
    """The configuration's values, or the refusal without the word for where the setting stood."""
    try:
        return read_it().to_dict() | {"config": None}
    except SetupError as error:
        return error.message.removeprefix("--")


# What is merged


def test_without_a_word_a_small_model_is_trained():
    config = read_config([])
    assert {name: getattr(config, name) for name in TINY} == TINY
    assert config.model_name_or_path is None
    assert config.output_dir == "reward-model"


def test_with_a_model_the_preset_is_left_alone(read):
    expected = outcome(lambda: RewardConfig(model_name_or_path="m"))
    assert outcome(lambda: read_config(["--model_name_or_path", "m"])) == expected
    assert outcome(lambda: read("model_name_or_path: m")) == expected
    assert expected["learning_rate"] == 1e-5
    assert outcome(lambda: read("model_name_or_path: null"))["learning_rate"] == TINY["learning_rate"]


def test_the_defaults_are_those_documented():
    config = RewardConfig()
    assert (config.learning_rate, config.num_train_epochs, config.logging_steps) == (1e-5, 1, 10)
    assert (config.per_device_train_batch_size, config.per_device_eval_batch_size) == (8, 16)
    assert (config.save_total_limit, config.report_to, config.bf16) == (2, [], False)
    assert not config.logging_nan_inf_filter
    assert not config.remove_unused_columns


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "learning_rate": st.floats(0, 1),
        "num_train_epochs": st.floats(0, 10),
        "seed": st.integers(0, 2**32 - 1),
        "max_length": st.integers(2, 10**6),
        "style": st.text("abcé'\"\\{}:#- ", min_size=1),
        "disable_dropout": st.booleans(),
        "length_policy": st.sampled_from(["drop", "cut_prompt"]),
        "lr_scheduler_type": st.sampled_from(["linear", "constant"]),
        "label_names": st.lists(st.text("ab", min_size=1), min_size=1),
    },
)


def words(settings):
    """The settings as flags."""
    for name, value in settings.items():
        yield from [f"--{name}", *value] if isinstance(value, list) else [f"--{name}={value}"]


@given(SETTINGS, SETTINGS)
def test_flags_win_over_the_file_which_wins_over_the_preset(run_yaml, file, flags):
    run_yaml.write_text(yaml.safe_dump(file, allow_unicode=True), encoding="utf-8")
    config = read_config(["--config", str(run_yaml), *words(flags)])
    merged = RewardConfig(**{**TINY, **file, **flags, "config": str(run_yaml)})
    assert config.to_dict() == merged.to_dict()


@given(st.sampled_from(FLOATS), st.floats(-1e30, 1e30), st.sampled_from(["{!r}", "{:e}", "{:.0e}", "'{:e}'"]))
def test_a_number_is_spelled_alike_in_the_file_and_in_a_flag(run_yaml, name, number, spelling):
    text = spelling.format(number)
    run_yaml.write_text(f"{name}: {text}")
    in_file = outcome(lambda: read_config(["--config", str(run_yaml)]))
    assert in_file == outcome(lambda: read_config([f"--{name}={text.strip(chr(39))}"]))


@pytest.mark.parametrize("name", FLOATS)
def test_1e_5_is_a_number(read, name):
    assert getattr(read(f"{name}: 1e-5"), name) == 1e-5
    assert getattr(read_config([f"--{name}", "1e-5"]), name) == 1e-5
    assert {"learning_rate", "eval_size", "max_grad_norm"} <= set(FLOATS)


def test_1e_5_is_a_number_within_a_mapping_too(read):
    assert read("lr_scheduler_kwargs: {min_lr: 1e-5}").lr_scheduler_kwargs == {"min_lr": 1e-5}
    assert read_config(["--lr_scheduler_kwargs", '{"min_lr": 1e-5}']).lr_scheduler_kwargs == {"min_lr": 1e-5}


# What a file may say


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("name", OFFERED)
def test_each_setting_of_transformers_can_be_named_in_a_file(read, name):
    value = getattr(RewardConfig(), name) if name == "hub_token" else RewardConfig().to_dict()[name]
    assert outcome(lambda: read({name: value, "model_name_or_path": "m"})) == outcome(
        lambda: RewardConfig(model_name_or_path="m")
    )


@given(SETTINGS)
def test_a_configuration_written_to_a_file_is_read_again(run_yaml, settings):
    wrote = RewardConfig(**settings).to_dict()
    written = {name: value for name, value in wrote.items() if name not in ("config", "hub_token")}
    run_yaml.write_text(yaml.safe_dump(written))
    assert read_config(["--config", str(run_yaml)]).to_dict() == {**wrote, "config": str(run_yaml)}
    assert set(written) == {*OFFERED, *OWN} - {"config", "hub_token"}


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
        ("fsdp: true", "fsdp", True),
        ("report_to: [tensorboard]", "report_to", ["tensorboard"]),
        ("include_num_input_tokens_seen: non_padding", "include_num_input_tokens_seen", "non_padding"),
        ("trackio_static_space_id: false", "trackio_static_space_id", False),
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
        ("seed: 1\nstyle: a\nseed: 2", "run.yaml line 3: seed is named twice"),
        ("lr_scheduler_kwargs:\n  a: 1\n  a: 2", "run.yaml line 3: a is named twice"),
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
            "run.yaml: there is no setting 'evaluation_strategy'. Did you mean 'eval_strategy'?",
        ),
        ("3: 4", "run.yaml: there is no setting 3."),
        ("help_all: true", "run.yaml: there is no setting 'help_all'."),
        ("_n_gpu: 1", "run.yaml: there is no setting '_n_gpu'."),
        ("config: other.yaml", "run.yaml: config: a file of settings names no other"),
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
            "run.yaml: optim: expected one of those that --help_all shows"
            "; got 'adamw_torc'. Did you mean 'adamw_torch'?",
        ),
        ("debug: [all]", "run.yaml: debug: expected one of underflow_overflow, tpu_metrics_debug; got 'all'"),
        (
            "parallelism_config: {tp_size: 2}",
            "run.yaml: parallelism_config: expected what only Python can give, got {'tp_size': 2}",
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
        (["--fsdp"], "fsdp", True),
        (["--seed", "1", "--seed", "2"], "seed", 2),
        (["--liger_kernel_config", '{"rope": true}'], "liger_kernel_config", {"rope": True}),
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
        (["-x"], "there is no option -x."),
        (["run.yaml"], "'run.yaml' belongs to no option. Did you mean '--config run.yaml'?"),
        (["train"], "'train' belongs to no option."),
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
        (["--datasets", "a.jsonl"], "--datasets: several sources are listed in the file of --config"),
        (["--parallelism_config", "2"], "--parallelism_config: expected what only Python can give, got '2'"),
        (["--fsdp_config", "{1"], "--fsdp_config: expected text or a mapping, got '{1'"),
        (["--eval_steps", "10.5"], "--eval_steps must be an integer if bigger than 1: 10.5"),
        (["--accelerator_config", "no.json"], "[Errno 2] No such file or directory: 'no.json'"),
        (["--warmup_steps=-1"], "Got warmup_steps = -1.0, Expected value warmup_steps >= 0"),
    ],
)  # fmt: skip
def test_a_flag_is_refused_in_one_line(argv, message):
    with pytest.raises(SetupError) as caught:
        read_config(argv)
    assert str(caught.value) == message


def test_what_transformers_says_in_several_lines_is_said_in_one():
    with pytest.raises(SetupError) as caught:
        read_config(["--load_best_model_at_end", "--model_name_or_path", "m"])
    assert str(caught.value).startswith("--load_best_model_at_end requires the save and eval strategy to match")
    assert "\n" not in str(caught.value)


# What contradicts itself


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eval_size": 1.0}, "eval_size must be at least 0 and less than 1, got 1.0"),
        ({"eval_size": -0.1}, "eval_size must be at least 0 and less than 1, got -0.1"),
        ({"eval_size": float("nan")}, "eval_size must be at least 0 and less than 1, got nan"),
        ({"max_dropped": 1.1}, "max_dropped must be at least 0 and at most 1, got 1.1"),
        ({"max_length": 1}, "max_length must be at least 2, got 1"),
        ({"learning_rate": float("inf")}, "learning_rate must be at least 0 and finite, got inf"),
        ({"num_train_epochs": float("nan")}, "num_train_epochs must be at least 0 and finite, got nan"),
        ({"per_device_train_batch_size": 0}, "per_device_train_batch_size must be at least 1, got 0"),
        ({"per_device_eval_batch_size": 0}, "per_device_eval_batch_size must be at least 1, got 0"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps must be at least 1, got 0"),
        ({"lora_r": 0}, "lora_r must be at least 1, got 0"),
        ({"lora_dropout": 1.0}, "lora_dropout must be at least 0 and less than 1, got 1.0"),
        ({"seed": -1}, "seed must be at least 0 and less than 2**32, got -1"),
        (
            {"remove_unused_columns": True},
            "remove_unused_columns must be false: the columns that it removes are those that are trained on",
        ),
        ({"model_name_or_path": ""}, "model_name_or_path is empty"),
        ({"dataset_name": []}, "dataset_name is empty"),
        ({"dataset_name": [""], "template": "T"}, "dataset_name is empty"),
        ({"datasets": []}, "datasets is empty"),
        ({"style": ""}, "style is empty"),
        (
            {"dataset_name": ["a"], "datasets": [{"path": "b"}], "template": "T"},
            "datasets and dataset_name both name what to train on; keep one",
        ),
        (
            {"dataset_name": ["a"], "template": "T", "eval_data": ["b"], "dataset_test_split": "test"},
            "eval_data and dataset_test_split both name what is held out; keep one",
        ),
        ({"eval_data": ["a"]}, "eval_data is given without dataset_name, which names what to train on"),
        (
            {"dataset_test_split": "a"},
            "dataset_test_split is given without dataset_name, which names what to train on",
        ),
        (
            {"dataset_train_split": "a"},
            "dataset_train_split is given without dataset_name, which names what to train on",
        ),
        (
            {"dataset_name": ["a"]},
            "dataset_name is given without template, which says how rows are read; `preftemplates list` shows them",
        ),
        (
            {"dataset_name": ["a"], "template": "T", "eval_size": 0.0, "eval_strategy": "epoch"},
            "eval_strategy asks for evaluations, and nothing is held out: eval_size is 0",
        ),
        ({"datasets": [{"path": "a"}]}, "datasets[0]: template is missing, and there is none for all"),
        ({"datasets": [{"template": "T"}]}, "datasets[0]: path is missing"),
        (
            {"datasets": [{"path": "a", "template": "T"}, {"path": None, "template": "T"}]},
            "datasets[1]: path is missing",
        ),
        (
            {"datasets": [{"path": "a", "wieght": 1}]},
            "datasets[0]: there is no key 'wieght'. Did you mean 'weight'?",
        ),
        ({"datasets": [{"path": 3, "template": "T"}]}, "datasets[0].path: expected text, got 3"),
        ({"datasets": [{"path": "", "template": "T"}]}, "datasets[0].path: expected text, got ''"),
        *(
            (
                {"datasets": [{"path": "a", "template": "T", "weight": weight}]},
                f"datasets[0].weight: expected a number above 0, got {weight!r}",
            )
            for weight in (0, -1, True, "much", [1], float("inf"), float("nan"))
        ),
    ],
)
def test_a_contradiction_is_refused_in_python_and_in_a_file(read, settings, message):
    for refused in (lambda: RewardConfig(**settings), lambda: read(settings)):
        with pytest.raises(SetupError) as caught:
            refused()
        assert str(caught.value) == message


def test_in_python_a_source_that_is_no_mapping_is_refused():
    with pytest.raises(SetupError, match=r"^datasets\[0\]: expected a mapping with path, .* got 'a'$"):
        RewardConfig(datasets=["a"])


def test_the_preset_evaluates_only_where_something_is_held_out(read):
    assert read_config([*DATA]).eval_strategy == "steps"
    assert read_config([*DATA, "--eval_size", "0"]).eval_strategy == "no"
    assert read_config([*DATA, "--eval_size", "0", "--eval_data", "b"]).eval_strategy == "steps"
    assert read_config([*DATA, "--eval_size", "0", "--dataset_test_split", "test"]).eval_strategy == "steps"
    assert read_config(["--eval_size", "0"]).eval_strategy == "steps"


@pytest.mark.parametrize("name", RANGES)
def test_every_default_is_in_its_range(name):
    assert RANGES[name][1](getattr(RewardConfig(), name))


# What is shown and kept


def helped(capsys, option):
    with pytest.raises(SystemExit) as caught:
        read_config([option])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_the_help_shows_our_settings_and_few_others(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = helped(capsys, "--help")
    assert helped(capsys, "-h") == shown
    for name in (name for names in GROUPS.values() for name in names):
        assert shown.count(f"\n  --{name} ") + shown.count(f"\n  --{name}\n") == 1, name
    assert len(shown.splitlines()) < 100
    assert "--adam_beta1" not in shown
    assert "(default: 1e-05, 0.002 without a model)" in " ".join(shown.split())
    assert "(default: true, off by --no_disable_dropout)" in " ".join(shown.split())
    assert "Every field of transformers.TrainingArguments is an option too; --help_all" in " ".join(shown.split())


def test_every_setting_is_in_the_long_help_and_ours_in_the_short_one(capsys):
    shown = helped(capsys, "--help_all")
    for name in {*OFFERED, *OWN}:
        assert shown.count(f"\n  --{name} ") == 1, name
    grouped = [name for names in GROUPS.values() for name in names]
    assert set(OWN) <= set(grouped)
    assert len(grouped) == len(set(grouped))
    assert all(one.metadata.get("help") for one in fields(RewardConfig) if one.name in grouped)


def test_a_configuration_pickles_and_is_written_as_json():
    config = read_config([*DATA, "--pad_token", "<pad>", "--hub_token", "secret"])
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.to_dict() == config.to_dict() == json.loads(config.to_json_string())
    assert (config.to_dict()["pad_token"], config.to_dict()["hub_token"]) == ("<pad>", "<HUB_TOKEN>")
    assert "secret" not in repr(config)


def test_in_python_one_text_names_one_file():
    assert RewardConfig(dataset_name="a.jsonl", template="T", eval_data="b.jsonl").dataset_name == ["a.jsonl"]


def test_the_fields_have_the_names_that_trl_gives_them():
    trl = pytest.importorskip("trl")
    theirs = {one.name for kind in (trl.RewardConfig, trl.ModelConfig, trl.ScriptArguments) for one in fields(kind)}
    ours = {
        "config",
        "template",
        "style",
        "eval_data",
        "eval_size",
        "length_policy",
        "max_dropped",
        "allow_findings",
        "dry_run",
        "datasets",
        "layout",
        "objective",
    }
    assert set(OWN) - theirs == ours


def test_smoothing_is_of_pairs_and_not_of_rankings():
    with pytest.raises(SetupError, match="objective plackett_luce learns whole rankings"):
        read_config(["--objective", "plackett_luce", "--label_smoothing_factor", "0.1"])
    assert read_config(["--objective", "plackett_luce"]).objective == "plackett_luce"
