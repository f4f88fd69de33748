"""TRL reads our images: its collators get the messages of `extract` in typed parts, and the pixels of the files."""

from __future__ import annotations

import json

import pytest
import trl_pictures
from datasets import Image, List
from support import run
from trl_pictures import (
    ANSWERS,
    BLUE,
    CASES,
    MARK,
    PARTS,
    PLACE,
    RED,
    SHAPES,
    check_batch,
    collate,
    convert,
    expect,
    load,
    make_collator,
    make_rows,
    place_images,
    read,
    say,
    shown_by_extract,
    trl,
)

pytestmark = MARK
pictures = trl_pictures.pictures


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize(("dialect", "format"), SHAPES)
def test_the_collators_of_trl_get_the_messages_and_the_images_of_the_rows(dialect, format, suffix, tmp_path, pictures):
    folder, names = pictures
    rows = make_rows(CASES.values(), folder)
    expected = expect(format)
    assert [shown_by_extract(row, format) for row in rows] == expected
    path = tmp_path / f"out{suffix}"
    convert(rows, path, dialect, format)
    written = load(path)
    if (dialect, format) == ("trl-implicit", "preference"):
        written = written.map(trl.extract_prompt)
    written = written.cast_column("images", List(Image()))
    collator = make_collator(format)
    assert read(written, format, names, collator) == expected
    shown, batch = collate(written, format, names, collator)
    assert shown == expected
    check_batch(shown, batch, names)


def test_an_image_in_an_answer_is_read_in_whole_conversations_and_has_no_key_elsewhere(tmp_path, pictures):
    folder, names = pictures
    row = {"prompt": [say(PLACE, "And?")], "images": [RED], **ANSWERS}
    row["completion"] = [say("So: ", {"type": "image", "image": BLUE}, role="assistant")]
    row = place_images(row, folder)
    convert([row], tmp_path / "out.jsonl", "trl-implicit", "supervised")
    written = load(tmp_path / "out.jsonl").cast_column("images", List(Image()))
    shown, batch = collate(written, "supervised", names, make_collator("supervised"))
    assert shown == [[("user", RED, "And?"), ("assistant", "So: ", BLUE)]] == [shown_by_extract(row, "supervised")]
    check_batch(shown, batch, names)
    source = tmp_path / "rows.jsonl"
    done = run("convert", source, "-t", "TRL-messages", "-f", "supervised", "-o", tmp_path / "no.jsonl", code=3)
    assert "the dialect trl has no key for the images of completion" in done.stderr


def swap_images(row):
    row["images"].reverse()


def drop_image(row):
    row["images"].pop()


def add_place(row):
    row["prompt"][0]["content"].append({"type": "image"})


def move_place(row):
    parts = row["prompt"][0]["content"]
    parts.append(parts.pop(0))


def change_image(row):
    row["images"][0] = row["images"][0].replace("red", "grey")


def write_mark(row):
    row["prompt"][0]["content"] = [{"type": "text", "text": "<image>Left, or <image>?"}]


@pytest.mark.parametrize("fault", [swap_images, drop_image, add_place, move_place, change_image, write_mark])
@pytest.mark.parametrize("format", PARTS)
def test_planted_faults_are_caught(fault, format, tmp_path, pictures):
    folder, names = pictures
    path = tmp_path / "out.jsonl"
    convert(make_rows(CASES.values(), folder), path, "trl", format)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert list(CASES).index("placeholders") == 0
    fault(lines[0])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = read(load(path).cast_column("images", List(Image())), format, names, make_collator(format))
    assert [got == wanted for got, wanted in zip(found, expect(format), strict=True)] == [False] + [True] * 9
