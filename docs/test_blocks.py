"""What runs the docs' blocks sees a block that is wrong, and lets one that is right pass."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

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


def run(folder: Path, page: str) -> subprocess.CompletedProcess[str]:
    """What pytest says of a page."""
    (folder / "docs").mkdir()
    (folder / "docs" / "page.md").write_text(page, encoding="utf-8")
    shutil.copy(CONFTEST, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "docs"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_page_whose_blocks_are_right_passes(tmp_path: Path) -> None:
    done = run(tmp_path, RIGHT)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("fault", WRONG)
def test_a_planted_fault_is_seen(tmp_path: Path, fault: str) -> None:
    done = run(tmp_path, f"Herbs.\n\n{WRONG[fault]}\n")
    assert "1 failed" in done.stdout, done.stdout + done.stderr
