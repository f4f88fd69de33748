"""A hostile chat template is refused, or ends in an error of ours, by its limits and within 256 MiB."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_templates import ENDLESS, REFUSED, UNREADABLE, cases
from support import HANGS

from preftemplates.errors import PrefTemplatesError, RowError, StyleLimitError, StyleRefusedError, StyleSyntaxError
from preftemplates.sandbox.bounded import BoundedEnvironment
from preftemplates.styles.environment import ChatTemplateEnvironment

MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Four."}]
MEMORY = 256 * 2**20
SLACK = 64 * 2**20
"""What the allocator and the interpreter may need beside."""


class Bounded(BoundedEnvironment, ChatTemplateEnvironment):
    """What chat templates are written for, bounded."""


def outcome(source, limits=None):
    """The text of a template, or the error that it ends in."""
    try:
        return Bounded(limits).from_string(source).render(messages=MESSAGES)
    except Exception as error:  # noqa: BLE001  the error is the outcome
        return error


@pytest.mark.parametrize("source", [source for _, source in cases(REFUSED)], ids=[name for name, _ in cases(REFUSED)])
def test_what_no_template_may_do_is_refused_with_its_line(source):
    error = outcome(source)
    assert isinstance(error, StyleRefusedError | RowError), error
    assert error.line == 1


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_does_not_parse_is_a_syntax_error(name):
    assert isinstance(outcome(UNREADABLE[name]), StyleSyntaxError)


def run_all(limits=None):
    """Print the kind and the message of the error of each endless template; run in a process apart."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY + SLACK,) * 2)
    outcomes = {}
    for name, source in cases(ENDLESS):
        error = outcome(source, limits)
        kinds = [kind.__name__ for kind in type(error).__mro__]
        outcomes[name] = [kinds, getattr(error, "message", repr(error)[:200])]
        del error
    print(json.dumps(outcomes))


ROW_ERRORS = {
    "A7 texts: a width in a rounding",
    "A7 texts: a width in a test",
    "A7 texts: a width in another test",
    "A8 numbers: a sum of lists",
}
"""Templates that fail before anything grows."""

REFUSALS = {
    "A7 texts: center",
    "A7 texts: center, ljust, zfill",
    "A7 texts: tabs",
    "A9 filters as loops: batches",
    "A9 filters as loops: slices",
}
"""Templates that use what no template may."""

KINDS = dict.fromkeys(ROW_ERRORS, RowError) | dict.fromkeys(REFUSALS, StyleRefusedError)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its own memory as Linux does")
@pytest.mark.parametrize("limits", ["Limits(seconds=0.3)", pytest.param("Limits()", marks=pytest.mark.slow)])
def test_what_would_not_end_does(limits):
    """One test for all, since a process of its own runs them, and each of pytest's workers would start one."""
    code = (
        "import runpy; from preftemplates.sandbox.limits import Limits;"
        f" runpy.run_path({__file__!r})['run_all']({limits})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANGS)
    assert done.returncode == 0, done.stderr[-2000:]
    ends = json.loads(done.stdout)
    assert [*ends] == [name for name, _ in cases(ENDLESS)]
    others = {
        name: (kinds[0], message)
        for name, (kinds, message) in ends.items()
        if KINDS.get(name, StyleLimitError).__name__ not in kinds
    }
    assert others == {}
    # its own limits stopped it, not the system's
    assert {name: message for name, (_, message) in ends.items() if "MemoryError" in message} == {}


def test_there_are_at_least_sixty_of_them_and_each_is_different():
    sources = [source for _, source in cases(REFUSED) + cases(ENDLESS)]
    assert len(set(sources)) == len(sources) > 60


def test_an_error_pickles_and_is_one_of_ours():
    import pickle

    for _, source in cases(REFUSED):
        error = pickle.loads(pickle.dumps(outcome(source)))
        assert isinstance(error, PrefTemplatesError)
