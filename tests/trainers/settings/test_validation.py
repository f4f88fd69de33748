"""Settings that contradict each other, or are out of their range, are refused in one line."""

import math
import sys

import pytest
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.ranges import MOST_WORKERS, RANGES

PRESENT = [name for name in RANGES if name in RewardConfig.__dataclass_fields__]
"""The settings with a range that the installed transformers has."""


def test_of_the_settings_with_a_range_only_the_warmup_ratio_may_be_missing():
    assert {*RANGES} - {*PRESENT} <= {"warmup_ratio"}


EARLY = {"early_stopping_patience": 2, "load_best_model_at_end": True}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eval_size": 1.0}, "eval_size must be at least 0 and less than 1, got 1.0"),
        ({"eval_size": -0.1}, "eval_size must be at least 0 and less than 1, got -0.1"),
        ({"eval_size": float("nan")}, "eval_size must be at least 0 and less than 1, got nan"),
        ({"max_dropped": 1.1}, "max_dropped must be at least 0 and at most 1, got 1.1"),
        ({"max_length": 1}, "max_length must be at least 2 and less than 2**31, got 1"),
        ({"learning_rate": float("inf")}, "learning_rate must be at least 0 and finite, got inf"),
        ({"num_train_epochs": float("nan")}, "num_train_epochs must be at least 0 and finite, got nan"),
        (
            {"per_device_train_batch_size": 0},
            "per_device_train_batch_size must be at least 1 and less than 2**31, got 0",
        ),
        (
            {"per_device_eval_batch_size": 0},
            "per_device_eval_batch_size must be at least 1 and less than 2**31, got 0",
        ),
        (
            {"gradient_accumulation_steps": 0},
            "gradient_accumulation_steps must be at least 1 and less than 2**31, got 0",
        ),
        ({"lora_r": 0}, "lora_r must be at least 1 and less than 2**31, got 0"),
        ({"label_smoothing_factor": 0.5}, "label_smoothing_factor must be at least 0 and less than 0.5, got 0.5"),
        ({"label_smoothing_factor": -1e-9}, "label_smoothing_factor must be at least 0 and less than 0.5, got -1e-09"),
        (
            {"center_rewards_coefficient": -1e-9},
            "center_rewards_coefficient must be at least 0 and finite, got -1e-09",
        ),
        (
            {"center_rewards_coefficient": float("inf")},
            "center_rewards_coefficient must be at least 0 and finite, got inf",
        ),
        ({"max_dropped": -1e-9}, "max_dropped must be at least 0 and at most 1, got -1e-09"),
        ({"learning_rate": -1e-9}, "learning_rate must be at least 0 and finite, got -1e-09"),
        ({"num_train_epochs": -1e-9}, "num_train_epochs must be at least 0 and finite, got -1e-09"),
        ({"num_train_epochs": float("inf")}, "num_train_epochs must be at least 0 and finite, got inf"),
        ({"lora_dropout": -1e-9}, "lora_dropout must be at least 0 and less than 1, got -1e-09"),
        ({"seed": 2**32}, "seed must be at least 0 and less than 2**32, got 4294967296"),
        ({"lora_dropout": 1.0}, "lora_dropout must be at least 0 and less than 1, got 1.0"),
        ({"seed": -1}, "seed must be at least 0 and less than 2**32, got -1"),
        (
            {"remove_unused_columns": True},
            "remove_unused_columns must be false: it would remove the columns that are trained on",
        ),
        ({"model_name_or_path": ""}, "model_name_or_path is empty"),
        ({"dataset_name": []}, "dataset_name is empty"),
        ({"dataset_name": [""], "template": "T"}, "dataset_name is empty"),
        ({"datasets": []}, "datasets is empty"),
        ({"style": ""}, "style is empty"),
        (
            {"dataset_name": ["a"], "datasets": [{"path": "b"}], "template": "T"},
            "datasets and dataset_name both name the training data; keep one",
        ),
        (
            {"dataset_name": ["a"], "template": "T", "eval_data": ["b"], "dataset_test_split": "test"},
            "eval_data and dataset_test_split both name the held-out data; keep one",
        ),
        ({"eval_data": ["a"]}, "eval_data needs training data; name it with --dataset_name"),
        (
            {"dataset_test_split": "a"},
            "dataset_test_split needs training data; name it with --dataset_name",
        ),
        (
            {"dataset_train_split": "a"},
            "dataset_train_split needs training data; name it with --dataset_name",
        ),
        (
            {"dataset_name": ["a"]},
            "--dataset_name needs --template; `preftemplates detect FILE` finds the templates that fit",
        ),
        (
            {"dataset_name": ["a"], "template": "T", "eval_size": 0.0, "eval_strategy": "epoch"},
            "eval_strategy needs held-out rows, but eval_size is 0; hold out rows, or set eval_strategy to no",
        ),
        (
            {"use_peft": True, "save_adapter": True},
            "save_adapter needs a base model that can be loaded again; name one with --model_name_or_path",
        ),
        (
            {"early_stopping_patience": 0, "eval_strategy": "steps"},
            "early_stopping_patience must be at least 1 and less than 2**31, got 0",
        ),
        ({"early_stopping_threshold": -0.1}, "early_stopping_threshold must be at least 0 and finite, got -0.1"),
        (
            {"early_stopping_threshold": 0.1},
            "early_stopping_threshold has no effect without early stopping; add --early_stopping_patience 3",
        ),
        (
            {"early_stopping_patience": 2, "eval_strategy": "no"},
            "early_stopping_patience has no effect without evaluations in the run; add --eval_strategy steps",
        ),
        *(
            (
                {"dataset_name": ["a"], "template": "T", "eval_size": 0.0, "eval_strategy": "no", **settings},
                f"{said}; hold out rows with --eval_size or --eval_data, and add --eval_strategy steps",
            )
            for settings, said in (
                (
                    {"early_stopping_patience": 2},
                    "early_stopping_patience has no effect without evaluations in the run",
                ),
                (
                    {"save_strategy": "best", "metric_for_best_model": "loss"},
                    "save_strategy best needs evaluations",
                ),
                ({"lr_scheduler_type": "greedy"}, "lr_scheduler_type greedy needs evaluations"),
            )
        ),
        (
            {"early_stopping_patience": 2, "eval_strategy": "steps", "load_best_model_at_end": False},
            "early_stopping_patience keeps the best weights, but load_best_model_at_end is false; set it to true",
        ),
        (
            {**EARLY, "eval_strategy": "epoch", "save_strategy": "no"},
            "early_stopping_patience keeps the best weights, but save_strategy no saves no checkpoints;"
            " set it to epoch",
        ),
        (
            {**EARLY, "eval_strategy": "epoch", "save_strategy": "steps"},
            "load_best_model_at_end needs an evaluation before each checkpoint, but eval_strategy is epoch"
            " and save_strategy is steps; set both to steps or epoch",
        ),
        (
            {"datasets": [{"path": "a"}]},
            "datasets[0]: template is missing, and --template names none for all datasets",
        ),
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
                f"datasets[0].weight: expected a number above 0 and at most 1000, got {weight!r}",
            )
            for weight in (0, -1, 1001, 1e300, True, "much", [1], float("inf"), float("nan"))
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


@pytest.mark.parametrize("name", PRESENT)
def test_every_default_is_in_its_range(name):
    assert RANGES[name].contains(getattr(RewardConfig(), name))


def test_smoothing_is_of_pairs_and_not_of_rankings():
    with pytest.raises(SetupError, match=r"label_smoothing_factor is not supported by objective plackett_luce"):
        read_config(["--objective", "plackett_luce", "--label_smoothing_factor", "0.1"])
    assert read_config(["--objective", "plackett_luce"]).objective == "plackett_luce"


KEPT = ("load_best_model_at_end", "metric_for_best_model", "greater_is_better", "save_strategy", "save_steps")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--eval_strategy", "steps", "--eval_steps", "7"], (True, "loss", False, "steps", 7)),
        (["--eval_strategy", "steps"], (True, "loss", False, "steps", RewardConfig().logging_steps)),
        (["--eval_strategy", "steps", "--logging_steps", "4"], (True, "loss", False, "steps", 4)),
        (["--eval_strategy", "epoch"], (True, "loss", False, "epoch", 500)),
        (["--eval_strategy", "steps", "--save_strategy", "best"], (True, "loss", False, "best", 10)),
        (
            [
                "--eval_strategy",
                "steps",
                "--eval_steps",
                "2",
                "--save_steps",
                "4",
                "--metric_for_best_model",
                "accuracy",
            ],
            (True, "accuracy", True, "steps", 4),
        ),
    ],
)
def test_early_stopping_implies_what_it_needs_and_what_is_named_wins(words, expected):
    config = read_config(["--model_name_or_path", "m", "--early_stopping_patience", "3", *words])
    assert tuple(getattr(config, name) for name in KEPT) == expected


def test_early_stopping_implies_as_much_without_a_model_and_in_a_file(read):
    config = read("early_stopping_patience: 3")
    assert tuple(getattr(config, name) for name in KEPT) == (True, "loss", False, "steps", 0.1)
    assert not read_config([]).load_best_model_at_end
    with pytest.raises(SetupError, match="load_best_model_at_end is false; set it to true"):
        read("early_stopping_patience: 3\nload_best_model_at_end: false")


def test_an_adapter_is_no_model_to_train(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(SetupError, match="is a LoRA adapter; merge it into its base model"):
        read_config(["--model_name_or_path", str(tmp_path), "--dry_run"])


def test_an_adapter_is_saved_only_with_lora():
    words = ["--model_name_or_path", "m", "--save_adapter"]
    with pytest.raises(SetupError, match=r"^save_adapter has no effect without LoRA; add --use_peft$"):
        read_config(words)
    assert read_config([*words, "--use_peft"]).save_adapter


MOST = 2**31 - 1
LARGEST = sys.float_info.max
BELOW_1 = math.nextafter(1, 0)
AT_THE_BOUND = {
    "eval_size": (0.0, BELOW_1), "max_dropped": (0.0, 1.0), "max_length": (2, MOST),
    "center_rewards_coefficient": (0.0, LARGEST), "label_smoothing_factor": (0.0, math.nextafter(0.5, 0)),
    "lora_r": (1, MOST), "lora_alpha": (1, MOST), "lora_dropout": (0.0, BELOW_1), "learning_rate": (0.0, LARGEST),
    "weight_decay": (0.0, LARGEST), "adam_beta1": (0.0, BELOW_1), "adam_beta2": (0.0, BELOW_1),
    "adam_epsilon": (5e-324, LARGEST), "max_grad_norm": (0.0, math.inf), "neftune_noise_alpha": (0.0, LARGEST),
    "num_train_epochs": (0.0, LARGEST), "max_steps": (-1, 1, MOST), "warmup_steps": (0, BELOW_1, 1, 1e9),
    "warmup_ratio": (0.0, BELOW_1),
    "logging_steps": (5e-324, BELOW_1, 1, 1e9), "eval_steps": (5e-324, BELOW_1, 1, 1e9),
    "save_steps": (5e-324, BELOW_1, 1, 1e9), "save_total_limit": (0,), "eval_delay": (0.0, LARGEST),
    "eval_accumulation_steps": (1, MOST), "torch_empty_cache_steps": (1, MOST),
    "per_device_train_batch_size": (1, MOST), "per_device_eval_batch_size": (1, MOST),
    "gradient_accumulation_steps": (1, MOST), "seed": (0, 2**32 - 1), "data_seed": (0, 2**32 - 1),
    "dataloader_num_workers": (0, MOST_WORKERS), "dataloader_prefetch_factor": (1, MOST),
    "ddp_bucket_cap_mb": (1, MOST), "ddp_timeout": (1, MOST), "early_stopping_patience": (1, MOST),
    "early_stopping_threshold": (0.0, LARGEST),
}  # fmt: skip
"""The first and the last value of each range of numbers."""


def test_every_range_of_numbers_has_its_bounds_there():
    assert {*AT_THE_BOUND} == {*RANGES} - {"allow_findings"}


EVALUATED = {"eval_strategy": "steps", "save_strategy": "steps", "load_best_model_at_end": True}
NEEDED = {
    "dataloader_prefetch_factor": {"dataloader_num_workers": 1},
    "early_stopping_patience": EVALUATED,
    "early_stopping_threshold": {"early_stopping_patience": 1, **EVALUATED},
}
"""What else is set where a number is taken only together with others."""

NUMBERS = [name for name in PRESENT if name in AT_THE_BOUND]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in NUMBERS for value in AT_THE_BOUND[name]])
def test_a_number_at_the_bound_of_its_range_is_taken(name, value):
    others = NEEDED.get(name, {})
    assert getattr(RewardConfig(**{name: value, **others}), name) == value


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_out_of_every_range(name):
    for value in (math.nan, "x"):
        with pytest.raises(SetupError, match=f"^{name} must be "):
            RewardConfig(**{name: value})


def test_the_advice_to_evaluate_also_asks_for_rows_if_none_are_held_out():
    words = ["--dataset_name", "a", "--template", "T", "--eval_size", "0", "--model_name_or_path", "m"]
    for more in (["--eval_steps", "4"], ["--metric_for_best_model", "loss"]):
        fix = "hold out rows with --eval_size or --eval_data, and add --eval_strategy steps"
        with pytest.raises(SetupError, match=rf"^{more[0][2:]} has no effect without .*; {fix}$"):
            read_config([*words, *more])
