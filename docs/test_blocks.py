"""What runs the docs' blocks sees a block that is wrong, and lets one that is right pass."""

import shutil
import subprocess
import sys
from pathlib import Path

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


def run(folder: Path, pages: dict[str, str]) -> str:
    """What pytest says of pages."""
    (folder / "docs").mkdir()
    for name, page in pages.items():
        (folder / "docs" / f"{name}.md").write_text(page, encoding="utf-8")
    shutil.copy(CONFTEST, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(folder), "docs"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


def test_a_page_whose_blocks_are_right_passes(tmp_path: Path) -> None:
    """Every kind of block."""
    said = run(tmp_path, {"right": RIGHT})
    assert "PASSED docs/right.md::blocks" in said, said


def test_each_planted_fault_is_seen(tmp_path: Path) -> None:
    """One page a fault, in one run."""
    said = run(tmp_path, {name: f"Herbs.\n\n{page}\n" for name, page in WRONG.items()})
    for name in WRONG:
        assert f"FAILED docs/{name}.md::blocks" in said, said
