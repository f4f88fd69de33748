"""Media in files: datasets are read without decoding, Parquet holds files, and JSON only what it has a place for."""

import json

import pytest
from support import run

from preftemplates import BatchFormatter, check, get_template
from preftemplates.data import open_rows, open_writer
from preftemplates.data.arrow import build_output_schema, check_fits_schema
from preftemplates.data.media import check_fits_json, find_first_parts
from preftemplates.errors import Code, RowError

pa = pytest.importorskip("pyarrow")

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde\x00\x00\x00\x0c"
    b"IDATx\x9cc\xf8\xcf\xc0\x00\x00\x03\x01\x01\x00\xc9\xfe\x92\xef\x00\x00\x00\x00IEND\xaeB`\x82"
)
FILE = {"bytes": PNG, "path": None}
PAIR = {"prompt": "<image>Which?", "chosen": "Dill.", "rejected": "Mint."}
MANY = {**PAIR, "prompt": "<image>Which <image>?"}
TEMPLATE = get_template("TRL").with_dialect("trl")


def write(path, rows):
    with open_writer(path) as writer:
        for row in rows:
            writer.write(row)
    return path


def read(path):
    return [record.cells for record in open_rows(path)]


# --- datasets -------------------------------------------------------------------------------------------------------


def make_dataset(rows, **columns):
    datasets = pytest.importorskip("datasets")
    texts = dict.fromkeys(PAIR, datasets.Value("string"))
    return datasets.Dataset.from_list(rows, features=datasets.Features({**texts, **columns}))


@pytest.fixture(params=["list", "one"])
def pictured(request):
    """A dataset with a column of lists of images, or of images; and what the column holds."""
    datasets = pytest.importorskip("datasets")
    if request.param == "list":
        return make_dataset([{**PAIR, "images": [FILE]}], images=datasets.List(datasets.Image())), {"images": [FILE]}
    return make_dataset([{**PAIR, "image": FILE}], image=datasets.Image()), {"image": FILE}


def test_a_saved_dataset_gives_the_bytes_of_its_files(pictured, tmp_path):
    dataset, held = pictured
    dataset.save_to_disk(tmp_path / "saved")
    assert [dict(cells) for cells in read(tmp_path / "saved")] == [{**PAIR, **held}]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_loaded_dataset_gives_the_bytes_of_its_files(pictured, streaming, tmp_path):
    from preftemplates.data.dataset_sources import keep_media

    datasets = pytest.importorskip("datasets")
    dataset, held = pictured
    dataset.to_parquet(tmp_path / "train.parquet")
    loaded = datasets.load_dataset(
        str(tmp_path), split="train", streaming=streaming, cache_dir=str(tmp_path / "cache")
    )
    assert list(keep_media(loaded)) == [{**PAIR, **held}]


def test_json_columns_are_still_decoded(tmp_path):
    datasets = pytest.importorskip("datasets")
    if not hasattr(datasets, "Json"):
        pytest.skip("this version of datasets has no columns of JSON")
    dataset = make_dataset(
        [{**PAIR, "tools": {"a": [1]}, "image": FILE}], tools=datasets.Json(), image=datasets.Image()
    )
    dataset.save_to_disk(tmp_path / "saved")
    (cells,) = read(tmp_path / "saved")
    assert (cells["tools"], cells["image"]) == ({"a": [1]}, FILE)


# --- Parquet --------------------------------------------------------------------------------------------------------


def test_parquet_holds_images_as_files_and_is_read_back(tmp_path):
    rows = [{**PAIR, "images": [FILE]}, {**MANY, "images": ["a.png", "https://x/b.png"]}]
    out, back = tmp_path / "out.parquet", tmp_path / "back.parquet"
    source = write(tmp_path / "rows.jsonl", rows[1:])
    run("convert", source, "-t", "TRL", "-d", "trl", "-o", out)
    (cells,) = read(out)
    assert cells["images"] == [{"bytes": None, "path": "a.png"}, {"bytes": None, "path": "https://x/b.png"}]
    assert cells["prompt"][0]["content"][0] == {"type": "image", "text": None}
    run("convert", out, "-t", "TRL-messages", "-d", "trl", "-o", back)
    assert read(back) == read(out)
    assert TEMPLATE.format(rows[0], "preference")["images"] == [FILE]


def test_a_batch_formatter_of_a_table_has_a_column_of_images():
    table = pa.table({**{name: [text, "Hi"] for name, text in PAIR.items()}, "images": [[FILE], None]})
    formatter = BatchFormatter(TEMPLATE.with_columns(table.column_names), "preference")
    results = formatter(table).to_pylist()
    assert [result["images"] for result in results] == [[FILE], []]
    assert results[1]["prompt"][0]["content"] == [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize("dialect", ["ms-swift", "llama-factory"])
def test_videos_and_audio_are_paths_in_columns(dialect, tmp_path):
    row = {**PAIR, "prompt": "<video><audio>What?", "videos": ["a.mp4"], "audios": ["a.wav"]}
    out = tmp_path / "out.parquet"
    run("convert", write(tmp_path / "rows.jsonl", [row]), "-t", "TRL", "-d", dialect, "-o", out)
    (cells,) = read(out)
    assert (cells["videos"], cells["audios"]) == (["a.mp4"], ["a.wav"])


@pytest.mark.parametrize("medium", [object(), {"array": [0.5], "sampling_rate": 16}], ids=["object", "decoded"])
def test_what_another_library_decoded_has_no_place_in_a_column(medium):
    template = TEMPLATE.with_parts(["images"])
    result = template.format({**PAIR, "images": [medium]}, "preference")
    assert result["images"] == [medium]
    with pytest.raises(RowError, match="a column cannot hold") as caught:
        check_fits_schema(result, build_output_schema(template, "preference"))
    assert caught.value.code == Code.UNSUPPORTED_CONTENT


# --- JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "result",
    [
        {"images": [FILE]},
        {"prompt": [{"role": "user", "content": [{"type": "image", "image": FILE}]}]},
        {"text": "a", "image": object()},
    ],
    ids=["list", "part", "object"],
)
def test_json_has_no_place_for_bytes_and_objects(result):
    with pytest.raises(RowError, match="JSON cannot hold ") as caught:
        check_fits_json(result)
    assert caught.value.code == Code.UNSUPPORTED_CONTENT


def test_everything_else_fits():
    for name in ("TRL-messages", "TRL-tools", "LLaMA-Factory-toolcall", "HelpSteer2", "OASST-trees"):
        template = get_template(name)
        for format in template.formats:
            for result in template.format_all(template.example, format):
                check_fits_json(result)


@pytest.mark.parametrize("out", ["o.jsonl", "o.json", "o.csv"])
def test_a_row_with_bytes_is_counted_where_the_output_is_text(out, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.Table.from_pylist([{**PAIR, "images": [FILE]}]), tmp_path / "rows.parquet")
    done = run("convert", tmp_path / "rows.parquet", "-t", "TRL", "-d", "trl", "-o", tmp_path / out, code=3)
    assert "1 row = 0 formatted + 0 skipped + 1 rejected" in done.stderr
    assert "unsupported_content" in done.stderr


# --- what convert knows before the first result --------------------------------------------------------------------


def test_the_first_row_says_which_media_there_are_and_is_not_lost(tmp_path):
    shown = [{"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}]
    answer = [{"role": "assistant", "content": "Dill."}]
    rows = [{"prompt": shown, "chosen": answer, "rejected": answer, "images": []}, {"prompt": [], "chosen": []}]
    source = open_rows(write(tmp_path / "rows.jsonl", rows))
    assert find_first_parts(get_template("TRL-messages"), "preference", source) == ("videos",)
    assert [record.cells for record in source] == rows


def test_every_result_of_a_file_with_a_column_of_images_has_the_key(tmp_path):
    rows = [{**PAIR, "images": ["a.png"]}, {**PAIR, "prompt": "Hi"}, {**PAIR, "prompt": "Hi", "images": None}]
    source = write(tmp_path / "rows.jsonl", rows)
    run("convert", source, "-t", "TRL", "-d", "trl", "-o", tmp_path / "out.jsonl")
    assert [cells["images"] for cells in read(tmp_path / "out.jsonl")] == [["a.png"], [], []]


def test_the_configuration_names_media_that_only_a_later_row_shows(tmp_path, monkeypatch):
    monkeypatch.setattr("preftemplates.data.media._LOOKED_AT", 1)
    part = {"type": "image", "image": "a.png"}
    answers = {side: [{"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    rows = [{"prompt": [{"role": "user", "content": content}], **answers} for content in ("Hi", [part])]
    source, out = write(tmp_path / "rows.jsonl", rows), tmp_path / "out.jsonl"
    config = tmp_path / "dataset_info.json"
    run("convert", source, "-t", "TRL-messages", "-d", "llama-factory", "-o", out, "--consumer-config", config)
    assert [cells.get("images") for cells in read(out)] == [None, ["a.png"]]
    assert json.loads(config.read_text())["out"]["columns"]["images"] == "images"


def test_media_that_no_first_row_has_are_rejected_where_the_output_is_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr("preftemplates.data.media._LOOKED_AT", 1)
    rows = [{**PAIR, "prompt": "Hi"}, {**PAIR, "images": ["a.png"]}]
    done = run("convert", write(tmp_path / "rows.jsonl", rows), "-t", "TRL", "-d", "trl", "-o", tmp_path / "o.parquet")
    assert "2 rows = 1 formatted + 0 skipped + 1 rejected" in done.stderr
    assert "unsupported_content" in done.stderr


def test_an_empty_column_of_images_changes_nothing(tmp_path):
    rows = [{**PAIR, "prompt": "Hi", "images": []}, {**PAIR, "prompt": "Hi", "images": None}]
    run("convert", write(tmp_path / "rows.jsonl", rows), "-t", "TRL", "-d", "trl", "-o", tmp_path / "o.jsonl")
    assert (
        read(tmp_path / "o.jsonl")
        == [
            {
                "prompt": [{"role": "user", "content": "Hi"}],
                "chosen": [{"role": "assistant", "content": "Dill."}],
                "rejected": [{"role": "assistant", "content": "Mint."}],
            }
        ]
        * 2
    )


def test_media_in_cells_of_json_text_are_seen_before_the_first_row_is_written(tmp_path):
    part = {"type": "image", "image": "a.png"}
    row = {"prompt": [{"role": "user", "content": [part]}], "chosen": [{"role": "assistant", "content": "a"}]}
    row["rejected"] = [{"role": "assistant", "content": "b"}]
    source = write(tmp_path / "rows.jsonl", [{key: json.dumps(cell) for key, cell in row.items()}])
    run("convert", source, "-t", "TRL-messages", "-d", "trl", "-o", tmp_path / "o.parquet")
    assert [cells["images"] for cells in read(tmp_path / "o.parquet")] == [[{"bytes": None, "path": "a.png"}]]


def test_a_column_that_is_not_read_shows_no_media(tmp_path):
    rows = [{**PAIR, "prompt": "q", "meta": {"type": "image"}}, {**PAIR, "prompt": "What does <image> do?"}]
    source = write(tmp_path / "rows.jsonl", rows)
    for command in (["check", source], ["convert", source, "-o", tmp_path / "o.jsonl"]):
        done = run(*command, "-t", "TRL", "-d", "ms-swift")
        assert "2 rows = 2 formatted + 0 skipped + 0 rejected" in done.stdout + done.stderr


def test_check_looks_ahead_as_convert_does(tmp_path):
    template = get_template("TRL-tools")
    image = {**template.example, "images": ["a.png"], "tools": None, "chosen": template.example["rejected"]}
    image["rejected"] = [{"role": "assistant", "content": "Other."}]
    source = write(tmp_path / "rows.jsonl", [image, template.example])
    for command in (["check", source], ["convert", source, "-o", tmp_path / "o.jsonl"]):
        options = ["-t", "TRL-tools", "-d", "trl", "-f", "preference"]
        done = run(*command, *options, code=int(command[0] == "check"))
        assert "2 rows = 1 formatted + 0 skipped + 1 rejected" in done.stdout + done.stderr


def test_late_media_are_rejected_where_the_output_is_a_csv(tmp_path, monkeypatch):
    monkeypatch.setattr("preftemplates.data.media._LOOKED_AT", 1)
    rows = [{**PAIR, "prompt": "Hi"}, {**PAIR, "images": ["a.png"]}]
    done = run("convert", write(tmp_path / "rows.jsonl", rows), "-t", "TRL", "-d", "trl", "-o", tmp_path / "o.csv")
    assert "2 rows = 1 formatted + 0 skipped + 1 rejected" in done.stderr


def test_bytes_in_messages_that_are_written_as_json_text_are_rejected(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    asked = [{"role": "user", "content": [{"type": "image", "image": FILE}]}]
    row = {"prompt": asked, **{side: [{"role": "assistant", "content": side}] for side in ("chosen", "rejected")}}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    options = ["-t", "TRL-messages", "-d", "axolotl", "-o", tmp_path / "o.parquet", "--json-messages"]
    done = run("convert", tmp_path / "rows.parquet", *options, code=3)
    assert "1 row = 0 formatted + 0 skipped + 1 rejected" in done.stderr


@pytest.mark.parametrize(
    "column",
    ["image_path", "img", "imgs", "image_url", "video_path", "audio_file", "photo", "frames", "pixel_values", "wav"],
)
def test_a_column_of_media_that_is_not_read_is_a_finding(column):
    report = check([{**PAIR, "prompt": "q", column: "a"}], get_template("TRL"))
    assert [finding.code for finding in report.findings] == [Code.UNREAD_CONTENT]


@pytest.mark.parametrize("cell", [b"1", [None, FILE], {"bytes": None, "path": "a.png"}], ids=str)
def test_a_medium_under_another_name_is_a_finding(cell):
    report = check([{**PAIR, "prompt": "q", "x": cell}], get_template("TRL"))
    assert [finding.code for finding in report.findings] == [Code.UNREAD_CONTENT]


def test_rows_that_are_looked_at_first_are_held_up_to_a_size(tmp_path, monkeypatch):
    monkeypatch.setattr("preftemplates.data.media._MAX_HELD", 30)
    rows = [{**PAIR, "prompt": "q" * 20}, {**PAIR, "prompt": "q" * 20}, {**PAIR, "images": ["a.png"]}]
    source = open_rows(write(tmp_path / "rows.jsonl", rows))
    assert find_first_parts(TEMPLATE, "preference", source) == ()
    assert [record.cells for record in source] == rows


def test_the_last_ending_of_the_output_counts(tmp_path, monkeypatch):
    monkeypatch.setattr("preftemplates.data.media._LOOKED_AT", 1)
    rows = [{**PAIR, "prompt": "Hi"}, {**PAIR, "images": ["a.png"]}]
    out = tmp_path / "o.csv.jsonl"
    done = run("convert", write(tmp_path / "rows.jsonl", rows), "-t", "TRL", "-d", "trl", "-o", out)
    assert "2 rows = 2 formatted" in done.stderr
