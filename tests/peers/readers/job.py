"""What the readers share: each reads files by its peer's own code, as we configure it, and writes its ids."""

import json
import sys
from importlib.metadata import version
from pathlib import Path


def run(package, read):
    """Read each file of the job by a function; what one raises is written in the place of its rows.

    The function gets a dict with the paths `rows`, `tokenizer`, `config` and `chat_template` (None for texts), and
    `format`, `dialect` and `variant`. It gives a dict for each row: `ids` by response (`chosen`, `rejected`,
    `completion`, or `prompt` of rows without responses), and `margin`, `label` or `answer` where the peer reads one.
    """
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    files = []
    for job in jobs:
        try:
            files.append({"rows": list(read(job))})
        except Exception as error:  # noqa: BLE001  a peer may raise anything
            files.append({"error": f"{type(error).__name__}: {error}"})
    Path(sys.argv[2]).write_text(json.dumps({"version": version(package), "files": files}), encoding="utf-8")


def attempt(call):
    """What a call gives for one row, or what it raises, in its place."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001  a peer may raise anything
        return {"error": f"{type(error).__name__}: {error}"}
