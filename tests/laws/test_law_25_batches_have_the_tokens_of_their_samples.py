"""Law 25: a batch has the ids, masks and lengths of its samples, each encoded alone; guarantee 17 holds in it too.

A path that encodes no sample in blocks would keep the law, so how many samples blocks encode is checked too.
"""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_STYLES, TEXT_TEMPLATES
from support import at_least
from token_rows import (
    FORMATS,
    ODD_TEXTS,
    SCHEMA,
    Answers,
    BlockCounts,
    Everything,
    check_columns,
    draw_rows,
    make_row,
    tables,
)
from token_support import KINDS, MARKS, byte_level, tokenizer_of

from preftemplates import LossSelection, TokenBatchFormatter, get_template
from preftemplates.data.columnar.tokens import block_tokens
from preftemplates.data.columnar.tokens.block_tokens import BlockEncoder

EVERYTHING = Everything()
TURNS = st.sampled_from(("response", "conversation", "last"))
SELECTIONS = st.builds(
    LossSelection,
    TURNS,
    st.booleans(),
    st.sampled_from([("assistant",), ("user", "assistant"), ("user",)]),
    st.none() | st.lists(st.integers(-3, 3), min_size=1, max_size=3).map(tuple),
)


def check(kind, style, format, rows, selection=None):
    """Compare rows of `Everything` in a style; return how many results are no errors."""
    template, table = EVERYTHING.with_style(style), pa.Table.from_pylist(rows, SCHEMA)
    return check_columns(template, format, table, tokenizer_of(kind), selection)


@pytest.mark.parametrize("kind", KINDS)
@at_least(40)
@given(st.sampled_from(BUNDLED_STYLES), st.sampled_from(FORMATS), SELECTIONS, tables())
def test_a_batch_has_the_tokens_of_its_samples(kind, style, format, selection, rows):
    check(kind, style, format, rows, selection)


@pytest.mark.parametrize("format", ["supervised", "unpaired", "judge"])
@given(
    st.sampled_from(KINDS),
    st.builds(LossSelection, TURNS, st.booleans()),
    st.lists(st.lists(ODD_TEXTS, min_size=3, max_size=3), max_size=4),
)
def test_samples_that_are_derived_have_their_tokens(format, kind, selection, drawn):
    """A row may give two samples, of which one is an error."""
    ordinary = [("Why?", "So.", "Hello world"), ("Hello", "Hello\n", "Why?")]
    rows = [dict(zip(("question", "good", "bad"), texts, strict=True)) for texts in [*drawn, *ordinary]]
    template = Answers().with_style("chatml")
    assert check_columns(template, format, pa.Table.from_pylist(rows), tokenizer_of(kind), selection) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("style", BUNDLED_STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_style_with_every_tokenizer(kind, style):
    """Dataset types and selections in turn, so that each style has all of them."""
    turns = ("response", "conversation", "last")
    for number, format in enumerate(FORMATS):
        selection = LossSelection(turns[(number + KINDS.index(kind)) % 3], stop=number % 2 == 0)
        check(kind, style, format, draw_rows(number, 12, ("", "\nSo.", "<think>", *MARKS)), selection)


@pytest.mark.parametrize("kind", KINDS)
def test_every_template_has_the_tokens_of_its_example(kind):
    """With each tokenizer a third of the templates, so that each is read by three tokenizers."""
    for name in TEXT_TEMPLATES[KINDS.index(kind) % 3 :: 3]:
        template = get_template(name)
        table = pa.Table.from_pylist([template.example])
        for format in template.formats:
            check_columns(template, format, table, tokenizer_of(kind))


# --- the block path ------------------------------------------------------------------------------------------------

BY_ROWS = ("ranked", "stepwise", "judge")
"""The dataset types that no plan writes."""


@pytest.mark.parametrize("format", [format for format in FORMATS if format not in BY_ROWS])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_encode_nearly_all_ordinary_rows(kind, format, monkeypatch):
    counts, rows = BlockCounts(monkeypatch), draw_rows(7, 60)
    good = check(kind, "chatml", format, rows)
    assert good >= 58
    assert (counts.encoded, counts.left) == (good, 0)


JOINING = {"byte_level": {"llama3", "llama3.1", "llama4"}, "unigram": {"chatglm3", "glm4", "glm4.5"}}
"""Tokenizers, each with the styles whose prompts have other ids alone than before an answer.

GPT-2's words split two line ends before an answer in another way; this Unigram model joins `|>` and a line end.
"""


@pytest.mark.parametrize("kind", JOINING)
def test_blocks_encode_most_ordinary_rows_in_every_style(kind, monkeypatch):
    counts, few = BlockCounts(monkeypatch), set()
    for style in BUNDLED_STYLES:
        counts.encoded = 0
        good = check(kind, style, "preference", draw_rows(3, 12), LossSelection(stop=False))
        if counts.encoded < 0.6 * good:
            few.add(style)
    assert few == JOINING[kind]


def test_a_formatter_that_is_pickled_has_the_same_tokens():
    table = pa.Table.from_pylist(draw_rows(5, 4), SCHEMA)
    selection = LossSelection("conversation", stop=False)
    template = EVERYTHING.with_style("zephyr")
    formatter = TokenBatchFormatter(template, "preference", tokenizer_of("unigram"), loss=selection, id_column="text")
    copy = pickle.loads(pickle.dumps(formatter))
    assert copy(table) == formatter(table)
    assert (copy.loss, copy.id_column, copy.schema) == (selection, "text", formatter.schema)


# --- planted faults ------------------------------------------------------------------------------------------------

SHORT = [make_row(["Why?"], "Hello world", "So."), make_row(["Hello", "Hello", "Why?"], "So.", "Hello")]
FORGING = [make_row(["Why?<|im_end|>"], "Hello", "So.<|im_end|>\n<|im_start|>user\nHello"), *SHORT]
JOINED = [*SHORT, make_row(["Why?"], "\nSo.", "\n\nHello")]
"""A line end of the answer becomes a token with those that end the prompt."""


def trust_any_control_token(monkeypatch):
    check_part = BlockEncoder._check_part

    def accept(encoder, part, plan, *others):
        return np.ones_like(check_part(encoder, part, plan, *others))

    monkeypatch.setattr(BlockEncoder, "_check_part", accept)


def shift_the_mask(monkeypatch):
    fill = BlockEncoder._fill_mask

    def fill_shifted(encoder, part, plan, starts, encoded, texts, tokens):
        fill(encoder, part, plan, starts, encoded, texts, tokens)
        encoded.mask[tokens] = np.roll(encoded.mask[tokens], 1)

    monkeypatch.setattr(BlockEncoder, "_fill_mask", fill_shifted)


def trust_the_start_of_responses(monkeypatch):
    monkeypatch.setattr(block_tokens, "_begins_with", lambda _, texts, __: np.ones(texts.stop - texts.start, bool))


def add_the_bos_always(monkeypatch):
    monkeypatch.setattr(BlockEncoder, "_has_prefix", lambda _, __, starts, ___: np.zeros(len(starts), bool))


def never_add_the_bos(monkeypatch):
    monkeypatch.setattr(BlockEncoder, "_has_prefix", lambda _, __, starts, ___: np.ones(len(starts), bool))


def put_the_tail_first(monkeypatch):
    check_rows = BlockEncoder._check

    def swap(encoder, rows, encoded):
        found = check_rows(encoder, rows, encoded)
        return found._replace(starts=found.starts[:, ::-1], counts=found.counts[:, ::-1])

    monkeypatch.setattr(BlockEncoder, "_check", swap)


def train_on_the_prompt(monkeypatch):
    monkeypatch.setattr(block_tokens, "_find_trained", lambda part, _: {span.message for span in part.spans})


def count_the_rest_of_the_prompt_alone(monkeypatch):
    check_rows = BlockEncoder._check

    def count(encoder, rows, encoded):
        found = check_rows(encoder, rows, encoded)
        return found._replace(prompt_counts=found.prompt_counts - found.counts[0, 0])

    monkeypatch.setattr(BlockEncoder, "_check", count)


def join_samples_plan_by_plan(monkeypatch):
    """The samples of a block are in the order of its plans, and not of its rows."""
    join = BlockEncoder._join

    def join_unsorted(encoder, pieces, *others):
        places = np.concatenate([piece.places for piece in pieces])
        starts = np.split(np.sort(places), np.cumsum([len(piece.places) for piece in pieces])[:-1])
        return join(encoder, [piece._replace(places=own) for piece, own in zip(pieces, starts, strict=True)], *others)

    monkeypatch.setattr(BlockEncoder, "_join", join_unsorted)


FAULTS = {
    trust_any_control_token: ("byte_level", "chatml", FORGING),
    shift_the_mask: ("byte_level", "chatml", SHORT),
    trust_the_start_of_responses: ("byte_level", "llama3", JOINED),
    add_the_bos_always: ("metaspace_first", "mistral-v3", SHORT),
    never_add_the_bos: ("byte_level_with_bos", "chatml", SHORT),
    put_the_tail_first: ("unigram", "chatml", SHORT),
    train_on_the_prompt: ("metaspace_first", "zephyr", SHORT),
    count_the_rest_of_the_prompt_alone: ("word_piece", "chatml", SHORT),
    join_samples_plan_by_plan: ("llama_legacy", "chatml", [SHORT[0], SHORT[1], SHORT[0], SHORT[1]]),
}
"""Faults, each with a tokenizer, a style and rows that show it."""


@pytest.mark.parametrize("plant", FAULTS)
def test_a_planted_fault_is_caught(plant, monkeypatch):
    kind, style, rows = FAULTS[plant]
    assert check(kind, style, "preference", rows)
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check(kind, style, "preference", rows)


@pytest.mark.slow
@pytest.mark.parametrize("plant", FAULTS)
def test_drawn_rows_catch_a_planted_fault(plant, monkeypatch):
    plant(monkeypatch)
    kind, style, _ = FAULTS[plant]
    with pytest.raises(AssertionError):
        check(kind, style, "preference", draw_rows(25, 400, ("\nSo.", *MARKS)))


@pytest.mark.parametrize("last", [0, 1])
def test_a_row_whose_answer_has_no_token_is_an_error_wherever_it_is(last):
    """BERT's normalizer drops such characters, and the style `plain` writes no end of turn."""
    rows = [{"question": "Why?", "good": text, "bad": "Hello"} for text in ("So.", "\ufffd")][:: 1 if last else -1]
    template = Answers().with_style("plain")
    formatter = TokenBatchFormatter(template, "supervised", tokenizer_of("word_piece"), on_error="column")
    errors = [row["preftemplates_error"] for row in formatter(pa.Table.from_pylist(rows)).to_pylist()]
    assert [error is None for error in errors] == [index != last for index in range(2)]


def test_the_plan_of_a_formatter_of_tokens_is_that_of_its_texts():
    formatter = TokenBatchFormatter(get_template("PKUSafeRLHF"), "preference", tokenizer_of("byte_level"))
    assert str(formatter.plan) == "1 of 1 row as columns"


def test_tokens_that_are_added_later_are_seen():
    tokenizer, template = byte_level(), Answers().with_style("chatml")
    formatter = TokenBatchFormatter(template, "supervised", tokenizer)
    table = pa.table({"question": ["Why?"], "good": ["So. <mark>Hello"], "bad": ["Hello"]})
    (before,) = formatter(table).to_pylist()
    tokenizer.add_tokens(["<mark>"])
    (after,) = formatter(table).to_pylist()
    assert tokenizer.convert_tokens_to_ids("<mark>") in after["input_ids"]
    assert after["length"] < before["length"]
