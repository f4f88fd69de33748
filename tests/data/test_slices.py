"""Conversion by slices: the same files and the same report as row by row."""

import json
import subprocess
import sys
from functools import partial
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from columnar_rows import SUBJECTS, draw_rows
from hypothesis import given
from hypothesis import strategies as st
from support import real_rows

from preftemplates import get_style, get_template
from preftemplates.data import Conversion, Record, open_rows, open_writer
from preftemplates.data.arrow import build_output_schema, check_fits_schema
from preftemplates.data.columnar import screens
from preftemplates.data.columnar.json_output import write_json_lines
from preftemplates.data.columnar.screens import Screen
from preftemplates.data.media import check_fits_json
from preftemplates.errors import Code, RowError

ODD_TEXTS = (
    "a\x07", "a\x7fb", "soft\u00adhyphen", "\ue000", "<|endoftext|>", "<｜User｜>", "[INST] a", "</s>", "<pad>",
    '[{"role": "user", "content": "Hi"}]', '{"from": "human", "value": "Hi"}', " [1]", "<think>", "</think>b", "“Yes”",
    "a" * 100_001, "b" * 60_000, "How do I boil an egg, please?", "\t\r\n\x0c", "é" * 30, "a < b [c]",
    "<|im_end|>\n<|im_start|>user",
)  # fmt: skip
"""Texts that rules look at, and some that are nearly such."""

UNREAD = (
    {},
    {},
    {},
    {"note": "x"},
    {"chosen_score": 1, "rejected_score": 2},
    {"chat_template": "{{ x }}"},
    {"id": ""},
)


def draw_odd_row(random, name, row):
    """A row with a text that a rule may look at, an unread column, or no cells at all."""
    if random.random() < 0.03:
        return RowError("not JSON", code=Code.BAD_JSON)
    row = {**row, **random.choice(UNREAD)}
    text = random.choice(ODD_TEXTS)
    if name == "HH" and random.random() < 0.5 and isinstance(row["chosen"], str):
        return {**row, "chosen": row["chosen"] + text}
    if name == "pairs" and random.random() < 0.5 and row["thread"]:
        prompt = [*row["thread"][:-1], {**row["thread"][-1], "content": text}]
        return {**row, "thread": prompt, "one": text + random.choice(("", "more")), "two": text + " less"}
    return row


def draw_records(seed, name, count=30):
    random = Random(seed)
    rows = [draw_odd_row(random, name, row) for row in draw_rows(seed, name, count)[0]]
    return [Record(number, 2 * number + 1, row) for number, row in enumerate(rows)]


def convert(records, template, format, path, by_slices, schema=None, **options):
    check = check_fits_json if schema is None else partial(check_fits_schema, schema=schema)
    conversion = Conversion(records, template, format, on_error="skip", check=check, **options)
    with open_writer(path, schema) as writer:
        if by_slices:
            for results in conversion.convert_slices(first_rows=0):
                writer.write_slice(results)
        else:
            for result in conversion:
                writer.write(result)
    return conversion.report


def check_slices(tmp_path, name, records, format, **options):
    """Compare what is written by slices with what is written row by row."""
    template = options.pop("template")
    reports, files = [], []
    for by_slices in (False, True):
        path = tmp_path / f"{by_slices}.jsonl"
        reports.append(convert(records, template, format, path, by_slices, **options).as_json())
        files.append(path.read_bytes())
    assert files[0] == files[1], name
    assert reports[0] == reports[1], name
    return reports[0]


@pytest.mark.parametrize("dialect", ["trl", "text", "align-anything"])
@pytest.mark.parametrize("name", SUBJECTS)
@given(seed=st.integers(0, 2**32))
def test_files_and_reports_are_those_of_rows_one_by_one(name, dialect, seed, tmp_path_factory):
    template = SUBJECTS[name][0].with_style("chatml").with_dialect(dialect)
    folder = tmp_path_factory.mktemp("slices")
    for format in ("preference", "prompt_only", "supervised"):
        check_slices(folder, name, draw_records(seed, name), format, template=template)
    if dialect != "align-anything":
        check_slices(folder, name, draw_records(seed, name), "unpaired", template=template)


@pytest.mark.parametrize("options", [{"style": get_style("gemma")}, {"special_tokens": {"egg", "“", "a <", "(?i"}}])
def test_a_named_style_and_the_tokens_of_a_tokenizer_are_looked_at_too(options, tmp_path):
    template = SUBJECTS["pairs"][0].with_dialect("trl")
    for seed in range(5):
        report = check_slices(
            tmp_path, "pairs", draw_records(seed, "pairs"), "preference", template=template, **options
        )
        assert report["rejected"] or report["flagged"]


@pytest.mark.parametrize("name", SUBJECTS)
def test_parquet_is_written_as_row_by_row(name, tmp_path):
    template = SUBJECTS[name][0].with_dialect("trl")
    schema = build_output_schema(template, "preference")
    tables = []
    for by_slices in (False, True):
        path = tmp_path / f"{by_slices}.parquet"
        convert(draw_records(3, name, 300), template, "preference", path, by_slices, schema)
        tables.append(pq.read_table(path))
    assert tables[0].equals(tables[1])


def test_rows_of_parquet_stay_columns(tmp_path):
    rows = [{"prompt": f"Question {n}?", "response_0": "A", "response_1": "B", "better_response_id": n % 2, "note": n}
            for n in range(3000)]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet", row_group_size=700)
    template = get_template("PKUSafeRLHF").with_dialect("trl")
    reports, files = [], []
    for by_slices in (False, True):
        path = tmp_path / f"{by_slices}.jsonl"
        records = open_rows(tmp_path / "in.parquet")
        reports.append(convert(records, template, "preference", path, by_slices).as_json())
        files.append(path.read_bytes())
    assert files[0] == files[1]
    assert reports[0] == reports[1]
    assert reports[0]["unread"]["note"]["rows"] == 3000


def test_keys_of_messages_that_nothing_reads_are_reported(tmp_path):
    thread = [{"role": "user", "content": "Hi", "weight": 0.5}]
    unweighted = [thread[0] | {"weight": None}]
    rows = [{"thread": thread if n % 3 else unweighted, "one": f"a{n}", "two": f"b{n}", "better": 0}
            for n in range(40)]  # fmt: skip
    template = SUBJECTS["pairs"][0].with_dialect("trl")
    by_lines = check_slices(
        tmp_path, "pairs", [Record(n, n, row) for n, row in enumerate(rows)], "preference", template=template
    )
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    by_tables = check_slices(tmp_path, "pairs", list(open_rows(tmp_path / "in.parquet")), "preference",
                             template=template)  # fmt: skip
    assert by_lines["unread"] == by_tables["unread"]
    assert [counted["rows"] for counted in by_lines["unread"].values()] == [26]


def test_a_cell_that_is_not_utf_8_rejects_its_row_and_no_other(tmp_path):
    prompts = pa.array([b"One?", b"T\xffwo?", b"Three?"]).view(pa.string())
    table = pa.table({"prompt": prompts, "response_0": ["a", "b", "c"], "response_1": ["d", "e", "f"],
                      "better_response_id": [0, 1, 0]})  # fmt: skip
    pq.write_table(table, tmp_path / "in.parquet")
    template = get_template("PKUSafeRLHF").with_dialect("trl")
    report = check_slices(
        tmp_path, "PKUSafeRLHF", list(open_rows(tmp_path / "in.parquet")), "preference", template=template
    )
    (rejected,) = report["rejected"]
    assert (report["formatted"], rejected["row"], rejected["code"]) == (2, 1, "bad_text")
    assert rejected["message"].startswith("column 'prompt'")


def test_a_check_of_the_caller_looks_at_each_result(tmp_path):
    def reject_short(result):
        if len(result["chosen"][0]["content"]) < 2:
            raise RowError("too short", code=Code.WRONG_TYPE)

    rows = [{"prompt": f"Question {n}?", "response_0": "ab" if n % 2 else "c", "response_1": "def",
             "better_response_id": 0} for n in range(20)]  # fmt: skip
    conversion = Conversion(rows, get_template("PKUSafeRLHF").with_dialect("trl"), "preference", on_error="skip",
                            check=reject_short)  # fmt: skip
    with open_writer(tmp_path / "out.jsonl") as writer:
        for results in conversion.convert_slices(first_rows=0):
            writer.write_slice(results)
    assert (conversion.report.formatted, len(conversion.report.rejected)) == (10, 10)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 10


def test_what_comes_before_an_error_is_counted():
    rows = [{"prompt": f"Question {n}?", "response_0": "a", "response_1": "b" if n != 30 else 7,
             "better_response_id": 0, "note": n} for n in range(40)]  # fmt: skip
    reports = []
    for by_slices in (False, True):
        conversion = Conversion(rows, get_template("PKUSafeRLHF").with_dialect("trl"), "preference")
        with pytest.raises(RowError, match="row 30"):
            list(conversion.convert_slices(first_rows=0) if by_slices else conversion)
        reports.append(conversion.report)
    assert reports[0].formatted == 30
    assert reports[1].formatted >= 30  # the rows of a slice that are columns are formatted before the others


@pytest.mark.parametrize(
    ("path", "name"),
    [("hh_rlhf/harmless-base_test_even.jsonl.gz", "HH"),
     ("pku_saferlhf/align_anything_preference_train.json", "PKUSafeRLHF")],
)  # fmt: skip
def test_real_rows(path, name, tmp_path):
    template = get_template(name).with_dialect("trl")
    report = check_slices(tmp_path, name, real_rows(path), "preference", template=template)
    assert report["formatted"]


def test_every_character_is_written_as_the_standard_library_writes_it():
    texts = ["".join(map(chr, range(at, at + 256))) for at in range(0, 0x3000, 256)] + ["\U0001f600\u2028\x7f"]
    lines = write_json_lines(pa.RecordBatch.from_pydict({"a%b": texts}))
    assert lines == [f"{json.dumps({'a%b': text}, ensure_ascii=False)}\n".encode() for text in texts]


# --- planted faults ----------------------------------------------------------------------------------------------


def let_all_pass(monkeypatch):
    monkeypatch.setattr(Screen, "_find_in_messages", lambda _, contents: screens.np.zeros(len(contents), bool))


def miss_repeated_prompts(monkeypatch):
    monkeypatch.setattr(screens, "_may_repeat_prompt", lambda prompt, _: screens.np.zeros(len(prompt.counts), bool))


def take_turns_for_usual(monkeypatch):
    monkeypatch.setattr(Screen, "has_odd_turns", staticmethod(lambda _: False))


def forget_unread_values(monkeypatch):
    from preftemplates.data.columnar.conversion import ColumnarSliceConverter

    monkeypatch.setattr(ColumnarSliceConverter, "_find_unread", lambda *_: {})


@pytest.mark.parametrize("plant", [let_all_pass, miss_repeated_prompts, take_turns_for_usual, forget_unread_values])
def test_a_conversion_that_is_not_that_of_rows_is_caught(plant, monkeypatch, tmp_path):
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check_all_seeds(tmp_path)


def check_all_seeds(folder):
    for seed in range(20):
        for name in SUBJECTS:
            template = SUBJECTS[name][0].with_style("chatml").with_dialect("text")
            check_slices(folder, name, draw_records(seed, name), "preference", template=template)


def test_converting_and_checking_do_not_import_pandas(tmp_path):
    row = {"prompt": "Why?", "response_0": "a", "response_1": "b", "better_response_id": 0}
    lines = [json.dumps(row | {"prompt": f"Why {n}?"}) for n in range(1_200)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    code = """
import sys
from preftemplates import check, get_template
from preftemplates.data import Conversion, open_rows
template = get_template("PKUSafeRLHF").with_style("chatml")
slices = [*Conversion(open_rows("rows.jsonl"), template, "preference").convert_slices()]
assert any(one.columns is not None for one in slices)
assert check(open_rows("rows.jsonl"), template).rows == 1_200
print("pandas" in sys.modules)
"""
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "False\n"
