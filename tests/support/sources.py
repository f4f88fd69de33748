"""The containers that rows may come in, templates of each dataset type, and the matrix of both.

`python tests/support/sources.py` prints the matrix, as it is in docs/results.md.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preftemplates import (
    Index01,
    Judge,
    MediaColumns,
    Message,
    Preference,
    PromptOnly,
    Ranked,
    Scored,
    Stepwise,
    Supervised,
    Template,
    Unpaired,
    messages,
)
from preftemplates.core.provenance import plain_data
from preftemplates.data.reading import open_rows
from preftemplates.data.writing import open_writer
from preftemplates.dialects.media import find_media
from preftemplates.errors import RowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Rows = list[dict[str, Any]]


class SparkRow(tuple):
    """A row of Spark: a tuple that knows the names of its fields."""

    names: tuple[str, ...]

    def asDict(self) -> dict[str, Any]:  # noqa: N802  Spark's name
        """Return the row's own cells; those that are rows stay rows."""
        return dict(zip(self.names, self, strict=True))


def make_spark_value(value: Any) -> Any:
    """Return a value in Spark's types: objects are rows, and fractions decimal numbers."""
    if isinstance(value, dict):
        row = SparkRow(make_spark_value(item) for item in value.values())
        row.names = tuple(value)
        return row
    if isinstance(value, list):
        return [make_spark_value(item) for item in value]
    return Decimal(repr(value)) if type(value) is float else value


def _write_file(rows: Rows, folder: Path, name: str) -> Path:
    with open_writer(folder / name) as writer:
        for row in rows:
            writer.write(row)
    return folder / name


def _read_file(suffix: str) -> Callable[..., Any]:
    def read(rows: Rows, folder: Path, template: Template) -> list[Any]:
        path = _write_file(rows, folder, f"rows{suffix}")
        return [record.cells for record in open_rows(path, cell_parsers=template.cell_parsers)]

    return read


def _read_csv(rows: Rows, folder: Path, template: Template) -> list[Any]:
    """A CSV as pandas writes it: a gap is an empty cell, and what is no text is JSON."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [{column: "" if row.get(column) is None else row[column] for column in columns} for row in rows]
    path = _write_file(cells, folder, "rows.csv")
    return [record.cells for record in open_rows(path, cell_parsers=template.cell_parsers)]


def _make_table(rows: Rows) -> Any:
    import pyarrow as pa

    columns = list(dict.fromkeys(column for row in rows for column in row))
    return pa.table({column: pa.array([row.get(column) for row in rows]) for column in columns})


def _read_parquet(rows: Rows, folder: Path, _: Template) -> list[Any]:
    import pyarrow.parquet as parquet

    parquet.write_table(_make_table(rows), folder / "rows.parquet")
    return [record.cells for record in open_rows(folder / "rows.parquet")]


def _read_pandas_parquet(rows: Rows, folder: Path, _: Template) -> list[Any]:
    import pandas
    import pyarrow.parquet as parquet

    parquet.write_table(_make_table(rows), folder / "pandas.parquet")
    return list(pandas.read_parquet(folder / "pandas.parquet").to_dict("records"))


def _read_pandas_series(rows: Rows, _folder: Path, _: Template) -> list[Any]:
    import pandas

    return [row for _, row in pandas.DataFrame(rows).iterrows()]


def _make_dataset(rows: Rows) -> Any:
    import datasets

    return datasets.Dataset(_make_table(rows))


def _read_saved(rows: Rows, folder: Path, _: Template) -> list[Any]:
    _make_dataset(rows).save_to_disk(folder / "saved")
    return [record.cells for record in open_rows(folder / "saved")]


def _read_loaded(rows: Rows, folder: Path, _: Template) -> list[Any]:
    import datasets

    path = _write_file(rows, folder, "loaded.jsonl")
    return list(datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(folder / "cache")))


def _read_mapped(rows: Rows, _folder: Path, _: Template) -> list[Any]:
    seen: list[Any] = []
    _make_dataset(rows).map(lambda row: seen.append(dict(row)), load_from_cache_file=False, keep_in_memory=True)
    return seen


def _read_polars(rows: Rows, _folder: Path, _: Template) -> list[Any]:
    import polars  # type: ignore[import-not-found]

    return list(polars.from_arrow(_make_table(rows)).iter_rows(named=True))


def _read_duckdb(rows: Rows, _folder: Path, _: Template) -> list[Any]:
    import duckdb  # type: ignore[import-not-found]

    table = _make_table(rows)
    cursor = duckdb.connect().register("rows", table).execute("SELECT * FROM rows")
    return [dict(zip(table.column_names, cells, strict=True)) for cells in cursor.fetchall()]


SOURCES: dict[str, tuple[str, Callable[[Rows, Path, Template], list[Any]]]] = {
    "JSON lines": ("json", _read_file(".jsonl")),
    "JSON": ("json", _read_file(".json")),
    "CSV": ("csv", _read_csv),
    "Parquet": ("pyarrow", _read_parquet),
    "Arrow": ("pyarrow", lambda rows, *_: _make_table(rows).to_pylist()),
    "datasets, a row": ("datasets", lambda rows, *_: list(_make_dataset(rows))),
    "datasets, NumPy": ("datasets", lambda rows, *_: list(_make_dataset(rows).with_format("numpy"))),
    "datasets, `map`": ("datasets", _read_mapped),
    "datasets, saved": ("datasets", _read_saved),
    "`load_dataset`": ("datasets", _read_loaded),
    "pandas, records": ("pandas", lambda rows, *_: __import__("pandas").DataFrame(rows).to_dict("records")),
    "pandas, series": ("pandas", _read_pandas_series),
    "pandas, Parquet": ("pandas", _read_pandas_parquet),
    "Polars": ("polars", _read_polars),
    "DuckDB": ("duckdb", _read_duckdb),
    "Spark's types": ("json", lambda rows, *_: [make_spark_value(row) for row in rows]),
}
"""How rows are read from each container, with the module that it needs."""

QUICK = (
    "JSON lines",
    "CSV",
    "Parquet",
    "Arrow",
    "datasets, a row",
    "pandas, records",
    "pandas, Parquet",
    "Spark's types",
)
"""The containers that are fast enough for drawn rows."""


def is_installed(source: str) -> bool:
    """Whether the module that a container needs is here."""
    return importlib.util.find_spec(SOURCES[source][0]) is not None


class Everything(Template):
    """Every dataset type, with tools and labels."""

    class Row(MediaColumns):
        question: str
        talk: list[Message]
        result: dict[str, Any]
        good: list[Message]
        bad: list[Message]
        answers: list[str]
        better: Index01
        margin: float | None = None
        is_good: bool
        scores: list[float]
        right: list[bool]
        attributes: dict[str, float]
        verdict: str
        tools: list[dict[str, Any]] | str | None = None
        shown: list[Message]

    prompt_only = PromptOnly(prompt=messages("{{ shown }}"), tools="{{ tools | tool_list }}")
    supervised = Supervised(
        prompt=[messages("{{ talk }}"), {"role": "tool", "content": "{{ result }}"}],
        completion=messages("{{ good }}"),
        tools="{{ tools | tool_list }}",
    )
    preference = Preference(
        prompt=messages("{{ talk | show_media(images, videos, audios) }}"),
        chosen=messages("{{ bad if better == 1 else good }}"),
        rejected=messages("{{ good if better == 1 else bad }}"),
        tools="{{ tools | tool_list }}",
        margin="{{ margin }}",
    )
    unpaired = Unpaired(prompt="{{ question }}", completion=messages("{{ good }}"), label="{{ is_good }}")
    ranked = Ranked(
        prompt="{{ question }}", completions="{{ answers }}", ranks="{{ scores | ranks }}", scores="{{ scores }}"
    )
    scored = Scored(
        prompt="{{ question | show_media(image=image) }}",
        completion="{{ answers[0] }}",
        score="{{ scores[0] }}",
        attributes="{{ attributes }}",
    )
    stepwise = Stepwise(prompt="{{ question }}", completions="{{ answers }}", labels="{{ right }}")
    judge = Judge(prompt="{{ question }}", completion="{{ verdict }}", verdict="{{ verdict }}")


def make_call(**arguments: Any) -> dict[str, Any]:
    """Return an answer that calls a function."""
    function = {"name": "plant", "arguments": arguments}
    return {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": function}]}


def make_tool(**properties: Any) -> dict[str, Any]:
    """Return the schema of a function."""
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": "plant", "description": "d", "parameters": parameters}}


TOOLS = [
    make_tool(herb={"type": "string", "default": None}, rows={"type": "integer", "enum": [1, None]}),
    make_tool(bed={"type": "object", "properties": {"wide": {"type": "number", "minimum": 0.5}}}),
]

SHOWN_IMAGE = {"role": "user", "content": [{"type": "image", "image": "dill.png"}, {"type": "text", "text": "?"}]}
SHOWN_AUDIO = {"role": "user", "content": [{"type": "audio", "audio": "bee.wav"}, {"type": "text", "text": "!"}]}

ROWS: Rows = [
    {
        "question": "Which herb?",
        "talk": [{"role": "user", "content": "<image>Which herb, <video> or <image>?", "turn": 1}],
        "result": {"left": 2, "done": True},
        "good": [
            make_call(herb="dill", rows=7, days=[1, None]),
            {"role": "tool", "content": "done"},
            {"role": "assistant", "content": "Dill."},
        ],
        "bad": [{"role": "assistant", "content": "None.", "reasoning_content": "Why not?"}],
        "answers": ["Dill.", "Mint."],
        "better": 1,
        "margin": 2,
        "is_good": True,
        "scores": [4, 1],
        "right": [True, False],
        "attributes": {"clear": 4, "short": 0.5},
        "verdict": "A",
        "tools": TOOLS,
        "shown": [
            {"role": "user", "content": [{"type": "image", "image": "dill.png"}, {"type": "text", "text": "?"}]}
        ],
        "images": ["dill.png", "mint.png"],
        "image": "herb.png",
        "videos": ["bed.mp4"],
        "audios": [],
    },
    {
        "question": "Which bed?",
        "talk": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which bed?"}],
        "result": {"done": False, "left": 0.5, "at": {"bed": None}},
        "good": [
            make_call(bed={"wide": 1.5, "deep": None}, rows=1.5),
            {"role": "assistant", "content": "The long one."},
        ],
        "bad": [{"role": "assistant", "content": "Any."}],
        "answers": ["The long one.", "Any."],
        "better": None,
        "margin": None,
        "is_good": False,
        "scores": [2.5, 3.0],
        "right": [False, False],
        "attributes": {"kind": 1},
        "verdict": "tie",
        "tools": None,
        "shown": [SHOWN_AUDIO],
        "images": None,
        "image": None,
        "videos": [],
        "audios": ["bee.wav"],
    },
]
"""Rows in which tables fill in keys, make floats of integers and have gaps."""


def describe_parts(template: Template, row: Any, format: str) -> dict[str, Any]:
    """Return the parts of a row's sample that are there, or the code of its error."""
    try:
        sample = template.extract(row, format)
    except RowError as error:
        return {"error": str(error.code)}
    media = {name: [str(medium.value) for medium in shown] for name, shown in find_media(sample).items()}
    parts = {
        "messages": [plain_data(sample.prompt), plain_data(sample.responses)],
        "tools": None if sample.tools is None else json.loads(str(sample.tools)),
        "media": media,
        "labels": sample.label_values,
    }
    return {name: part for name, part in parts.items() if part}


def describe(template: Template, row: Any, format: str) -> str:
    """Return the sample of a row as JSON text with sorted keys, or the code of its error."""
    parts = describe_parts(template, row, format)
    return str(parts.get("error")) if "error" in parts else json.dumps(parts, sort_keys=True, ensure_ascii=False)


def differences(source: str, rows: Rows, template: Template, format: str, folder: Path) -> list[tuple[Any, Any]]:
    """Return what the rows give from a container and from memory, where that differs."""
    read = SOURCES[source][1](rows, folder, template)
    pairs = zip(read, rows, strict=True)
    both = [(describe(template, cells, format), describe(template, row, format)) for cells, row in pairs]
    return [pair for pair in both if pair[0] != pair[1]]


def compare_parts(source: str, format: str, folder: Path) -> str:
    """Return which parts the samples of a dataset type have, each marked where a container gives another one."""
    template, rows = Everything(), ROWS
    read = [describe_parts(template, cells, format) for cells in SOURCES[source][1](rows, folder, template)]
    held = [describe_parts(template, row, format) for row in rows]
    names = [name for name in ("messages", "tools", "media", "labels") if any(name in parts for parts in held)]
    wrong = {name for name in names for one, other in zip(read, held, strict=True) if one.get(name) != other.get(name)}
    return ", ".join(f"{name} DIFFER" if name in wrong else name for name in names)


def list_matrix() -> Iterator[tuple[str, ...]]:
    """Yield a line for each container: the parts that the samples of each dataset type have, all equal if unmarked."""
    formats = Everything().formats
    yield ("equal from", *formats)
    for source in SOURCES:
        if not is_installed(source):
            yield (source, *("not installed" for _ in formats))
            continue
        with tempfile.TemporaryDirectory() as folder:
            yield (source, *(compare_parts(source, format, Path(folder)) for format in formats))


def main() -> None:
    """Print the matrix as Markdown."""
    header, *lines = list_matrix()
    for line in (header, tuple("---" for _ in header), *lines):
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
