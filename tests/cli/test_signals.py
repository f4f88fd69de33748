"""Signals: a command that is terminated leaves no half-written file."""

import json
import signal
import subprocess
import sys
import time

import pytest
from support import HANGS, terminal

from preftemplates import get_template


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_conversion_leaves_no_file(tmp_path, sent):
    line = json.dumps(get_template("PKUSafeRLHF").example) + "\n"
    (tmp_path / "rows.jsonl").write_text(line * 200_000)  # more than is converted before the signal comes
    words = ["convert", "rows.jsonl", "--template", "PKUSafeRLHF", "--out", "out.jsonl"]
    process = subprocess.Popen(
        [sys.executable, "-m", "preftemplates", *words],
        cwd=tmp_path,
        env=terminal(80),
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    while not list(tmp_path.glob(".out.jsonl.*.partial")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(sent)
    _, printed = process.communicate(timeout=HANGS)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[sent]
    assert b"Traceback" not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
