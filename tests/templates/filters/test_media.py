"""The filter that puts media where messages show them."""

import pytest

from preftemplates import MediaColumns, Message, Preference, PromptOnly, Template, messages
from preftemplates.core.provenance import Traced
from preftemplates.errors import Code, RowError
from preftemplates.templates.filters.media import show_media

IMAGE, TEXT = {"type": "image"}, {"type": "text", "text": "Which?"}


def user(*content):
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def spell(shown):
    """Messages with a letter for each part: the names of media, and texts in quotes."""
    parts = [(one["role"][0], part) for one in shown for part in parts_of(one["content"])]
    return " ".join(f"{role}:{part.get('text')!r}" if "text" in part else part[part["type"]] for role, part in parts)


def parts_of(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@pytest.mark.parametrize(
    ("talk", "columns", "shown"),
    [
        ([user(IMAGE, TEXT, IMAGE)], {"images": ["a", "b"]}, "a u:'Which?' b"),
        ([user("<image>Which <image>?")], {"images": ["a", "b"]}, "a u:'Which ' b u:'?'"),
        ([user("Which?")], {"images": ["a", "b"]}, "a b u:'Which?'"),
        ([user("Which?")], {"image": "a"}, "a u:'Which?'"),
        ([user("Which?")], {"images": ["a"], "image": "a"}, "a u:'Which?'"),
        ([user("")], {"images": ["a"]}, "a"),
        ([user("<image>")], {"images": ["a"]}, "a"),
        ([user(" <image>\n")], {"images": ["a"]}, "u:' ' a u:'\\n'"),
        ([user("A"), user(IMAGE, TEXT)], {"images": ["a"]}, "u:'A' a u:'Which?'"),
        ([user("<audio><image>"), user("<video>")], {"images": "a", "videos": "b", "audios": "c"}, "c a b"),
        ([user("<image>"), user(TEXT)], {"audios": ["c"]}, "c u:'<image>' u:'Which?'"),
        ([user({"type": "text", "text": "<image>"}, IMAGE)], {"images": ["a"]}, "u:'<image>' a"),
        ([user({"type": "text", "text": "<video>"}, IMAGE)], {"images": ["a"], "videos": ["b"]}, "b a"),
        ([{"role": "system", "content": "S"}, user("Q")], {"images": ["a"]}, "s:'S' a u:'Q'"),
        ([user("Q"), {"role": "assistant", "content": "<image>"}], {"images": ["a"]}, "u:'Q' a"),
        ([user("<image>"), {"role": "assistant", "content": "<image>"}], {"images": ["a"]}, "a a:'<image>'"),
        ([user("<image>"), {"role": "assistant", "content": "<image>"}], {"images": ["a", "b"]}, "a b"),
        ([{"role": "system", "content": "Use <image>."}, user("Q")], {"images": ["a"]}, "s:'Use <image>.' a u:'Q'"),
        ([user({"type": "image_url"})], {"images": ["a"]}, "a"),
        ([user("<image>")], {}, "u:'<image>'"),
        ([user("<image>")], {"images": [], "audios": None}, "u:'<image>'"),
    ],
    ids=str,
)
def test_media_fill_the_places_in_order(talk, columns, shown):
    assert spell(show_media(talk, **columns)) == shown


def test_a_medium_in_a_part_leaves_the_marks_of_its_kind_alone():
    talk = [user({"type": "image", "image": "a"}, {"type": "text", "text": "<image>"})]
    with pytest.raises(RowError, match="images: the row has 1, but its messages have 0 places"):
        show_media(talk, images=["b"])


@pytest.mark.parametrize(
    ("talk", "columns"),
    [
        ([user(IMAGE)], {"images": ["a", "b"]}), ([user(IMAGE, IMAGE)], {"images": ["a"]}),
        ([user("<image><image>")], {"images": ["a"]}), ([user("<image>")], {"images": ["a", "b"]}),
        ([{"role": "assistant", "content": "a"}], {"images": ["a"]}), ([], {"images": ["a"]}),
        ([user("a")], {"images": ["a"], "image": "b"}),
        ([user("<image>"), {"role": "assistant", "content": "<image>"}], {"images": ["a", "b", "c"]}),
    ],
    ids=str,
)  # fmt: skip
def test_more_or_fewer_media_than_places_are_a_mismatch(talk, columns):
    with pytest.raises(RowError) as caught:
        show_media(talk, **columns)
    assert caught.value.code == Code.MEDIA_MISMATCH


def test_the_messages_of_the_row_are_never_written_to():
    talk = [user(IMAGE, TEXT), user("<video>")]
    before = repr(talk)
    show_media(talk, images=["a"], videos=["b"])
    assert repr(talk) == before


class Shown(Template):
    class Row(MediaColumns):
        talk: list[Message]
        question: str

    prompt_only = PromptOnly(prompt=messages("{{ talk | show_media(images) }}"))
    preference = Preference(prompt="{{ question | show_media(audios=audios) }}", chosen="{{ question }}", rejected="a")


def test_texts_between_marks_know_where_in_the_cell_they_were():
    sample = Shown().extract({"talk": [user("Is <image> ripe?")], "images": ["a"]}, "prompt_only")
    first, image, last = sample.prompt[0]["content"]
    assert (first["text"], image["image"], last["text"]) == ("Is ", "a", " ripe?")
    template = Shown().with_style("chatml")
    traced = template._extract({"talk": [user("Is <image> ripe?")], "images": ["a"]}, "prompt_only", traced=True)
    last = traced.only().prompt[0]["content"][2]["text"]
    assert isinstance(last, Traced)
    assert [(piece.origin, piece.offset) for piece in last.pieces] == [("talk[0].content", 10)]


@pytest.mark.parametrize(
    ("columns", "kinds"),
    [(["talk"], ()), (["images", "talk"], ("images",)), (["audios"], ("audios",)), (["videos"], ())],
    ids=str,
)
def test_a_template_knows_which_columns_of_a_table_are_media(columns, kinds):
    assert Shown().with_columns(columns).parts.keyed == kinds


def test_a_result_has_a_key_for_the_media_of_a_table_in_every_row():
    template = Shown().with_dialect("trl").with_columns(["talk", "images"])
    row = {"talk": [user("Hi")], "question": "Hi"}
    assert template.format(row, "prompt_only") == {"prompt": [user({"type": "text", "text": "Hi"})], "images": []}
    assert Shown().with_dialect("trl").format(row, "prompt_only") == {"prompt": [user("Hi")]}


def test_a_path_is_plain_text_that_can_be_opened():
    rows = ({"talk": [user(IMAGE)], "images": ["a"]}, {"talk": [user({"type": "image", "image": "a"})]})
    for row in rows:
        sample = Shown()._extract(row, "prompt_only", traced=True).only()
        assert type(sample.prompt[0]["content"][0]["image"]) is str
