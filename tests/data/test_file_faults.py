"""A file that is not what its name says names the cause and a fix, and the fix works."""

import gzip
import json
import shutil
import subprocess

import pytest

from preftemplates.data.reading import open_rows
from preftemplates.data.writing import open_writer
from preftemplates.errors import FileError

ROW = {"prompt": "Which herb likes shade?", "chosen": "Mint does.", "rejected": "None."}
LINE = json.dumps(ROW)
LIST = json.dumps([*ROW.values()])

FAULTS = {
    "utf-16.jsonl": (LINE.encode("utf-16"), r"is UTF-16, .* iconv -f UTF-16 -t UTF-8"),
    "utf-16-without-a-mark.jsonl": (LINE.encode("utf-16-le"), "is UTF-16LE"),
    "utf-16.csv": ("prompt,chosen\na,b\n".encode("utf-16"), "is UTF-16"),
    "utf-32.json": (f"[{LINE}]".encode("utf-32"), "is UTF-32"),
    "latin.csv": (b"caf\xe9,b\nx,y\n", "line 1: the header is not UTF-8; .*iconv"),
    "semicolons.csv": (b"prompt;chosen\na;b\n", r"line 1: the values are separated by ';' .*sep=';'"),
    "tabs.csv": (b"prompt\tchosen\na\tb\n", r"separated by tabs .*sep='\\t'"),
    "pipes.csv": (b"prompt|chosen\na|b\n", r"separated by '\|'"),
    "rows.tsv": (b"prompt\tchosen\na\tb\n", "unknown file name ending, expected .*; separate the values by commas"),
    "wrapped.json": (
        f'{{"data": [{LINE}]}}'.encode(),
        r"""key 'data' holds the rows; .*'\.\["data"\]\[\]'""",
    ),
    "wrapped.jsonl": (f'{{"version": 1, "examples": [{LINE}]}}'.encode(), "whose key 'examples' holds the rows"),
    "viewer.json": (f'{{"rows": [{{"row_idx": 0, "row": {LINE}}}]}}'.encode(), r"""'\.\["rows"\]\[\]\.row'"""),
    "columns.json": (json.dumps({key: [value] for key, value in ROW.items()}).encode(), "is an object of columns"),
    "pandas.json": (json.dumps({key: {"0": value} for key, value in ROW.items()}).encode(), "is an object of columns"),
    "lines.json": (f"{LINE}\n{LINE}\n".encode(), "has one object per line, expected a list; .* should end in .jsonl"),
    "one.json": (LINE.encode(), r"is one object, expected a list of rows; put the object in \[ \]"),
    "list.jsonl": (f"[{LINE}]".encode(), "is one JSON list, expected one object per line; .* should end in .json"),
    "lists.jsonl": (f"{LIST}\n{LIST}\n".encode(), r"each line is a list, .*\{NAME0: \.\[0\], NAME1: \.\[1\]"),
    "lists-of-objects.jsonl": (f"[{LINE}]\n[{LINE}]\n".encode(), "each line is a list of objects"),
    "list-after-a-blank-line.jsonl": (f"\n[{LINE}]".encode(), "is one JSON list"),
    "many-numbers.jsonl": (b"[" + b"1, " * 9999 + b"1]\n", r"NAME4: \.\[4\], \.\.\.\}"),
    "table.jsonl": (b'prompt,chosen\nHi,"a, b"\nHo,c\n', "is a CSV, expected one JSON object per line; .*in .csv$"),
    "tabs.ndjson": (b"prompt\tchosen\nHi\ta\n", "is a CSV"),
    "long-table.jsonl": (b"prompt,chosen\n" + b"Hi,a\n" * 2_000, "is a CSV"),
    "lines.csv": (f"{LINE}\n{LINE}\n".encode(), "is JSON, expected a header .* should end in .jsonl$"),
    "compact-lines.csv": (b'{"prompt":"Hi, you","chosen":"a"}\n', "is JSON, .* should end in .jsonl$"),
    "list.csv": (json.dumps([ROW], indent=1).encode(), "is JSON, .* should end in .json$"),
    "pretty.jsonl": (f"{json.dumps(ROW, indent=1)}\n".encode() * 2, "an object spans several lines; .*jq -c"),
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("name", FAULTS)
def test_the_cause_and_the_fix_are_named(tmp_path, name, packed):
    content, message = FAULTS[name]
    path = tmp_path / f"{name}{packed}"
    path.write_bytes(gzip.compress(content) if packed else content)
    if packed and name.endswith(".tsv"):
        pytest.skip("the ending of a packed file is .gz")
    with pytest.raises(FileError, match=message) as caught:
        list(open_rows(path))
    assert "\n" not in str(caught.value)


GOOD = {
    "bom.jsonl": b"\xef\xbb\xbf" + LINE.encode(),
    "one.jsonl": LINE.encode(),
    "messages.jsonl": b'{"data": [{"role": "user", "content": "Hi"}]}',
    "turns.jsonl": b'{"train": [{"from": "human", "value": "Hi"}]}',
    "texts.jsonl": b'{"data": ["Hi", "Hello"]}',
    "one-column.csv": b"prompt\na; b\nc\td\n",
    "broken-first-row.jsonl": b'{"prompt": "a",\n' + LINE.encode(),
    "row-with-a-list-of-objects.jsonl": b'{"prompt": "Hi", "chosen": "a", "rejected": "b", "examples": [{"x": 1}]}',
    "damaged-first-row-and-a-blank-line.jsonl": b'{"prompt": "a",\n\n' + LINE.encode(),
    "damaged-first-row-of-names.jsonl": b"prompt, chosen\n" + LINE.encode(),
    "two-damaged-rows.jsonl": b'prompt, chosen\n{"prompt": "a"',
    "braces.csv": b'{prompt},"{""chosen"": 1}"\na,b\n',
    "nul.jsonl": b'{"prompt": "a\\u0000b"}',
    "chinese.jsonl": '{"prompt": "草"}'.encode(),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_only_looks_like_it_is_read(tmp_path, name):
    (tmp_path / name).write_bytes(GOOD[name])
    assert len(list(open_rows(tmp_path / name))) in (1, 2)


@pytest.mark.skipif(not shutil.which("iconv"), reason="needs iconv")
def test_the_fix_for_another_encoding_works(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(f"{LINE}\n".encode("utf-16"))
    done = subprocess.run(
        ["iconv", "-f", "UTF-16", "-t", "UTF-8", tmp_path / "rows.jsonl"], capture_output=True, check=True
    )
    (tmp_path / "utf8.jsonl").write_bytes(done.stdout)
    assert [record.cells for record in open_rows(tmp_path / "utf8.jsonl")] == [ROW]


def test_python_s_quotes_are_named(tmp_path):
    (tmp_path / "rows.jsonl").write_text(f"{ROW!r}\n", encoding="utf-8")
    (record,) = open_rows(tmp_path / "rows.jsonl")
    assert "it looks like a Python literal: write json.dumps(row)" in str(record.cells)


def test_files_of_a_folder_with_other_columns_are_named(tmp_path, capfd):
    for name, row in (("a.parquet", ROW), ("b.parquet", {**ROW, "more": 1})):
        with open_writer(tmp_path / name) as writer:
            writer.write(row)
    with pytest.raises(
        FileError, match="its files have different columns: one has 'more', which the first lacks"
    ) as caught:
        list(open_rows(tmp_path))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""  # progress bars are for terminals


@pytest.mark.parametrize("second", ["rows.csv", "rows.parquet", "inner/rows.csv", "rows.csv.gz"])
def test_files_of_several_kinds_in_a_folder_are_named(tmp_path, second):
    (tmp_path / "a.jsonl").write_text(f"{LINE}\n", encoding="utf-8")
    (tmp_path / second).parent.mkdir(exist_ok=True)
    (tmp_path / second).write_bytes(b"prompt,chosen,rejected\na,b,c\n")
    with pytest.raises(
        FileError, match=r"holds files of several kinds, of which datasets would read only one: a.jsonl is JSON"
    ):
        list(open_rows(tmp_path))


def test_files_about_a_dataset_are_not_rows_of_another_kind(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,chosen,rejected\na,b,c\n", encoding="utf-8")
    for name in ("dataset_infos.json", "README.md", "config.json", ".hidden.jsonl"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert [record.cells for record in open_rows(tmp_path)] == [{"prompt": "a", "chosen": "b", "rejected": "c"}]


def test_the_fix_names_the_file(tmp_path):
    path = tmp_path / "my rows.json"
    path.write_text(f'{{"data": [{LINE}]}}', encoding="utf-8")
    with pytest.raises(FileError) as caught:
        list(open_rows(path))
    assert f"'{path}' > rows.jsonl" in str(caught.value)


def test_commas_come_out_of_the_fix_for_a_separator_with_every_text_as_it_was(tmp_path):
    pandas = pytest.importorskip("pandas")
    path, out = tmp_path / "rows.csv", tmp_path / "commas.csv"
    path.write_text("prompt;answer;n\nNA;None;7\n;x;08\n", encoding="utf-8")
    with pytest.raises(FileError, match="keep_default_na=False") as caught:
        list(open_rows(path))
    code = str(caught.value).partition("expected commas: ")[2].replace("'commas.csv'", repr(str(out)))
    eval(code, {"pandas": pandas})
    assert [record.cells for record in open_rows(out)] == [
        {"prompt": "NA", "answer": "None", "n": "7"}, {"prompt": "", "answer": "x", "n": "08"}
    ]  # fmt: skip


@pytest.mark.parametrize("hidden", [".git/y.csv", ".cache/deep/y.csv"])
def test_hidden_folders_are_not_rows(tmp_path, hidden):
    (tmp_path / "a.jsonl").write_text(f"{LINE}\n", encoding="utf-8")
    (tmp_path / hidden).parent.mkdir(parents=True)
    (tmp_path / hidden).write_text("a,b\n1,2\n", encoding="utf-8")
    assert [record.cells for record in open_rows(tmp_path)] == [ROW]


def test_the_folder_that_is_asked_for_is_looked_at_alone(tmp_path):
    for name, text in (("a/one.jsonl", f"{LINE}\n"), ("b/y.csv", "a,b\n1,2\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [record.cells for record in open_rows(tmp_path, data_dir="a")] == [ROW]
