"""Completion: the script that bash runs offers options, choices, commands and files."""

import shutil
import subprocess

import pytest
from preftemplates_train.cli import run
from preftemplates_train.completion import SHELLS, render_completion
from preftemplates_train.errors import SetupError

COMPLETE = """
source completion.bash
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
$(complete -p preftemplates-train | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    (folder / "completion.bash").write_text(render_completion("bash"))
    (folder / "settings.yaml").touch()
    return folder


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["--learn"], {"--learning_rate", "--learning-rate"}),
        (["--adam_be"], {"--adam_beta1", "--adam_beta2"}),
        (["--train", ""], {"full", "head"}),
        (["--config", "sett"], {"settings.yaml"}),
        (["sc"], {"score"}),
        (["score", "rows.jsonl", "--format", "r"], {"ranked"}),
        (["evaluate", "rows.jsonl", "--fa"], {"--fail_below", "--fail-below"}),
        (["completion", ""], set(SHELLS)),
    ],
)
def test_bash_offers(folder, words, offered):
    line = ["bash", "-c", COMPLETE, "bash", "preftemplates-train", *words]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_with_the_options_of_all_commands(shell, capsys):
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(
        name in script for name in ("learning_rate", "gradient_accumulation_steps", "fail_below", "allow_style")
    )


def test_an_unknown_shell_and_a_missing_one(capsys):
    with pytest.raises(SetupError, match=r"there is no completion for 'bsh'\. Did you mean 'bash'\?"):
        run(["completion", "bsh"])
    for words in ([], ["bash", "zsh"]):
        with pytest.raises(SetupError, match=f"takes the name of one shell, got {len(words)}; usage: preftemplates"):
            run(["completion", *words])
    assert run(["completion", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: preftemplates-train completion bash|zsh")
