"""An untrusted template can render in a separate process, which can do nothing else and is killed if it hangs."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pytest
from hostile_templates import REFUSED, cases
from real_templates import CONVERSATIONS, TOKENS, real_templates
from support import HANGS

from preftemplates import Style
from preftemplates.errors import PrefTemplatesError, RowError, StyleLimitError, StyleRefusedError, StyleSyntaxError
from preftemplates.sandbox.limits import Limits
from preftemplates.styles import isolation
from preftemplates.styles.lint.findings import FindingCode

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>{% endfor %}"
TALK = [{"role": "user", "content": " Hì🪴\0 "}, {"role": "assistant", "content": ""}]


def outcome(style, messages):
    try:
        rendered = style.render(messages)
        return rendered.text, rendered.spans, rendered.changes
    except PrefTemplatesError as error:
        return type(error), error.message, error.code


def test_text_spans_changes_and_errors_are_those_of_a_render_in_this_process():
    for source in list(real_templates().values())[::60]:
        local = Style.from_chat_template(source, **TOKENS)
        isolated = Style.from_chat_template(source, **TOKENS, isolate=True)
        assert isolated == local
        assert isolated.stop == local.stop
        for messages in CONVERSATIONS.values():
            assert outcome(isolated, messages) == outcome(local, messages)


def test_a_text_beyond_ascii_and_an_empty_one_come_back_as_they_went():
    assert outcome(Style.from_chat_template(TURNS, isolate=True), TALK) == outcome(
        Style.from_chat_template(TURNS), TALK
    )


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("a\n{{ 1 +", StyleSyntaxError),
        ("{{ messages.__class__ }}", StyleRefusedError),
        ("{{ raise_exception('no') }}", RowError),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", StyleLimitError),
    ],
)
def test_the_errors_are_the_same(source, error):
    errors = []
    for isolate in (False, True):
        with pytest.raises(error) as caught:
            Style.from_chat_template(source, isolate=isolate).render(TALK)
        errors.append((str(caught.value), caught.value.facts))
    assert errors[0] == errors[1]


def test_the_day_is_that_of_this_process():
    dated = Style.from_chat_template("{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}", isolate=True)
    assert FindingCode.DEPENDS_ON_DATE in [finding.code for finding in dated.findings]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_a_process_of_its_own():
    style = Style.from_chat_template(TURNS, isolate=True)
    parent_pid = isolation._get_worker()._process.pid
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(rendered_there, (style,)) == ("<assistant></s>", True)
    assert style.render(TALK[1:]).text == "<assistant></s>"
    assert isolation._get_worker()._process.pid == parent_pid


def rendered_there(style):
    parents = isolation._workers[os.getppid()]._process.pid
    text = style.render(TALK[1:]).text
    return text, isolation._get_worker()._process.pid != parents


def test_a_style_that_is_isolated_pickles_and_stays_so():
    style = pickle.loads(pickle.dumps(Style.from_chat_template(TURNS, isolate=True)))
    assert style.layout.isolate
    assert style.render(TALK[1:]).text == "<assistant></s>"


def test_a_process_that_hangs_is_killed_and_the_next_render_works(monkeypatch):
    patient = Style.from_chat_template(TURNS, isolate=True)
    patient.render(TALK[1:])
    os.kill(isolation._get_worker()._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(isolation, "_GRACE_SECONDS", 0.1)
    with pytest.raises(StyleLimitError, match="took too long, and its process was killed"):
        Style.from_chat_template(TURNS, isolate=True, limits=Limits(seconds=0.1)).render(TALK[1:])
    monkeypatch.undo()
    assert patient.render(TALK[1:]).text == "<assistant></s>"


def test_a_process_that_dies_is_an_error_and_the_next_render_works(monkeypatch):
    style = Style.from_chat_template(TURNS, isolate=True)
    style.render(TALK[1:])
    os.kill(isolation._get_worker()._process.pid, signal.SIGSTOP)
    send = isolation.Worker._send

    def send_and_kill(worker, process, data, deadline):
        send(worker, process, data, deadline)
        if len(data) != 8:  # the length goes first
            process.kill()

    with monkeypatch.context() as patch:
        patch.setattr(isolation.Worker, "_send", send_and_kill)
        with pytest.raises(StyleLimitError, match="died"):
            style.render(TALK[1:])
    assert style.render(TALK[1:]).text == "<assistant></s>"


def test_memory_beyond_the_process_s_own_limit_is_refused():
    wide = Limits(work=2**40, string=2**40, output=2**40, seconds=20)
    style = Style.from_chat_template("{{ 'x' * 3000000000 }}", isolate=True, limits=wide)
    with pytest.raises(StyleLimitError):
        style.render(TALK)


class Picture:
    """What is no data, and stands for itself in a message."""


ODD = {
    "text": "é\u2028 日本 👩‍🚀 \0 \x7f </s>",
    "floats": [1e400, -1e400, float("nan"), 1e16, 1e-7, -0.0, 5e-324, 0.1],
    "whole numbers": [2**63 + 1, -(10**400), 0, True],
    "tuples": (1, ("a", {"b": (), "c": [(None,)]})),
    "keys": {"é": 1, "": {"a.b": [2]}, "self": 3, "__class__": 4, "\0": 5},
    "250 deep": None,
    "a picture": Picture(),
    "pictures": [{"type": "image", "image": Picture()}],
    "a day": date(2026, 11, 20),
    "bytes": b"x",
    "a set": {1},
    "a decimal": Decimal("1.0"),
    "a mapping": MappingProxyType({"a": UserDict(b=1)}),
}
for _ in range(248):
    ODD["250 deep"] = [ODD["250 deep"]]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m.content }}{% if m.x is defined %}{{ m.x }}{% endif %}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m | tojson }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.x is mapping }}{{ m.x is string }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{% for p in m.x %}{{ p }}{{ p.type }}{% endfor %}{% endfor %}",
    ],
)
def test_odd_values_are_written_or_refused_alike(name, source):
    messages = [{"role": "user", "content": "Hi", "x": ODD[name]}, {"role": "assistant", "content": "Yes"}]
    local, isolated = (
        outcome(Style.from_chat_template(source, isolate=isolate), messages) for isolate in (False, True)
    )
    if "for p in" not in source or name not in ("bytes", "a set", "a day", "a decimal", "a picture"):
        assert isolated == local
    else:  # of what is no data nothing arrives but its type's name
        assert issubclass(isolated[0], RowError)


def test_a_process_that_has_come_to_keep_too_much_is_replaced():
    start = Style.from_chat_template(TURNS, isolate=True).render(TALK[1:]).text
    first = isolation._get_worker()._process.pid
    for number in range(40):
        large = "{{ messages[0].content }}" + "🪴" * 250_000 + str(number)
        assert Style.from_chat_template(large, isolate=True).render(TALK[1:]).text.endswith(f"🪴{number}")
        process = isolation._get_worker()._process
        if process is not None and process.pid == first and Path("/proc/self/statm").exists():
            pages = int(Path(f"/proc/{first}/statm").read_text().split()[0])
            assert pages * os.sysconf("SC_PAGESIZE") < (64 + 48) << 20
    process = isolation._get_worker()._process
    assert process is None or process.pid != first
    assert Style.from_chat_template(TURNS, isolate=True).render(TALK[1:]).text == start


def answering(data, **limits):
    """What is made of these bytes, where a process answers them."""
    worker = isolation.Worker()
    answer = f"import sys, time; sys.stdout.buffer.write({data!r}); sys.stdout.flush(); time.sleep(9)"
    command = [sys.executable, "-c", answer]
    worker._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        return worker.ask(b"{}", Limits(**limits), 5)
    finally:
        worker.stop()


def test_no_more_is_read_than_the_limits_allow():
    head = b'{"failure": {}, "is_full": false, "origins": ["0.content"], "lengths": [%d, %d]}'
    for data, limits in (
        ((2**62).to_bytes(8, "big"), {}),
        (sized(head % (2**50, 0)), {}),
        (sized(head % (41, 0)), {"output": 10}),
        (sized(head % (0, 2**50)), {}),
        (sized(head % (-1, 0)), {}),
    ):
        with pytest.raises(StyleLimitError, match="are allowed"):
            answering(data, **limits)
    assert answering(sized(head % (40, 0)) + b"a" * 40, output=10).text == "a" * 40


def sized(head):
    return len(head).to_bytes(8, "big") + head


@pytest.mark.parametrize(
    "data",
    [
        sized(b"{"), sized(b"[]"), sized(b'{"lengths": 5}'), sized(b"\xff"), sized(b"[" * 9999),
        sized(b'{"failure": {}, "is_full": 0, "origins": [], "lengths": [1, 0]}') + b"\xff",
        sized(b'{"failure": {}, "is_full": 0, "origins": [], "lengths": [0, 8]}') + b"\0" * 8,
        sized(b'{"failure": {}, "is_full": 0, "origins": [], "lengths": [0, 32]}') + b"\0" * 32,
        sized(b'{"failure": {}, "is_full": 0, "origins": [], "lengths": [0, 7]}') + b"\0" * 7,
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error_of_ours(data):
    with pytest.raises(StyleRefusedError, match="no answer"):
        answering(data)


def test_an_error_that_is_none_of_ours_is_refused(monkeypatch):
    failure = {"error": "RowError", "message": "x", "facts": {"code": "nothing", "more": 1}}
    answer = isolation.WorkerAnswer("", failure, False)
    monkeypatch.setattr(isolation.Worker, "ask", lambda *_: answer)
    with pytest.raises(StyleRefusedError, match="no answer"):
        isolation.render_in_worker({}, Limits(), 1)


def test_a_large_answer_is_held_about_once():
    done = subprocess.run([sys.executable, "-P", "-c", LARGE], capture_output=True, text=True, timeout=HANGS)
    assert int(done.stdout) < 160, done.stderr


LARGE = """
import resource
from preftemplates import Style
talk = [{"role": "user", "content": "a"}]
Style.from_chat_template("{{ messages[0].content }}", isolate=True).render(talk)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
style = Style.from_chat_template("{% for i in range(30) %}{{ 'é' * 1000000 }}{% endfor %}", isolate=True)
assert len(style.layout.render_source(talk, False)) == 30_000_000
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_many_threads_share_the_process():
    style = Style.from_chat_template(TURNS, isolate=True)

    def render(number):
        return style.render([{"role": "user", "content": str(number)}]).text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(render, range(200))) == [f"<user>{number}</s>" for number in range(200)]


CONFINED = """
import os, subprocess, sys
from preftemplates.styles.isolation_worker import confine_process
confine_process(1 << 28)
failed = []
for name, act in {
    "open": lambda: open("/etc/hostname"),
    "write": lambda: os.write(os.open("/tmp/x", os.O_CREAT | os.O_WRONLY), b"x"),
    "socket": lambda: __import__("_socket").socket(),
    "pipe": lambda: os.pipe(),
    "memory": lambda: bytearray(1 << 30),
}.items():
    try:
        act()
    except (OSError, MemoryError):
        failed.append(name)
print(failed)
"""


def test_the_process_can_open_nothing_and_take_no_more_memory():
    done = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, text=True, timeout=HANGS)
    assert done.stdout.strip() == "['open', 'write', 'socket', 'pipe', 'memory']", done.stderr


def test_hostile_templates_end_in_our_errors_there_too():
    for _, source in cases(REFUSED)[::7]:
        with pytest.raises(PrefTemplatesError):
            Style.from_chat_template(source, isolate=True).render(TALK)
