"""The command: what is wrong is one line and exit code 2 or 3, before the first step, and nothing is left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from preftemplates_train.__main__ import REQUIRED_PACKAGES
from support import HANGS, HOMEWORK
from trainer_support import command, refusal, train_by
from transformers import AutoTokenizer

from preftemplates.data.reading import spell_install

ROOT = Path(__file__).parents[2]
ESCAPE = "\x1b[31m"


def row(number, **changed):
    return {
        "prompt": f"q{number}",
        "response_0": f"good {number}",
        "response_1": "bad",
        "better_response_id": 0,
        **changed,
    }


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to run in, but for rows.jsonl."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.jsonl", map(row, range(20)))
    return tmp_path


ROWS = ("--dataset_name", "rows.jsonl", "--template", "PKUSafeRLHF")
SHORT = ("--max_steps", "1", "--save_strategy", "no", "--eval_strategy", "no")


# Input that allows no first step


def spoil(model, **files):
    """Write files into a copy of a model's folder."""
    shutil.copytree(model, "model")
    for name, text in files.items():
        Path("model", name).write_text(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dataset_name", "gone.jsonl"], "gone.jsonl does not exist."),
        (["--dataset_name", "row.jsonl"], "row.jsonl does not exist. Did you mean 'rows.jsonl'?"),
        (["--dataset_name", "empty.jsonl"], "empty.jsonl is empty"),
        (["--dataset_name", "blank.jsonl"], "blank.jsonl has no rows"),
        (["--dataset_name", "rows.txt"], "rows.txt: unknown file name ending"),
        (
            ["--dataset_name", "some-one/no-rows"],
            "there is no file some-one/no-rows, and the hub cannot be reached",
        ),
        (["--template", "PKUSafeRHLF"], "no template 'PKUSafeRHLF'. Did you mean 'PKUSafeRLHF'?"),
        (["--template", "mine.py"], "mine.py cannot be read: No such file or directory"),
        (["--style", "chat-mll"], "no style 'chat-mll'. Did you mean 'chatml'?"),
        (["--template", str(HOMEWORK), "--style", "chatml"], "HOMEWORK is a custom template without messages"),
        (
            ["--dataset_train_split", "train"],
            "rows.jsonl is a file; only a dataset has splits, configurations, folders and revisions",
        ),
        (
            ["--dataset_test_split", "test"],
            "rows.jsonl is a file; only a dataset has splits, configurations, folders and revisions",
        ),
        (["--eval_data", "gone.jsonl"], "gone.jsonl does not exist."),
        (["--model_name_or_path", "./gone"], "there is no directory ./gone"),
        (["--model_name_or_path", "folder"], "folder is not a checkpoint: it has no config.json"),
        (["--model_name_or_path", "rows.jsonl"], "rows.jsonl is a file; a checkpoint is a directory"),
        (
            ["--model_name_or_path", "some-one/no-model"],
            "some-one/no-model: its tokenizer cannot be loaded: We couldn't connect",
        ),
        (["--config", "gone.yaml"], "gone.yaml cannot be read: No such file or directory"),
        (
            ["--dataset_name", "same.jsonl"],
            "there is no pair to train on: same.jsonl, row 0: Two responses are the same",
        ),
        (["--max_length", "5"], "all 18 pairs would be dropped, more than the 5% allowed: 18 too long for 5 tokens"),
        (["--output_dir", "rows.jsonl"], "output_dir rows.jsonl cannot be written: "),
        (["--push_to_hub"], "push_to_hub: the environment variable HF_HUB_OFFLINE turns the hub off; unset it"),
        (["--batch_eval_metrics"], "batch_eval_metrics must be false: the metrics are computed from all scores"),
        (["--resume_from_checkpoint", "last"], "there is no checkpoint in reward-model to continue from"),
    ],
)
def test_what_allows_no_first_step_is_one_line(here, words, said):
    for name, text in {"empty.jsonl": "", "blank.jsonl": "\n\n", "rows.txt": "{}"}.items():
        Path(name).write_text(text)
    write(here / "same.jsonl", [row(n, response_0="bad") for n in range(5)])
    Path("folder").mkdir()
    usual = {"--dataset_name": "rows.jsonl", "--template": "PKUSafeRLHF"}
    given = {name: value for name, value in usual.items() if name not in words}
    assert said in refusal(*(word for pair in given.items() for word in pair), *words)


@pytest.mark.usefixtures("here")
def test_what_a_model_and_its_tokenizer_do_not_allow_is_one_line(base_model):
    named = (*ROWS, "--model_name_or_path", "model", "--style", "chatml")
    spoil(base_model("decoder with BOS"))
    assert "pad_token '</s>' is EOS, or the style" in refusal(*named, "--pad_token", "</s>")
    assert "max_length must be at most 256, the model's positions, got 257" in refusal(*named, "--max_length", "257")
    tokenizer = AutoTokenizer.from_pretrained("model")
    tokens = len(tokenizer)
    tokenizer.add_tokens(["zz1", "good"])
    tokenizer.save_pretrained("model")
    words = f"but the model has only {tokens} embeddings for the {tokens + 2} tokens of the tokenizer"
    assert words in refusal(*named)
    said = json.loads(Path("model/tokenizer_config.json").read_text())
    Path("model/tokenizer_config.json").write_text(json.dumps({**said, "eos_token": None}))
    assert "neither a pad token nor EOS; name a pad token with --pad_token" in refusal(*named)
    assert not Path("reward-model").exists()


def test_too_many_bad_rows_are_exit_code_3(here):
    write(here / "rows.jsonl", [row(n, better_response_id=ESCAPE) for n in range(20)])
    for more in ([], ["--dry_run"]):
        code, out, err = command(*ROWS, *more)
        assert (code, out, len(err.splitlines())) == (3, "", 1)
        assert err.startswith(
            "error: rows.jsonl: 20 of 20 rows are rejected, more than the 10 allowed; the first is row 0 (line 1)"
        )
        assert err[:-1].isprintable()


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="the package is here")
@pytest.mark.usefixtures("here")
def test_an_option_for_a_package_that_is_not_here_names_it():
    code, _, err = command(*SHORT, *ROWS, "--optim", "adamw_bnb_8bit")
    assert (code, len(err.splitlines())) == (2, 1)
    assert err.startswith("error: optim adamw_bnb_8bit cannot be created: You need to install `bitsandbytes`")


# What is installed


HIDING = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in {hidden!r} else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
sys.argv = ["preftemplates-train", *{words!r}]
from preftemplates_train.__main__ import main
main()
"""


def without(*hidden, words=()):
    """The command where these packages are not installed."""
    code = HIDING.format(hidden=set(hidden), words=words)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("package", "words"), [*((package, []) for package in REQUIRED_PACKAGES), ("torch", ["score", "rows.jsonl"])]
)
def test_a_missing_package_is_one_line_that_says_what_to_install(package, words):
    done = without(package, words=words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: this command needs {package}: {spell_install(package)}\n"


def test_all_missing_packages_are_named_at_once():
    assert without("torch", "transformers").stderr.startswith("error: this command needs torch, transformers: ")


def test_what_is_looked_for_is_what_the_extra_installs():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["train"]
    names = {re.match(r"[\w-]+", one)[0].replace("-", "_") for one in extra}
    assert names - {"pyyaml"} | {"yaml"} == set(REQUIRED_PACKAGES)


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("No module named 'preftemplates_train.tipo'"), ImportError("bug")]
)
def test_a_fault_of_our_own_is_not_disguised_as_a_missing_package(monkeypatch, error):
    def run(_):
        raise error

    monkeypatch.setattr("preftemplates_train.cli.run", run)
    with pytest.raises(type(error), match=str(error)):
        command()


# Looking before training


def test_a_dry_run_shows_three_pairs_and_does_nothing_else(here, base_model, monkeypatch):
    def never(*_, **__):
        raise AssertionError

    for name in ("run.prepare_run", "prepare.load_model", "run.RewardTrainer", "outputs.write_text"):
        monkeypatch.setattr(f"preftemplates_train.training.{name}", never)
    for model in (base_model("encoder"), None):
        words = [] if model is None else ["--model_name_or_path", str(model)]
        code, out, err = command(*ROWS, "--style", "chatml", "--dry_run", *words)
        assert (code, err) == (0, "")
        assert re.findall(r"^rows.jsonl, row (\d+)$", out, re.MULTILINE) == ["0", "1", "2"]
        assert out.endswith("\ndry run: 3 pairs shown, nothing trained\n")
    assert [path.name for path in here.iterdir()] == ["rows.jsonl"]


def test_a_dry_run_counts_the_tokens_that_the_run_reads(here, base_model):
    words = (*ROWS, "--style", "chatml", "--eval_size", "0", "--model_name_or_path", str(base_model("encoder")))
    shown = re.findall(r"\d+ tokens; the reward is read at the last one, '.*'", command(*words, "--dry_run")[1])
    said = train_by(*words, *SHORT, "--output_dir", str(here / "run"))[1]
    assert re.findall(r"\d+ tokens; the reward is read at the last one, '.*'", said) == shown
    assert len(shown) == 6


def test_a_dry_run_without_a_pair_is_no_success(here):
    write(here / "rows.jsonl", [row(n, response_0="bad") for n in range(20)])
    assert refusal(*ROWS, "--dry_run") == "there is no pair to show: rows.jsonl, row 0: Two responses are the same."


# Hostile texts and names

HOSTILE = (
    "\x1b[31mred", "[red]x[/red]", "[/]", "[link=x]", ":smile:", "\x00", "\x07", "\x9b31m", "a\u202eb", "back\rover",
    "{{ 7 * 7 }}", "\x1b]0;title\x07",
)  # fmt: skip


def harmless(text):
    return all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("more", [["--dry_run"], SHORT])
def test_texts_of_rows_reach_no_terminal_as_they_are(here, more):
    for start in range(0, len(HOSTILE), 3):
        pieces = (HOSTILE * 2)[start : start + 3]
        rows = [
            row(n, prompt=f"{piece} {n}", response_0=f"{piece}!", response_1=piece) for n, piece in enumerate(pieces)
        ]
        write(here / "rows.jsonl", [*rows, *map(row, range(5, 9))])
        code, out, err = command(*ROWS, *more, "--output_dir", f"run{start}", "--eval_size", "0")
        assert (code, err) == (0, "")
        assert harmless(out)
        for piece in pieces:
            shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in piece)
            assert out.count(shown) >= 3


@pytest.mark.parametrize("name", ["[red]x[/red] :smile: it's", "[/] [link=x]", f"{ESCAPE} new\nline"])
def test_names_of_files_and_folders_are_shown_and_not_acted_on(here, name):
    source = write(here / name / "rows.jsonl", map(row, range(20)))
    shown = "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in name)
    words = ("--dataset_name", str(source.relative_to(here)), "--template", "PKUSafeRLHF")
    code, out, _ = command(*words, "--dry_run")
    assert code == 0
    assert harmless(out)
    assert f"{shown}/rows.jsonl, row 0" in out
    code, out, err = command(*words, *SHORT, "--output_dir", f"{name} run")
    assert (code, err) == (0, "")
    assert harmless(out)
    assert f"wrote {shown} run: " in out
    out_file = f"{name}/out.jsonl"
    code, _, err = command("score", source, "--model", f"{name} run", "--out", out_file)
    assert code == 0
    assert harmless(err)
    assert f"wrote {shown}/out.jsonl" in err
    said = refusal("--dataset_name", f"{name}.jsonl", "--template", "PKUSafeRLHF")
    assert f"{shown}.jsonl does not exist".replace("\n", "\\n") in said


def test_a_path_is_never_broken_over_lines(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    folder = here / ("long" * 30)
    assert f"wrote {folder}: the model" in command(*ROWS, *SHORT, "--output_dir", folder)[1]
    out = here / ("out" * 30 + ".jsonl")
    assert f"wrote {out}\n" in command("score", "rows.jsonl", "--model", folder, "--out", out)[2]


# Help, and being stopped


@pytest.mark.usefixtures("here")
def test_help_of_both_commands_is_told_without_a_model():
    code, out, err = command("--help")
    assert (code, err) == (0, "")
    assert "--dataset_name PATH" in out
    code, out, err = command("score", "--help")
    assert (code, err) == (0, "")
    assert all(option in out for option in ("--model", "--out", "--template", "--format", "--batch_size"))


@pytest.mark.parametrize("words", [[], ["score", "rows.jsonl"]])
@pytest.mark.usefixtures("here")
def test_a_usage_that_is_wrong_is_exit_code_2(words):
    assert command(*words, "--no-such-option", "1")[0] == 2


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("training.prepare.read_data", ROWS),
        ("evaluation.score_file.Scorer", ("score", "rows.jsonl", "--model", "m", "--out", "out.jsonl")),
        ("evaluation.evaluate_file.Scorer", ("evaluate", "rows.jsonl", "--model", "m")),
    ],
)
@pytest.mark.usefixtures("here")
def test_ctrl_c_is_exit_code_130(monkeypatch, function, words):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"preftemplates_train.{function}", stopped)
    assert command(*words) == (130, "", "\ninterrupted\n")


@pytest.mark.usefixtures("here")
def test_a_stopped_run_says_how_to_go_on(monkeypatch):
    from preftemplates_train.training.callbacks import InterruptCallback

    end = InterruptCallback.on_step_end

    def interrupted(self, args, state, control, **more):
        self._interrupted_at = 0.0
        return end(self, args, state, control, **more)

    monkeypatch.setattr(InterruptCallback, "on_step_end", interrupted)
    code, out, err = command(*ROWS, "--max_steps", "5", "--eval_strategy", "no")
    assert (code, err) == (130, "")
    assert out.endswith("stopped at step 1; add --resume_from_checkpoint last to continue from there\n")
    assert Path("reward-model/checkpoint-1/preftemplates.json").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_the_process_is_stopped_by_ctrl_c_with_a_checkpoint():
    words = [*ROWS, "--max_steps", "100000", "--eval_strategy", "no", "--logging_steps", "1"]
    start = [sys.executable, "-m", "preftemplates_train", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(start, stdout=subprocess.PIPE, text=True, env=environment)
    for line in process.stdout:
        if line.startswith("step"):
            break
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(timeout=HANGS) == 130
    step = re.search(r"stopped at step (\d+); add --resume_from_checkpoint last", rest)[1]
    assert Path(f"reward-model/checkpoint-{step}/model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_reader_that_goes_away_gets_no_traceback():
    start = [sys.executable, "-m", "preftemplates_train", *ROWS, "--dry_run"]
    process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
