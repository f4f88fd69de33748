"""The recipes of the docs for other engines: each gives the bytes of the row path, and most rows are columns.

pip install ray pyspark
pytest -m engines tests/data/test_engines.py
"""

import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import real_rows

from preftemplates import BatchFormatter, get_template
from preftemplates.errors import RowError

TEMPLATE = get_template("HH").with_style("chatml").with_dialect("text")
FORMATTER = BatchFormatter(TEMPLATE, "preference")
COLUMNS = ("prompt", "chosen", "rejected")


@pytest.fixture(scope="module")
def rows():
    """Rows of HH that can be formatted."""
    good = []
    for row in real_rows("hh_rlhf/harmless-base_test_even.jsonl.gz"):
        try:
            TEMPLATE.format(row, "preference")
        except RowError:
            continue
        good.append(row)
    return good


@pytest.fixture(scope="module")
def expected(rows):
    return sorted(tuple(TEMPLATE.format(row, "preference").values()) for row in rows)


def sort_table(table):
    return sorted(zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True))


def test_polars(rows, expected):
    polars = pytest.importorskip("polars")
    frame = FORMATTER(polars.DataFrame(rows))
    assert sort_table(frame.to_arrow()) == expected


def test_pandas(rows, expected):
    pandas = pytest.importorskip("pandas")
    assert sort_table(pa.Table.from_pandas(FORMATTER(pandas.DataFrame(rows)))) == expected


def test_duckdb(rows, expected, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    relation = duckdb.sql(f"SELECT * FROM '{tmp_path / 'rows.parquet'}'")
    assert sort_table(FORMATTER(relation.to_arrow_table())) == expected
    reader = relation.to_arrow_reader(500)
    assert sort_table(pa.Table.from_batches(map(FORMATTER, reader))) == expected


@pytest.mark.parametrize("processes", [1, 2])
def test_datasets(rows, expected, processes):
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_list(rows).with_format("arrow")
    mapped = dataset.map(FORMATTER, batched=True, batch_size=300, num_proc=processes if processes > 1 else None)
    assert sort_table(mapped.select_columns(FORMATTER.schema.names)[:]) == expected


def test_most_rows_are_columns(rows):
    formatter = BatchFormatter(TEMPLATE, "preference")
    formatter(pa.Table.from_pylist(rows))
    assert formatter.plan.columnar > 0.95 * len(rows)


@pytest.mark.engines
def test_ray(rows, expected):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        data = ray.data.from_arrow(pa.Table.from_pylist(rows))
        mapped = data.map_batches(FORMATTER, batch_format="pyarrow").to_arrow_refs()
        assert sort_table(pa.concat_tables(ray.get(mapped))) == expected
    finally:
        ray.shutdown()


@pytest.mark.engines
def test_spark(rows, expected, tmp_path, monkeypatch):
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = session.read.parquet(str(tmp_path / "rows.parquet"))
        schema = "prompt string, chosen string, rejected string"
        collected = frame.mapInArrow(lambda batches: map(FORMATTER, batches), schema).collect()
        assert sorted(tuple(row) for row in collected) == expected
    finally:
        session.stop()
