"""align-anything: labels count from 1, and image, sound and film come through as they are in the row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.errors import Code, RowError

QUESTION, LABEL = "question", "overall_response"
MEDIA = {
    "AA-TI2T": (QUESTION, "image", "image", LABEL),
    "AA-TA2T": ("prompt", "audio_path", "audio", LABEL),
    "AA-TV2T": ("prompt", "video_path", "video", LABEL),
    "SafeRLHF-V": (QUESTION, "image", "image", "more_helpful_response_id"),
}
KEYS = {"AA-TI2T": "images", "AA-TA2T": "audios", "AA-TV2T": "video", "SafeRLHF-V": "images"}
"""The key of the media in the default dialect."""

LABELS = {"AA-T2T": LABEL, **{name: columns[-1] for name, columns in MEDIA.items()}}
media = (
    texts().filter(bool)
    | st.binary(min_size=1, max_size=20)
    | st.fixed_dictionaries({"bytes": st.binary(min_size=1, max_size=20), "path": st.none() | texts()})
    | st.fixed_dictionaries({"array": st.lists(st.floats(-1, 1)), "sampling_rate": st.integers(1)})
)


@pytest.mark.parametrize("name", LABELS)
@given(one=texts(), other=texts(), better=st.integers(1, 2))
def test_the_label_counts_from_1(name, one, other, better):
    template = get_template(name)
    row = {**template.example, "response_1": one, "response_2": other, LABELS[name]: better}
    sample = template.extract(row, "preference")
    answers = [sample.chosen[0]["content"], sample.rejected[0]["content"]]
    assert answers == ([one, other] if better == 1 else [other, one])


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("label", [0, 3, -1, True, "1"])
def test_another_label_says_nothing_and_the_row_is_refused(name, label):
    template = get_template(name)
    with pytest.raises(RowError) as caught:
        template.extract({**template.example, LABELS[name]: label}, "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, LABELS[name])


@pytest.mark.parametrize("name", MEDIA)
@pytest.mark.parametrize("thing", [True, 0, 1.5, float("inf")])
def test_a_number_is_no_medium(name, thing):
    template = get_template(name)
    with pytest.raises(RowError) as caught:
        template.extract({**template.example, MEDIA[name][1]: thing}, "preference")
    assert caught.value.code == Code.WRONG_TYPE


@pytest.mark.parametrize("name", MEDIA)
@given(question=texts(), thing=media)
def test_a_medium_is_a_typed_part_before_the_question_and_is_the_same_in_messages(name, question, thing):
    text_column, media_column, kind, _ = MEDIA[name]
    template = get_template(name)
    row = {**template.example, text_column: question, media_column: thing}
    wanted = [
        {"role": "user", "content": [{"type": kind, kind: thing}, {"type": "text", "text": question}]},
    ]
    assert template.extract(row, "preference").prompt == wanted
    for format in ("prompt_only", "preference"):
        result = template.format(row, format)
        asked = result.get("prompt") or result.get("conversation") or result["better_conversation"][:1]
        assert asked == [{"role": "user", "content": [{"type": kind}, {"type": "text", "text": question}]}]
        found = result[KEYS[name]]
        assert repr(found) == repr([thing] if KEYS[name].endswith("s") else thing)


@pytest.mark.parametrize("name", MEDIA)
def test_an_object_that_is_no_data_is_not_copied(name):
    class Picture:
        size = (2, 2)

    picture, template = Picture(), get_template(name)
    _, media_column, kind, _ = MEDIA[name]
    row = {**template.example, media_column: picture}
    assert template.extract(row, "preference").prompt[0]["content"][0][kind] is picture
    found = template.format(row, "preference")[KEYS[name]]
    assert (found[0] if KEYS[name].endswith("s") else found) is picture


@pytest.mark.parametrize("name", MEDIA)
def test_a_style_of_text_refuses_a_typed_part_and_never_leaves_it_out(name):
    template = get_template(name).with_dialect("text")
    for format in ("prompt_only", "preference"):
        with pytest.raises(RowError) as caught:
            template.format(template.example, format)
        assert caught.value.code == Code.UNSUPPORTED_CONTENT


@pytest.mark.parametrize("name", MEDIA)
def test_a_question_about_nothing_is_refused(name):
    template = get_template(name)
    media_column = MEDIA[name][1]
    with pytest.raises(RowError) as caught:
        template.extract({**template.example, media_column: None}, "preference")
    assert caught.value.code == Code.MISSING_FIELD
    absent = {column: cell for column, cell in template.example.items() if column != media_column}
    with pytest.raises(RowError) as caught:
        template.extract(absent, "preference")
    assert (caught.value.code, caught.value.column) == (Code.MISSING_FIELD, media_column)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("<video>\nWho sings?", "Who sings?"),
        ("Who sings?\n<video>", "Who sings?"),
        ("Who <video>sings?", "Who sings?"),
        (" Who sings?\n", " Who sings?\n"),
        ("<Video> Who sings?", "<Video> Who sings?"),
    ],
)
def test_a_mark_for_the_film_is_left_out_and_a_question_without_one_is_not_touched(prompt, text):
    template = get_template("AA-TV2T")
    content = template.extract({**template.example, "prompt": prompt}, "prompt_only").prompt[0]["content"]
    assert content[1] == {"type": "text", "text": text}


@given(texts())
def test_a_question_without_a_medium_is_text(question):
    template = get_template("AA-T2T")
    sample = template.extract({**template.example, "question": question}, "prompt_only")
    assert sample.prompt == [{"role": "user", "content": question}]
