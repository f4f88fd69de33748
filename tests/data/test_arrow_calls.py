"""Calls of tools in Arrow columns: their arguments are JSON text, and they read back the same."""

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from preftemplates import BatchFormatter, get_template
from preftemplates.data.arrow import build_output_schema, check_fits_schema
from preftemplates.data.reading import open_rows
from preftemplates.data.writing import open_writer
from preftemplates.errors import Code, FileError, RowError

ASKED = [{"role": "user", "content": "q"}]
TOOL = '[{"type": "function", "function": {"name": "f"}}]'
CALLED = {
    "prompt": ASKED,
    "completion": [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": 0.5}}}
            ],
        },
        {"role": "tool", "content": "done", "tool_call_id": "1"},
        {"role": "assistant", "content": "Done.", "reasoning_content": "It is done."},
    ],
    "tools": TOOL,
}


def test_a_template_with_tools_has_columns_for_calls_whose_arguments_are_json_text(tmp_path):
    template = get_template("TRL-tools").with_columns(CALLED)
    other = {**CALLED, "completion": [{"role": "assistant", "content": "No."}]}
    schema = build_output_schema(template, "supervised")
    results = [template.format(row, "supervised") for row in (CALLED, other)]
    with open_writer(tmp_path / "out.parquet", schema) as writer:
        for result in results:
            check_fits_schema(result, schema)
            writer.write(result)
    table = parquet.read_table(tmp_path / "out.parquet")
    (call,) = table["completion"][0].as_py()[0]["tool_calls"]
    assert call["function"]["arguments"] == '{"b": 1, "a": 0.5}'
    assert [template.format(row, "supervised") for row in table.to_pylist()] == results
    batch = BatchFormatter(template, "supervised")(pa.Table.from_pylist([CALLED, other]))
    assert [template.format(row, "supervised") for row in batch.to_pylist()] == results


def test_a_template_without_tools_keeps_columns_of_role_and_content():
    (field, *_) = build_output_schema(get_template("TRL-messages"), "supervised")
    assert field.type.value_type.num_fields == 2
    with pytest.raises(RowError, match=r"tool_calls does not fit .*--json-messages"):
        check_fits_schema(
            get_template("TRL-messages").format({**CALLED, "tools": None}, "supervised"),
            build_output_schema(get_template("TRL-messages"), "supervised"),
        )


def test_two_columns_of_one_name_are_one_line(tmp_path):
    table = pa.table([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["prompt", "x", "x"])
    with pytest.raises(RowError, match="2 columns have this name") as caught:
        BatchFormatter(get_template("TRL"), "prompt_only")(table)
    assert (caught.value.code, caught.value.column) == (Code.DUPLICATE_KEY, "x")
    parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(FileError, match="two columns named 'x'; rename one"):
        open_rows(tmp_path / "rows.parquet")
