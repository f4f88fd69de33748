"""What the tests share: real rows, nasty texts, a second process, registries that forget, golden texts."""

from __future__ import annotations

import base64
import gzip
import json
import os
import pickle
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import lru_cache
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from registries import registries_restored
from rich.console import Console

import preftemplates
from preftemplates import Rendered
from preftemplates.__main__ import main
from preftemplates.dialects.dialect import DIALECTS
from preftemplates.errors import RowError
from preftemplates.styles.style import STYLES
from preftemplates.templates.library import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from preftemplates.core.registry import Registry

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
DATA = Path(os.environ.get("PREFTEMPLATES_DATA", TESTS.parents[1] / "shared" / "data"))
"""Real rows, which lie beside the checkout and are never copied into it. Some are harmful: no test prints one."""

HOMEWORK = TESTS / "support" / "homework.py"


def terminal(columns: int) -> dict[str, str]:
    """The environment of a command whose output has that width and no colours."""
    return {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "xterm", "HF_HUB_OFFLINE": "1"}


HANGS = 1_800
"""After how many seconds a process counts as one that hangs; a slow machine needs a small part of it."""


def run(*arguments: Any, cwd: Any = None, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command `preftemplates` in this process, at 100 columns; it ends with this code.

    The result is that of a process. The registries forget what the command registers, as a process does.
    """
    command = ["preftemplates", *map(str, arguments)]
    out, err = _stream(), _stream()
    with (
        registries_restored(),
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        # datasets puts a copy in the place of os.environ where it maps by several processes; rich keeps the first
        patch.setattr(Console, "_environ", terminal(100))
        patch.setattr(sys, "argv", command)
        patch.chdir(cwd or Path.cwd())
        try:
            main()
        except SystemExit as error:
            given = error.code
    done = subprocess.CompletedProcess(command, given or 0, _text(out), _text(err))
    assert done.returncode == code, done.stdout + done.stderr
    return done


def run_process(*arguments: Any, cwd: Any = None, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command as `run` does, in a process of its own: exit codes, and what happens when it is imported."""
    command = [sys.executable, "-m", "preftemplates", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=terminal(100), capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def _stream() -> TextIOWrapper:
    """What stands in for a standard stream that is no terminal."""
    return TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: TextIOWrapper) -> str:
    assert isinstance(stream.buffer, BytesIO)
    return stream.buffer.getvalue().decode()


NASTY = (
    "", " ", "\n", "\r\n", "\x00", "{input}", "{output}", "{0}", "{", "}}", "%s", "%(x)s", "{{ prompt }}", "{% if %}",
    "{# #}", "{{ 7 * 7 }}", "ASSISTANT:", "USER: ", "\n\nHuman: ", "\n\nAssistant: ", "<|im_end|>\n", "</s>",
    "<|im_start|>user", "<|eot_id|>", "e\u0301", "\u200b", "\u202e", "\U0001f468\u200d\U0001f469", "\u2028", "\x85",
    "\x1b[31m", "\\n", "'", '"', "&lt;", "<b>",
)  # fmt: skip
"""Pieces of text that a careless formatter executes, escapes, trims or splits at."""


def texts() -> st.SearchStrategy[str]:
    """Any text without lone surrogates, with nasty pieces in it more often than chance would put them."""
    anything = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
    pieces = st.lists(st.sampled_from(NASTY) | anything, max_size=4).map("".join)
    return pieces | pieces | st.permutations(NASTY).map("".join)


def conversations(*roles: str) -> st.SearchStrategy[list[dict[str, str]]]:
    """Messages of these roles in any order, at least one."""
    message = st.fixed_dictionaries({"role": st.sampled_from(roles), "content": texts()})
    return st.lists(message, min_size=1, max_size=4)


def bundled(registry: Registry[Any]) -> list[str]:
    """The names that the package itself registers, whatever other tests have registered."""
    return [name for name in registry.names() if registry.definition_site(name).module.startswith("preftemplates.")]


TEMPLATE_NAMES, STYLE_NAMES, DIALECT_NAMES = bundled(TEMPLATES), bundled(STYLES), bundled(DIALECTS)


def real_rows(path: str) -> list[dict[str, Any]]:
    """The rows of a file of real data; the test is skipped where the file is not."""
    if not (DATA / path).exists():
        pytest.skip(f"no real rows here: {path}")
    return _read(DATA / path)


@lru_cache
def _read(path: Path) -> list[dict[str, Any]]:
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    if path.suffix == ".json":
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    return [json.loads(line) for line in text.split("\n") if line]


def in_new_process(code: str, payload: Any = None, *, cwd: Path | str = "/") -> Any:
    """What `code` leaves in `answer` in a process of its own, which finds none of the tests' modules.

    Args:
        code: statements that read `payload` and set `answer`, which is written as JSON.
        payload: anything that pickles.
        cwd: where the process runs.
    """
    pickled = base64.b64encode(pickle.dumps(payload)).decode()
    script = (
        "import base64, json, pickle, sys\n"
        "payload = pickle.loads(base64.b64decode(sys.stdin.read()))\n"
        f"{code}\n"
        "print(json.dumps(answer))"
    )
    library = str(Path(preftemplates.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=pickled,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": library, "PYTHONHASHSEED": "7"},
        timeout=HANGS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call gives, or the RowError that it raises."""
    try:
        return call(*arguments)
    except RowError as error:
        return error


def spelled_spans(rendered: Rendered) -> list[list[Any]]:
    """The spans with the characters that they stand for."""
    return [[rendered.text[span.start : span.end], *span[2:]] for span in rendered.spans]


def assert_golden(path: str, value: Any) -> None:
    """Compare with the file in tests/golden; PREFTEMPLATES_REWRITE_GOLDEN=1 writes it instead."""
    file = TESTS / "golden" / path
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("PREFTEMPLATES_REWRITE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
    assert file.exists(), f"{file} is missing; PREFTEMPLATES_REWRITE_GOLDEN=1 writes it"
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(text)


def transformers_text(source: str, messages: list[dict[str, Any]], generate: bool = False, **tokens: Any) -> str:
    """The text of a conversation as transformers renders a chat template."""
    from transformers.utils.chat_template_utils import render_jinja_template

    rendered, _ = render_jinja_template([messages], chat_template=source, add_generation_prompt=generate, **tokens)
    return str(rendered[0])


def few(examples: int = 6) -> settings:
    """Few examples: for a test that is run for each of many styles or templates, all of which draw.

    A profile that asks for more than the usual number gets it.
    """
    usual = settings.get_profile("ci").max_examples
    asked = settings.default.max_examples if settings.default else usual
    return settings(max_examples=examples if asked <= usual else asked)


def at_least(examples: int) -> settings:
    """So many examples, or as many as the profile in use asks for."""
    return settings(max_examples=max(examples, settings.default.max_examples if settings.default else 0))
