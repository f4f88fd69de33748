"""OpenAI's own package has types for every row that we write, and takes what the written script gives it.

`make peers` makes its environment. Nothing is sent: the requests are answered within the process.
"""

import json
import os
import subprocess

import pytest
from peer_runs import ENVIRONMENTS, READERS
from real_files import FILES
from support import DATA, HANGS, real_rows

from preftemplates import get_template
from preftemplates.data.convert import Conversion

pytestmark = [pytest.mark.peers, pytest.mark.skipif(not DATA.exists(), reason="no real rows")]
PYTHON = ENVIRONMENTS / "openai" / "bin" / "python"


def list_jobs(folder):
    """Write every file of real rows in the dialect, with the script; and how many rows were refused."""
    for name, asked in FILES.items():
        template = get_template(asked.template)
        if template.is_custom or asked.format not in ("supervised", "preference"):
            continue
        template = template.with_dialect("openai")
        home = folder / str(len(list(folder.iterdir())))
        home.mkdir()
        results = list(Conversion(real_rows(name), template, asked.format, on_error="skip"))
        rows = home / "rows.jsonl"
        rows.write_text("".join(json.dumps(result) + "\n" for result in results), encoding="utf-8")
        script = template.dialect.configure(asked.format, config=home / "tune.py", rows=rows)
        (home / "tune.py").write_text(script, encoding="utf-8")
        yield {"name": name, "format": asked.format, "rows": str(rows), "config": str(home / "tune.py")}


@pytest.mark.skipif(not PYTHON.exists(), reason="make peers has not run")
def test_the_package_has_types_for_every_row_and_takes_the_script(tmp_path):
    (tmp_path / "files").mkdir()
    jobs = list(list_jobs(tmp_path / "files"))
    (tmp_path / "job.json").write_text(json.dumps(jobs), encoding="utf-8")
    done = subprocess.run(
        [str(PYTHON), str(READERS / "read_openai.py"), str(tmp_path / "job.json"), str(tmp_path / "read.json")],
        capture_output=True,
        text=True,
        timeout=HANGS,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads((tmp_path / "read.json").read_text(encoding="utf-8"))["files"]
    for job, answer in zip(jobs, answers, strict=True):
        assert [fault for fault in answer["faults"] if fault] == [], job["name"]
        upload, processed, created = answer["requests"]
        assert (upload["method"], upload["path"], upload["purpose"]) == ("POST", "/v1/files", True)
        assert (processed["method"], processed["path"]) == ("GET", "/v1/files/file-1")
        method = {"supervised": "supervised", "preference": "dpo"}[job["format"]]
        assert created["body"] == {
            "model": "a-model", "training_file": "file-1", "method": {"type": method}, "suffix": "garden",
        }  # fmt: skip
    assert sum(len(answer["faults"]) for answer in answers) > 1_000
