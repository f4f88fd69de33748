"""Test the runner of the docs' blocks: a wrong block fails, and a right one passes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

RIGHT = r"""
```python
word = "thyme"
```

```python
>>> word
'thyme'
```

```text title="herbs.txt"
thyme
sage
```

```console
$ cat herbs.txt; echo took 3 s
thyme
sage
took ... s
$ seq 5 \
>     | tail -n 4
...
4
5
$ true
```

```json
{"herb": "sage"}
{"herb": "thyme"}
```

<!--- invisible-code-block: python
assert word == "thyme"
--->

- In a list:

  ```python
  assert word
  ```
"""

WRONG = {
    "a false assert": "```python\nassert 1 == 2\n```",
    "a hidden false assert": "<!--- invisible-code-block: python\nassert 1 == 2\n--->",
    "another value": "```python\n>>> 1 + 1\n3\n```",
    "another output": "```console\n$ echo sage\nthyme\n```",
    "a line too many": "```console\n$ echo sage\n```",
    "a command that fails": "```bash\n$ false\n```",
    "no command": "```bash\necho sage\n```",
    "broken JSON": '```json\n{"herb": \n```',
    "broken JSON in a file": '```json title="a.jsonl"\n{"herb": \n```\n\n```console\n$ wc -l a.jsonl\n...\n```',
    "a file that nothing uses": '```python title="a.py"\nx = 1\n```',
    "a fence that nothing runs": "```sh\necho sage\n```",
    "an option of a fence": '```python hl_lines="1"\nx = 1\n```',
}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the output of pytest for the right page and for one page per fault."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "docs").mkdir()
    for name, page in {"right": RIGHT, **{name: f"Herbs.\n\n{page}\n" for name, page in WRONG.items()}}.items():
        (folder / "docs" / f"{name}.md").write_text(page, encoding="utf-8")
    support = ROOT / "tests" / "support"
    for file in (ROOT / "conftest.py", support / "cpu_seconds.py", support / "registries.py"):
        shutil.copy(file, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(folder), "docs"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1_800, check=False)
    return done.stdout + done.stderr


def test_a_page_whose_blocks_are_right_passes(output: str) -> None:
    """Run a page with every kind of block."""
    assert "PASSED docs/right.md::blocks" in output, output


@pytest.mark.parametrize("name", WRONG)
def test_each_planted_fault_is_found(output: str, name: str) -> None:
    """Run one page per fault."""
    assert f"FAILED docs/{name}.md::blocks" in output, output


def test_the_cpu_seconds_of_a_run_come_before_its_last_line(output: str) -> None:
    """Print one line for the run, also without workers."""
    *_, figures, last = output.splitlines()
    assert re.fullmatch(r"CPU: \d+ s in tests \(main process [1-9]\d* s\)", figures), output
    assert last.startswith(f"{len(WRONG)} failed, 1 passed"), output
