"""Law 22, for media: every image, video and sound of a row is in the result, in order, or the row is rejected."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import few

from preftemplates import MediaColumns, Message, Preference, Supervised, Template, get_dialect, get_template, messages
from preftemplates.core.media import MEDIA_COLUMNS, iter_media, read_medium
from preftemplates.data.convert import Conversion
from preftemplates.dialects import dialect as dialect_module
from preftemplates.dialects import media as media_module
from preftemplates.dialects import shape_filler
from preftemplates.errors import Code, RowError
from preftemplates.templates.filters import media as filters

DIALECTS = [
    "trl", "trl-implicit", "ms-swift", "llama-factory", "llama-factory-alpaca", "openai", "align-anything-messages",
    "align-anything", "axolotl", "nemo-rl", "openrlhf", "reward-bench", "sharegpt", "text", "torchtune",
]  # fmt: skip
READERS = {
    ("trl", "preference"): "TRL-messages",
    ("trl", "supervised"): "TRL-messages",
    ("trl-implicit", "preference"): "TRL-implicit-messages",
    ("trl-implicit", "supervised"): "Messages",
    ("ms-swift", "preference"): "ms-swift-pairs",
    ("ms-swift", "supervised"): "Messages",
    ("llama-factory", "preference"): "LLaMA-Factory-sharegpt-ranking",
    ("llama-factory", "supervised"): "ShareGPT",
    ("llama-factory-alpaca", "preference"): "LLaMA-Factory-alpaca",
    ("llama-factory-alpaca", "supervised"): "LLaMA-Factory-alpaca",
    ("openai", "preference"): "OpenAI-preference",
    ("openai", "supervised"): "Messages",
    ("align-anything-messages", "preference"): "align-anything-messages",
    ("align-anything-messages", "supervised"): "align-anything-messages",
}
"""The bundled templates that read what a dialect writes."""

REASONS = {Code.UNSUPPORTED_CONTENT, Code.MEDIA_MISMATCH, Code.BAD_TURNS}
WORDS = st.sampled_from(["Which?", " a\n", "<image> is a tag", "<video>", "</image>", "< image >"])


class Shown(Template):
    """Messages whose media are in typed parts or in columns."""

    class Row(MediaColumns):
        prompt: list[Message]
        chosen: list[Message]
        rejected: list[Message]

    preference = Preference(
        prompt=messages("{{ prompt | show_media(images, videos, audios) }}"),
        chosen=messages("{{ chosen }}"),
        rejected=messages("{{ rejected }}"),
    )
    supervised = Supervised(
        prompt=messages("{{ prompt | show_media(images, videos, audios) }}"), completion=messages("{{ chosen }}")
    )


@st.composite
def contents(draw, numbers, kinds, where):
    """Typed parts, or a text: what shows media has a place for each, or holds it."""
    parts = []
    for kind in draw(st.lists(st.none() | st.sampled_from(kinds), max_size=3)):
        if kind is None:
            parts.append({"type": "text", "text": draw(WORDS)})
            continue
        name = f"https://x/{kind}-{next(numbers)}.png"
        parts.append({"type": kind} if where is not None else {"type": kind, kind: name})
        if where is not None:
            where[MEDIA_COLUMNS[kind]].append(name)
    return parts or draw(WORDS)


@st.composite
def rows(draw):
    """A row with media in columns or in parts of the prompt, and with none, or with some in parts of its answers."""
    numbers = iter(range(100))
    kinds = draw(st.sampled_from([["image"], ["image", "video", "audio"]]))
    columns = {column: [] for column in MEDIA_COLUMNS.values()} if draw(st.booleans()) else None
    asked = [{"role": "user", "content": draw(contents(numbers, kinds, columns))}]
    if draw(st.booleans()):
        asked += [
            {"role": "assistant", "content": "And?"},
            {"role": "user", "content": draw(contents(numbers, kinds, columns))},
        ]
    answers = [[{"role": "assistant", "content": "Dill."}], [{"role": "assistant", "content": "Mint."}]]
    if draw(st.booleans()):
        answers = [[{"role": "assistant", "content": draw(contents(numbers, kinds, None))}] for _ in answers]
    if draw(st.booleans()):
        answers[1][0] = {"role": "assistant", "content": answers[0][0]["content"]}
    given_columns = {column: media for column, media in (columns or {}).items() if media or draw(st.booleans())}
    return {"prompt": asked, "chosen": answers[0], "rejected": answers[1], **given_columns}


def names_in(value):
    """The media that JSON-like data names, in order."""
    if isinstance(value, str):
        return [value] if value.startswith("https://x/") else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for item in items for name in names_in(item)]


def list_conversations(row, format):
    """For each conversation of a row the names of its media by kind, in order."""
    filled = {column: iter(row.get(column, ())) for column in MEDIA_COLUMNS.values()}
    asked = [
        (medium.kind, medium.value or next(filled[MEDIA_COLUMNS[medium.kind]])) for medium in iter_media(row["prompt"])
    ]
    answers = [row["chosen"]] if format == "supervised" else [row["chosen"], row["rejected"]]
    return [asked + [(medium.kind, medium.value) for medium in iter_media(answer)] for answer in answers]


def no_medium_vanishes(row, dialect, format):
    """The law, for a row in a dialect: whether it came through."""
    conversion = Conversion([row], Shown().with_dialect(dialect), format, on_error="skip")
    results = list(conversion)
    report = conversion.report
    assert report.rows == report.formatted + len(report.skipped) + len(report.rejected) == 1
    if not results:
        codes = {issue.code for issue in report.rejected}
        assert codes <= REASONS, codes
        return False
    (result,) = json.loads(json.dumps(results))
    wanted = list_conversations(row, format)
    own = Shown().extract(row, format)
    shown = [[*iter_media(own.prompt), *iter_media(answer)] for answer in own.responses.values()]
    assert [[(medium.kind, medium.value) for medium in media] for media in shown] == wanted, "in another order"
    found = Counter(names_in(result))
    for conversation in wanted:
        for kind in MEDIA_COLUMNS:
            names = [name for one, name in conversation if one == kind]
            assert not Counter(names) - found, f"{set(names) - set(found)} lost in {dialect}"
    reader = READERS.get((dialect, format))
    if reader is not None:
        read = get_template(reader).extract(result, format)
        assert [spell(own.prompt)] == [spell(read.prompt)], "the prompt is read back otherwise"
        assert [*map(spell, own.responses.values())] == [*map(spell, read.responses.values())]
    return True


def spell(conversation):
    """Messages as texts and media: a text is a part, and adjacent texts are one."""
    spelled = []
    for message in conversation:
        parts = message["content"]
        parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
        joined = []
        for part in parts:
            medium = read_medium(part)
            if part["type"] == "text" and joined and joined[-1][0] == "text":
                joined[-1] = ("text", joined[-1][1] + part["text"])
            else:
                joined.append((part["type"], part[part["type"]]) if medium is None else (medium.kind, medium.value))
        spelled.append((message["role"], joined))
    return spelled


@pytest.mark.parametrize("format", ["preference", "supervised"])
@pytest.mark.parametrize("dialect", DIALECTS)
@few(25)
@given(rows())
def test_no_medium_vanishes(dialect, format, row):
    if format in get_dialect(dialect).formats:
        no_medium_vanishes(row, dialect, format)


@pytest.mark.parametrize("dialect", DIALECTS[:7])
def test_a_row_with_an_image_comes_through_where_there_is_a_key(dialect):
    image = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which?"}]}
    row = {**ANSWERS, "prompt": [image], "images": ["https://x/image-0.png"]}
    assert no_medium_vanishes(row, dialect, "preference")


# --- planted faults ------------------------------------------------------------------------------------------------

ANSWERS = {
    "chosen": [{"role": "assistant", "content": "Dill."}],
    "rejected": [{"role": "assistant", "content": "Mint."}],
}
TWO = {
    **ANSWERS,
    "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "or"}, {"type": "image"}]}],
    "images": ["https://x/image-0.png", "https://x/image-1.png"],
}
IN_ANSWERS = {
    "prompt": [{"role": "user", "content": "Draw it."}],
    "chosen": [{"role": "assistant", "content": [{"type": "image", "image": "https://x/image-0.png"}]}],
    "rejected": [{"role": "assistant", "content": [{"type": "image", "image": "https://x/image-1.png"}]}],
}
TYPED = {
    **ANSWERS,
    "prompt": [
        {
            "role": "user",
            "content": [{"type": "image", "image": "https://x/image-0.png"}, {"type": "text", "text": "<image>"}],
        }
    ],
}
REAL_MEDIA, REAL_SPELL = filters.list_media, media_module.spell_media


def lose_the_last(cell, kind):
    return REAL_MEDIA(cell, kind)[:-1]


def turn_round(cell, kind):
    return sorted(REAL_MEDIA(cell, kind), reverse=True)


def never_check(*_):
    pass


def never_mind(text):
    return text


def spell_at_the_end(message, spelling, *, as_text):
    spelled = REAL_SPELL(message, spelling, as_text=as_text)
    content = spelled.get("content")
    marks = content.count("<image>") if isinstance(content, str) else 0
    return {**spelled, "content": content.replace("<image>", "") + "<image>" * marks} if marks else spelled


PLANTS = {
    "a medium is lost": (filters, "list_media", lose_the_last, TWO, "trl"),
    "media are turned round": (filters, "list_media", turn_round, TWO, "ms-swift"),
    "media without a key pass": (dialect_module, "check_media_are_kept", never_check, IN_ANSWERS, "trl"),
    "answers share one list": (dialect_module, "check_media_are_kept", never_check, IN_ANSWERS, "llama-factory"),
    "marks stand elsewhere": (shape_filler, "spell_media", spell_at_the_end, TWO, "llama-factory"),
    "a typed mark is a place": (media_module, "_check_unmarked", never_mind, TYPED, "ms-swift"),
}


@pytest.mark.parametrize("name", PLANTS)
def test_planted_faults_are_found(name, monkeypatch):
    module, function, fault, row, dialect = PLANTS[name]
    through = no_medium_vanishes(row, dialect, "preference")
    monkeypatch.setattr(module, function, fault)
    try:
        assert no_medium_vanishes(row, dialect, "preference") == through
    except (AssertionError, RowError):
        return
    pytest.fail(f"{name}, and nobody saw it")


def test_the_law_knows_what_a_row_shows():
    assert list_conversations(TWO, "supervised") == [[("image", name) for name in TWO["images"]]]
