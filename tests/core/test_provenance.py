"""Traced text is a str to everybody, and knows for each character which cell it came from."""

import copy
import inspect
import json
import pickle
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import NASTY, at_least, texts

from preftemplates import Preference, RowModel, Template, get_style, get_template
from preftemplates.core.provenance import Traced, concat, join, pieces_of, plain, plain_data, trace_texts

# Each operation gets a text, another text, and two numbers. What it does to a str, it must do to a traced text.
CUTS = {
    "slice": lambda text, _other, i, j: text[i:j],
    "slice from": lambda text, _other, i, *_: text[i:],
    "index": lambda text, _other, i, *_: text[i],
    "iterate": lambda text, *_: list(text),
    "strip": lambda text, *_: text.strip(),
    "lstrip": lambda text, *_: text.lstrip(),
    "rstrip": lambda text, *_: text.rstrip(),
    "strip chars": lambda text, other, *_: text.strip(other),
    "lstrip chars": lambda text, other, *_: text.lstrip(other),
    "rstrip chars": lambda text, other, *_: text.rstrip(other),
    "split": lambda text, *_: text.split(),
    "split at most": lambda text, _other, i, *_: text.split(None, i),
    "split by": lambda text, other, *_: text.split(other),
    "split by at most": lambda text, other, i, *_: text.split(sep=other, maxsplit=i),
    "rsplit": lambda text, *_: text.rsplit(),
    "rsplit at most": lambda text, _other, i, *_: text.rsplit(None, i),
    "rsplit by": lambda text, other, *_: text.rsplit(other),
    "rsplit by at most": lambda text, other, i, *_: text.rsplit(sep=other, maxsplit=i),
    "splitlines": lambda text, *_: text.splitlines(),
    "splitlines kept": lambda text, *_: text.splitlines(keepends=True),
    "partition": lambda text, other, *_: text.partition(other),
    "rpartition": lambda text, other, *_: text.rpartition(other),
    "removeprefix": lambda text, other, *_: text.removeprefix(other),
    "removesuffix": lambda text, other, *_: text.removesuffix(other),
}
JOINS = {
    "add": lambda text, other, *_: text + other,
    "add before": lambda text, other, *_: other + text,
    "replace by": lambda text, other, i, *_: text.replace(text[1:2] or "x", other, i),
    "remove": lambda text, other, *_: text.replace(other or "x", ""),
    "join": lambda text, other, *_: text.join([other, other]),
}
REWRITES = {
    "upper": lambda text, *_: text.upper(),
    "title": lambda text, *_: text.title(),
    "backwards": lambda text, *_: text[::-1],
    "every other": lambda text, _other, i, j: text[i:j:2],
    "replace nothing": lambda text, other, *_: text.replace("", other),
    "translate": lambda text, *_: text.translate({97: "bb"}),
}

BLANKS = "".join(char for char in map(chr, range(0x3001)) if char.isspace())
DISTINCT = [
    BLANKS[:7] + "abcdefgh" + BLANKS[7:11],
    BLANKS[11:17] + "ijklmnop" + BLANKS[17:20],
    "".join(unicodedata.lookup(f"GREEK SMALL LETTER {name}") for name in ("ALPHA", "BETA", "GAMMA")) + BLANKS[20:],
]
"""Three texts in which each character occurs once, so that it tells by itself where it came from."""


def outcome(operation, *arguments):
    """The values that come out, or the error: both are part of what a str does."""
    try:
        value = operation(*arguments)
    except (ValueError, IndexError) as error:
        return type(error), []
    return (type(value), list(value)) if isinstance(value, list | tuple) else (str, [value])


def check_pieces(text: str, sources: dict[str, str]) -> None:
    at = 0
    for piece in pieces_of(text):
        assert at <= piece.start <= piece.end <= len(text)
        at = piece.end
        if piece.offset is not None:
            source = sources[piece.origin]
            assert source[piece.offset : piece.offset + piece.end - piece.start] == text[piece.start : piece.end]


@st.composite
def runs(draw, sources, operations):
    """A chain of operations, done to traced texts and to the same plain ones side by side."""
    origins = dict(zip("abc", draw(sources), strict=True))
    pool = [(Traced.whole(text, origin), text) for origin, text in origins.items()] + [("--", "--"), ("", "")]
    for _ in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from(sorted(operations)))
        text, plain_text = draw(st.sampled_from([pair for pair in pool if isinstance(pair[0], Traced)]))
        other, plain_other = draw(st.sampled_from(pool))
        if draw(st.booleans()) and plain_text:  # a part of the text itself, so that separators are found
            start = draw(st.integers(0, len(plain_text) - 1))
            length = draw(st.integers(1, 2))
            other, plain_other = text[start : start + length], plain_text[start : start + length]
        i, j = draw(st.integers(-3, 9)), draw(st.integers(-3, 9))
        kind, values = outcome(operations[name], text, other, i, j)
        wanted_kind, wanted = outcome(operations[name], plain_text, plain_other, i, j)
        assert (kind, values) == (wanted_kind, wanted), name
        pool += zip(values, wanted, strict=True)
    return origins, [text for text, _ in pool]


few_letters = st.tuples(*[st.text(st.sampled_from("ab \n\r.\x85\u2003"), max_size=12)] * 3)


@at_least(300)
@given(runs(few_letters, CUTS | JOINS | REWRITES))
def test_a_traced_text_does_what_a_str_does_and_each_piece_spells_its_source(run):
    sources, results = run
    for text in results:
        check_pieces(text, sources)


@at_least(300)
@given(runs(st.permutations(DISTINCT), CUTS | JOINS))
def test_cutting_and_joining_keep_every_character_with_its_source_and_place(run):
    sources, results = run
    home = {char: (origin, place) for origin, text in sources.items() for place, char in enumerate(text)}
    for text in results:
        known = [None] * len(text)
        for piece in pieces_of(text):
            known[piece.start : piece.end] = [
                (piece.origin, piece.offset + step) for step in range(piece.end - piece.start)
            ]
        assert known == [home.get(char) for char in text]


@at_least(300)
@given(
    st.text(st.sampled_from("ab \n"), max_size=20), st.sampled_from([None, "a", "b", "ab", " "]), st.integers(-1, 4)
)
def test_parts_that_look_alike_stand_where_they_were_cut(text, separator, most):
    known = Traced.whole(text, "prompt")
    for parts in (
        known.split(separator, most),
        known.rsplit(separator, most),
        known.splitlines(),
        known.partition("a"),
    ):
        places = [(part.pieces[0].offset, part.pieces[0].offset + len(part)) for part in parts]
        assert all(end <= start for (_, end), (start, _) in pairwise(places))


@at_least(300)
@given(st.lists(st.text("ab", min_size=1, max_size=3), max_size=4), st.integers(0, 6), st.integers(1, 6))
def test_a_part_names_the_cells_that_it_has_characters_of_and_no_others(texts, start, length):
    whole = concat([Traced.whole(text, n) for n, text in enumerate(texts)] or [Traced("")])
    owners = [n for n, text in enumerate(texts) for _ in text][start : start + length]
    part = whole[start : start + length]
    assert not owners or [piece.origin for piece in part.pieces] == sorted(set(owners))


@pytest.mark.parametrize("cut", [lambda text: text[2:2], lambda text: text.strip("abc "), lambda text: text[:0]])
def test_an_empty_rest_still_says_whose_rest_it_is(cut):
    rest = cut(Traced.whole("abc ", "prompt"))
    assert rest == ""
    assert [piece.origin for piece in rest.pieces] == ["prompt"]


@pytest.mark.parametrize("rewrite", [*REWRITES.values()], ids=[*REWRITES])
def test_rewriting_keeps_the_origin_and_loses_the_place(rewrite):
    pieces = rewrite(Traced.whole("banana split", "prompt"), ".", 0, 9).pieces
    assert [(piece.origin, piece.offset) for piece in pieces] == [("prompt", None)]


def test_a_rewriting_of_two_origins_keeps_them_apart_as_long_as_each_letter_has_one_place():
    two = Traced.whole("a", "row.x") + Traced.whole("b", "row.y")
    assert [(piece.start, piece.end, piece.origin, piece.offset) for piece in two.upper().pieces] == [
        (0, 1, "row.x", None), (1, 2, "row.y", None)
    ]  # fmt: skip
    (whole,) = (two + "ß").upper().pieces
    assert whole == (0, 4, "row", None)
    assert (Traced.whole("ß", "x") + Traced.whole("b", "y")).upper().pieces == ((0, 3, "", None),)


CALLS = {
    "capitalize": [()], "casefold": [()], "center": [(9,), (9, "*")], "count": [("b",)],
    "encode": [(), {"encoding": "utf-16"}], "endswith": [("c",)], "expandtabs": [(), (4,), {"tabsize": 4}],
    "find": [("b",)], "format": [(1,)], "format_map": [({},)], "index": [("b",)], "isalnum": [()], "isalpha": [()],
    "isascii": [()], "isdecimal": [()], "isdigit": [()], "isidentifier": [()], "islower": [()], "isnumeric": [()],
    "isprintable": [()], "isspace": [()], "istitle": [()], "isupper": [()], "join": [(["x", "y"],), ([],)],
    "ljust": [(9,)], "lower": [()], "lstrip": [(), ("a",), (None,)], "maketrans": [("a", "b")],
    "partition": [("b",)], "removeprefix": [("a",)], "removesuffix": [("c",)], "replace": [("b", "x"), ("b", "x", 1)],
    "rfind": [("b",)], "rindex": [("b",)], "rjust": [(9,)], "rpartition": [("b",)],
    "rsplit": [(), ("b",), {"maxsplit": 1}, {"sep": "b", "maxsplit": 1}], "rstrip": [(), ("c",)],
    "split": [(), ("b",), {"maxsplit": 1}, {"sep": "b", "maxsplit": 1}],
    "splitlines": [(), (True,), {"keepends": True}], "startswith": [("a",)], "strip": [(), ("ac",)],
    "swapcase": [()], "title": [()], "translate": [({97: "x"},)], "upper": [()], "zfill": [(9,)],
}  # fmt: skip
"""How each public method of str is called, by place and by name."""


def test_every_method_of_a_str_is_listed_above():
    assert set(CALLS) == {name for name in dir(str) if not name.startswith("_")}


@pytest.mark.parametrize(("method", "arguments"), [(name, call) for name, calls in CALLS.items() for call in calls])
def test_every_method_gives_what_it_gives_on_a_str(method, arguments):
    def call(subject):
        try:
            bound = getattr(subject, method)
            return bound(**arguments) if isinstance(arguments, dict) else bound(*arguments)
        except (ValueError, KeyError) as error:
            return type(error)

    for text in ("", "abc abc", "a\tb\r\nB c", "{}", "ǅ ß"):
        assert call(Traced.whole(text, "prompt")) == call(text)


@given(st.text("ab", max_size=8), st.text("ab", max_size=2), st.text("ac", max_size=2), st.integers(-1, 4))
def test_the_count_of_replace_has_a_name_as_in_python_3_13(text, old, new, count):
    known = Traced.whole(text, "prompt")
    assert known.replace(old, new, count=count) == text.replace(old, new, count)
    assert known.replace(old, new, count=count).pieces == known.replace(old, new, count).pieces


def test_each_method_that_is_overridden_takes_the_names_that_a_str_takes():
    for method in set(vars(Traced)) & set(CALLS):
        try:
            parameters = inspect.signature(getattr(str, method)).parameters.values()
        except ValueError:  # before Python 3.13, some methods have no signature
            continue
        own = inspect.signature(getattr(Traced, method)).parameters
        if "options" not in own:  # those that pass everything on
            named = {parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD}
            assert named <= {
                name for name, parameter in own.items() if parameter.kind is not parameter.POSITIONAL_ONLY
            }


@pytest.mark.parametrize("key", ["0", None, 1.0, (0,), 5, -5, slice("a", None)], ids=repr)
def test_a_key_that_is_no_place_raises_what_it_raises_on_a_str(key):
    with pytest.raises((TypeError, IndexError)) as wanted:
        "abc"[key]
    with pytest.raises(wanted.type):
        Traced.whole("abc", "prompt")[key]


@given(texts(), texts())
def test_to_everybody_else_a_traced_text_is_its_characters(text, other):
    known = Traced.whole(text, "prompt")
    assert known == text == str(known) == f"{known}" == "".join([known])
    assert hash(known) == hash(text)
    assert {text: 1}[known] == 1
    assert json.dumps(known) == json.dumps(text)
    assert (known < other, known * 2, other in known) == (text < other, text * 2, other in text)


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda text: pickle.loads(pickle.dumps(text))])
def test_a_traced_text_copies_and_pickles_with_its_pieces(twin):
    text = Traced.whole("abc", "x")[1:] + "-" + Traced.whole("d", "y").upper()
    assert twin(text) == text
    assert twin(text).pieces == text.pieces


@given(
    st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.text("ab", max_size=3)), max_size=5), st.text(max_size=2)
)
def test_joining_keeps_what_each_part_knew(parts, separator):
    texts = [text if origin is None else Traced.whole(text, f"{origin}{n}") for n, (origin, text) in enumerate(parts)]
    joined, added = join(separator, texts), concat(texts)
    assert joined == separator.join(texts)
    assert added == "".join(texts)
    for result in (joined, added):
        spelled = {piece.origin: result[piece.start : piece.end] for piece in pieces_of(result)}
        assert spelled == {text.pieces[0].origin: text for text in texts if isinstance(text, Traced)}


def test_two_neighbours_in_a_cell_that_meet_again_are_one_piece():
    text = Traced.whole("abcd", "x")
    assert (text[:2] + text[2:]).pieces == text.pieces
    assert len((text[2:] + text[:2]).pieces) == 2


@given(
    st.recursive(texts() | st.none() | st.integers(), lambda some: st.lists(some) | st.dictionaries(st.text(), some))
)
def test_tracing_a_cell_changes_no_value_and_making_it_plain_leaves_no_trace(value):
    def kinds(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return {type(value)}.union(*map(kinds, inner))

    assert trace_texts(value, "cell") == value
    assert Traced not in kinds(plain_data(trace_texts(value, "cell")))
    assert plain_data(trace_texts(value, "cell")) == value
    assert type(plain(trace_texts("x", "cell"))) is str


# --- through the whole library -------------------------------------------------------------------------------------


class Both(Template):
    class Row(RowModel):
        prompt: str
        one: str
        other: str

    preference = Preference(
        prompt=[{"role": "system", "content": "Be {{ one ~ '!' }}"}, "{{ prompt.strip() }}"],
        chosen="{{ one | trim }} and {{ other | replace('a', 'b') }}",
        rejected="{{ [other, one] | join(', ') }}",
    )


@given(texts(), texts(), texts(), st.sampled_from(["chatml", "llama3"]))
def test_a_span_with_a_source_spells_that_cell_through_expressions_filters_and_style(prompt, one, other, style):
    row = {"prompt": prompt, "one": one, "other": other}
    sample = Both().with_style(style).render(row, "preference")
    for rendered in (sample.prompt, sample.chosen, sample.rejected):
        for span in rendered.spans:
            if span.source is not None:
                cell, offset = span.source
                assert row[cell][offset : offset + span.end - span.start] == rendered.text[span.start : span.end]


def test_threads_that_render_at_once_share_nothing():
    rows = [
        {"prompt": f"{NASTY[n % len(NASTY)]}p{n}", "one": f" one {n} " * (n % 5 + 1), "other": f"a{n}a"}
        for n in range(400)
    ]
    template = Both().with_style("llama3")  # nothing of it is compiled yet: the threads race for that as well

    def spelled(row):
        sample = template.render(row, "preference")
        return [(rendered.text, rendered.spans) for rendered in (sample.prompt, sample.chosen, sample.rejected)]

    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(spelled, rows))
    assert at_once == [spelled(row) for row in rows]


def test_threads_that_share_a_style_share_nothing():
    style = get_style("zephyr")
    template = get_template("PKUSafeRLHF").with_style(style)
    rows = [{"prompt": f"question {n}"} for n in range(400)]
    with ThreadPoolExecutor(8) as pool:
        for row, sample in zip(rows, pool.map(lambda row: template.render(row, "prompt_only"), rows), strict=True):
            (cell,) = [span for span in sample.prompt.spans if span.source]
            assert sample.prompt.text[cell.start : cell.end] == row["prompt"]
