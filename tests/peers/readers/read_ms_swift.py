"""ms-swift: rows as its `load_dataset` standardises them."""

from job import run, turns
from swift.dataset import load_dataset


def read(_job, file):
    rows, _ = load_dataset([file["path"]], load_from_cache_file=False, strict=True)
    for row in rows:
        got = {name: row.get(name) for name in ("rejected_response", "label", "margin")}
        yield {"messages": turns(row["messages"])} | {name: cell for name, cell in got.items() if cell is not None}


run("ms-swift", read)
