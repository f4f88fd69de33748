"""Media in dialects: what a result holds of them, and what is rejected."""

import pytest

from preftemplates import (
    Dialect,
    MediaColumns,
    Message,
    Preference,
    PromptOnly,
    Ranked,
    RowModel,
    Template,
    check,
    get_template,
    messages,
)
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, DefinitionError, RowError

IMAGE = {"type": "image", "image": "a.png"}
ANSWER = [{"role": "assistant", "content": "Dill."}]


def declare_dialect(**attributes):
    return type("Mine", (Dialect,), attributes)()


class Plain(Template):
    """Messages as they are."""

    class Row(RowModel):
        prompt: list[Message]
        chosen: list[Message]
        rejected: list[Message]

    preference = Preference(
        prompt=messages("{{ prompt }}"), chosen=messages("{{ chosen }}"), rejected=messages("{{ rejected }}")
    )
    prompt_only = PromptOnly(prompt=messages("{{ prompt }}"))


def user(*content):
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def format_row(dialect, prompt, chosen=ANSWER, rejected=({"role": "assistant", "content": "Mint."},)):
    row = {"prompt": list(prompt), "chosen": list(chosen), "rejected": list(rejected)}
    return Plain().with_dialect(dialect).format(row, "preference")


def reject(dialect, *row):
    with pytest.raises(RowError) as caught:
        format_row(dialect, *row)
    return caught.value.code, caught.value.reason


def test_other_keys_of_a_part_stay_in_a_placeholder():
    result = format_row("trl", [user({**IMAGE, "max_pixels": 9})])
    assert result["prompt"] == [user({"type": "image", "max_pixels": 9})]
    assert result["images"] == ["a.png"]


def test_a_mark_has_no_place_for_other_keys():
    code, reason = reject("ms-swift", [user({**IMAGE, "max_pixels": 9})])
    assert (code, reason) == (
        Code.UNSUPPORTED_CONTENT,
        "the dialect does not support a part with more than a text or a medium: max_pixels",
    )


@pytest.mark.parametrize("dialect", ["ms-swift", "llama-factory", "llama-factory-alpaca"])
@pytest.mark.parametrize("mark", ["<image>", "<video>", "<audio>"])
def test_a_typed_mark_is_rejected_next_to_media_and_is_text_without(dialect, mark):
    code, reason = reject(dialect, [user(IMAGE, {"type": "text", "text": f"{mark} is a tag"})])
    assert code == Code.UNSUPPORTED_CONTENT
    assert mark in reason
    assert f"{mark} is a tag" in repr(format_row(dialect, [user(f"{mark} is a tag")]))


@pytest.mark.parametrize(
    ("dialect", "part"),
    [("trl", {"type": "video", "video": "a.mp4"}), ("trl", {"type": "audio", "audio": "a.wav"}),
     ("trl", {"type": "image", "base64": "AA=="}), ("openai", {"type": "video", "video": "https://x/a.mp4"}),
     ("openai", {"type": "image", "image": "a.png"}), ("openai", {"type": "image", "image": {"bytes": b"GIF8"}}),
     ("align-anything", IMAGE), ("text", IMAGE), ("nemo-rl", IMAGE)],
    ids=str,
)  # fmt: skip
def test_media_without_a_key_are_rejected(dialect, part):
    assert reject(dialect, [user(part)])[0] == Code.UNSUPPORTED_CONTENT


@pytest.mark.parametrize("dialect", ["trl", "ms-swift", "llama-factory", "openrlhf"])
def test_a_place_without_a_medium_is_a_mismatch(dialect):
    code, reason = reject(dialect, [user({"type": "image"})])
    assert (code, reason) == (
        Code.MEDIA_MISMATCH,
        "prompt has a place for image data, but no column fills it",
    )


def test_media_next_to_a_content_are_rejected_where_a_key_holds_media():
    asked = [{"role": "user", "content": "Which?", "images": ["a.png"]}]
    assert reject("trl", asked)[0] == reject("ms-swift", asked)[0] == Code.UNSUPPORTED_CONTENT
    assert format_row("openrlhf", asked)["chosen"][0] == asked[0]


def test_trl_reads_no_media_in_the_result_of_a_tool():
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    talk = [user("Look."), call, {"role": "tool", "content": [IMAGE]}]
    assert reject("trl", talk) == (
        Code.UNSUPPORTED_CONTENT,
        "the dialect does not support media in the result of a tool",
    )


def test_trl_reads_tools_or_images_of_a_row():
    template = get_template("TRL-tools")
    row = {**template.example, "images": ["a.png"]}
    with pytest.raises(RowError, match="the dialect's framework reads images or tools from a file, not both"):
        template.format(row, "preference")
    assert template.with_dialect("ms-swift").format(row, "preference")["images"] == ["a.png"]
    with pytest.raises(RowError, match="not both"):
        template.with_parts(["images"]).format(template.example, "preference")


def test_the_single_answers_of_kto_have_no_media_where_the_framework_gives_them_to_other_prompts():
    row = {"prompt": [user("Draw it.")], "completion": [{"role": "assistant", "content": [IMAGE]}], "label": True}
    for dialect in ("llama-factory", "ms-swift"):
        with pytest.raises(RowError, match="no key for the images of completion"):
            get_template("TRL-unpaired-messages").with_dialect(dialect).format(row, "unpaired")


@pytest.mark.parametrize("dialect", ["llama-factory", "llama-factory-alpaca", "ms-swift"])
def test_a_system_message_has_no_place_for_media(dialect):
    code, _ = reject(dialect, [{"role": "system", "content": [IMAGE]}, user("Hi")])
    assert code == Code.UNSUPPORTED_CONTENT


@pytest.mark.parametrize("dialect", ["trl", "trl-implicit", "llama-factory", "align-anything-messages"])
def test_answers_with_other_images_are_rejected_where_a_row_has_one_list(dialect):
    sides = [[{"role": "assistant", "content": [{"type": "image", "image": name}]}] for name in ("a.png", "b.png")]
    assert reject(dialect, [user("Draw it.")], *sides)[0] == Code.UNSUPPORTED_CONTENT


def test_answers_with_the_same_image_share_one_list():
    sides = [
        [{"role": "assistant", "content": [IMAGE, {"type": "text", "text": text}]}] for text in ("like this", "so")
    ]
    result = format_row("llama-factory", [user("Draw it.")], *sides)
    assert (result["chosen"]["value"], result["rejected"]["value"]) == ("<image>like this", "<image>so")
    assert result["images"] == ["a.png"]
    assert reject("llama-factory", [user("Draw it.")], sides[0], ANSWER)[0] == Code.UNSUPPORTED_CONTENT


def test_bytes_become_a_data_url_of_the_same_bytes_and_a_detail_stays():
    png = b"\x89PNG\r\n\x1a\nrest"
    file = {"bytes": png, "path": None}
    parts = format_row("openai", [user({"type": "image", "image": file, "detail": "low"})])["input"]["messages"][0]
    url = "data:image/png;base64,iVBORw0KGgpyZXN0"
    assert parts["content"] == [{"type": "image_url", "image_url": {"url": url, "detail": "low"}}]


def test_one_image_is_a_value_of_its_own():
    mine = declare_dialect(prompt_only={"talk": "prompt.messages", "image": "prompt.image?"}, media="parts")
    template = Plain().with_dialect(mine)
    assert template.format({"prompt": [user(IMAGE)]}, "prompt_only")["image"] == "a.png"
    with pytest.raises(RowError, match="a key for only one image, got 2"):
        template.format({"prompt": [user(IMAGE, IMAGE)]}, "prompt_only")
    assert "image" not in template.format({"prompt": [user("Hi")]}, "prompt_only")


def test_the_declaration_of_media_is_checked():
    with pytest.raises(DefinitionError, match="media: expected inline or parts or marks, got 'words'"):
        declare_dialect(prompt_only={"talk": "prompt.messages"}, media="words")
    with pytest.raises(DefinitionError, match="there is no view 'image_list'"):
        declare_dialect(prompt_only={"images": "prompt.image_list"})
    with pytest.raises(DefinitionError, match=r"'answer\.images'"):
        declare_dialect(prompt_only={"images": "answer.images"})
    with pytest.raises(
        DefinitionError, match=r"its samples have no part 'pictures'; they may have images, videos, audios, tools"
    ):
        Plain().with_parts(["pictures"])


def test_texts_of_several_parts_are_one_text_where_contents_are_texts():
    asked = [user({"type": "text", "text": "a"}, {"type": "text", "text": "b"})]
    assert format_row("llama-factory", asked)["conversations"] == [{"from": "human", "value": "ab"}]


def test_a_sample_of_several_responses_has_the_images_of_its_prompt():
    row = {"prompt": [user({"type": "image"})], "completions": ["a", "b"], "ranks": [0, 1], "images": ["a.png"]}

    class Ranks(Template):
        class Row(MediaColumns):
            prompt: list[Message]
            completions: list[str]
            ranks: list[float]

        ranked = Ranked(
            prompt=messages("{{ prompt | show_media(images) }}"), completions="{{ completions }}", ranks="{{ ranks }}"
        )

    result = Ranks().with_dialect("trl").format(row, "ranked")
    assert (result["images"], result["prompt"]) == (["a.png"], [user({"type": "image"})])


@pytest.mark.parametrize("value", ["", 0, False, [], {}, {"bytes": None, "path": None}, ["a.png", "b.png"]], ids=str)
@pytest.mark.parametrize("dialect", ["trl", "ms-swift", "openrlhf"])
def test_what_is_no_medium_is_rejected_in_a_part_too(value, dialect):
    code, _ = reject(dialect, [user({"type": "image", "image": value})])
    assert code in (Code.MISSING_FIELD, Code.WRONG_TYPE, Code.MEDIA_MISMATCH)


def test_the_place_that_is_not_empty_counts_and_a_second_medium_is_rejected():
    result = format_row("trl", [user({"type": "image", "image": "", "url": "a.png"})])
    assert (result["images"], result["prompt"]) == (["a.png"], [user({"type": "image"})])
    code, reason = reject("trl", [user({"type": "image", "bytes": b"1", "image": "a.png"})])
    assert (code, reason) == (
        Code.UNSUPPORTED_CONTENT,
        "the dialect does not support two media in one part; the other one is in 'image'",
    )


@pytest.mark.parametrize(
    "part",
    [{"type": "text", "text": "q", "image": "a.png"}, {"type": "document", "document": "a.pdf"},
     {"type": "Image", "image": "a.png"}, {"type": "image_file", "file_id": "f"}, {"type": "img", "img": "a.png"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["trl", "ms-swift", "llama-factory", "align-anything-messages"])
def test_a_part_that_nobody_knows_is_rejected_where_keys_hold_media(part, dialect):
    assert reject(dialect, [user(part)])[0] == Code.UNSUPPORTED_CONTENT


@pytest.mark.parametrize("key", ["image", "images", "video", "audio"])
def test_media_under_any_key_of_a_message_are_rejected(key):
    assert reject("trl", [{"role": "user", "content": "Q", key: "a.png"}])[0] == Code.UNSUPPORTED_CONTENT


def test_a_mark_in_the_arguments_of_a_call_is_rejected_next_to_media():
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "f", "arguments": {"h": "<image>"}}}],
    }
    talk = [user(IMAGE), call, {"role": "tool", "content": "done"}]
    code, reason = reject("ms-swift", talk)
    assert (code, "'<image>'" in reason) == (Code.UNSUPPORTED_CONTENT, True)


def test_arrays_are_compared_as_a_whole():
    numpy = pytest.importorskip("numpy")
    pictures = [numpy.zeros((2, 2, 3), "uint8"), numpy.zeros((2, 2, 3), "uint8"), numpy.ones((2, 2, 3), "uint8")]
    sides = [[{"role": "assistant", "content": [{"type": "image", "image": one}]}] for one in pictures]
    assert format_row("llama-factory", [user("Draw.")], sides[0], sides[1])["images"][0] is pictures[0]
    assert reject("llama-factory", [user("Draw.")], sides[0], sides[2])[0] == Code.UNSUPPORTED_CONTENT
    rows = [{"prompt": [user("Draw.")], "chosen": sides[0], "rejected": side} for side in (sides[1], sides[2])]
    conversion = Conversion(rows, Plain().with_dialect("ms-swift"), "preference", on_error="skip")
    assert len(list(conversion)) == 1
    assert conversion.report.counts()["skipped"] == {"equal": 1}
    template = get_template("TRL").with_dialect("trl")
    row = {"prompt": "q", "chosen": "a", "rejected": "b", "images": pictures[:1]}
    assert template.format(row, "preference")["images"][0] is pictures[0]
    report = check([{**row, "images": [one]} for one in pictures], template)
    assert [one.row for finding in report.findings if finding.code == Code.DUPLICATE for one in finding.examples] == [
        1
    ]


RANKED = {"conversations": [{"from": "human", "value": "q"}], "images": ["1.png"]}


@pytest.mark.parametrize(("chosen", "rejected"), [("no", "Use <image>."), ("Use <image>.", "no")])
def test_one_list_of_two_answers_has_one_place_in_both(chosen, rejected):
    template = get_template("LLaMA-Factory-sharegpt-ranking").with_dialect("ms-swift")
    row = {**RANKED, "chosen": {"from": "gpt", "value": chosen}, "rejected": {"from": "gpt", "value": rejected}}
    with pytest.raises(RowError) as caught:
        template.format(row, "preference")
    assert caught.value.code == Code.PROMPT_MISMATCH


def test_typed_text_of_a_film_stays():
    template = get_template("AA-TV2T")
    row = {**template.example, "prompt": "<video>\nWhat does the <video> tag do?"}
    assert template.extract(row, "preference").prompt[0]["content"][1]["text"] == "What does the <video> tag do?"
