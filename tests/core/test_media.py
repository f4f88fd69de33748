"""Media: which part shows what, and cells that list media."""

from collections import deque
from pathlib import Path

import pytest

from preftemplates.core.media import Medium, iter_media, list_media, read_medium
from preftemplates.errors import Code, RowError

FILE = {"bytes": b"\x89PNG", "path": "pot.png"}


@pytest.mark.parametrize(
    ("part", "medium"),
    [
        ({"type": "image"}, ("image", None, {})),
        ({"type": "image", "image": None, "text": None}, ("image", None, {})),
        ({"type": "image", "image": "a.png"}, ("image", "a.png", {})),
        ({"type": "image", "url": "https://x/a.png"}, ("image", "https://x/a.png", {})),
        ({"type": "video", "path": "a.mp4", "fps": 2}, ("video", "a.mp4", {"fps": 2})),
        ({"type": "image", **FILE}, ("image", FILE, {})),
        ({"type": "image", "image": {"bytes": None, "path": "a.png"}}, ("image", "a.png", {})),
        ({"type": "image_url", "image_url": {"url": "a.png", "detail": None}}, ("image", "a.png", {})),
        ({"type": "image_url", "image_url": "a.png"}, ("image", "a.png", {})),
        ({"type": "audio_url", "audio_url": {"url": "a.wav"}}, ("audio", "a.wav", {})),
        ({"type": "input_audio", "input_audio": {"data": "AA=="}}, ("audio", {"input_audio": {"data": "AA=="}}, {})),
        ({"type": "image", "source": {"data": "AA=="}}, ("image", {"source": {"data": "AA=="}}, {})),
        ({"type": "image", "base64": "AA=="}, ("image", {"base64": "AA=="}, {})),
    ],
    ids=str,
)
def test_a_part_shows_a_medium(part, medium):
    assert read_medium(part) == Medium(*medium)


@pytest.mark.parametrize(
    "part", [{"type": "text", "text": "a"}, {"image": "a.png"}, {"type": 3}, "image", None], ids=str
)
def test_other_parts_show_none(part):
    assert read_medium(part) is None


@pytest.mark.parametrize(
    ("cell", "media"),
    [
        (None, []), ([], []), ("", []), (float("nan"), []), ({}, []),
        ('{"path": "a.png"}', ["a.png"]), (Path("a.png"), ["a.png"]), (memoryview(b"1"), [b"1"]),
        ("a.png", ["a.png"]), ('["a.png", "b.png"]', ["a.png", "b.png"]), ("[a].png", ["[a].png"]),
        ([FILE, {"bytes": None, "path": "b.png"}], [FILE, "b.png"]), (FILE, [FILE]), (("a", "b"), ["a", "b"]),
    ],
    ids=lambda value: str(value).split(' at 0x')[0],
)  # fmt: skip
def test_a_cell_lists_media(cell, media):
    assert list_media(cell, "image") == media


def test_an_object_of_another_library_is_the_medium_itself():
    picture = deque()
    assert list_media(picture, "image")[0] is picture


def test_a_video_may_be_a_list_of_frames():
    assert list_media([["a.png", "b.png"]], "video") == [["a.png", "b.png"]]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (0, Code.WRONG_TYPE), (False, Code.WRONG_TYPE), ([1.5], Code.WRONG_TYPE), ([["a.png"]], Code.WRONG_TYPE),
        ([None], Code.MISSING_FIELD), (["a.png", ""], Code.MISSING_FIELD),
        ([{"bytes": None, "path": None}], Code.MISSING_FIELD), ("['a.png']", Code.WRONG_TYPE),
        ([{"bytes": b"", "path": None}], Code.MISSING_FIELD),
        ({"a.png"}, Code.WRONG_TYPE), ({"bytes": "iVBORw0KGgo=", "path": None}, Code.WRONG_TYPE),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_medium_is_rejected(cell, code):
    with pytest.raises(RowError, match="images: ") as caught:
        list_media(cell, "image")
    assert caught.value.code == code


def test_media_next_to_a_content_count_too():
    message = {"role": "user", "content": "a", "images": ["a.png", "b.png"], "audio": "c.wav"}
    assert [(medium.kind, medium.value) for medium in iter_media([message])] == [
        ("image", "a.png"),
        ("image", "b.png"),
        ("audio", "c.wav"),
    ]
