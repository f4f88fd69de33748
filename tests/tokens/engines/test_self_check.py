"""The self-check finds every planted difference, and says in one line what differs."""

import json

import numpy as np
import pytest
from engine_support import Panic, Planted, json_of, reference_of, rows_of
from token_support import MARKS
from tokenizers import Tokenizer

from preftemplates.errors import DefinitionError
from preftemplates.tokens.engines.engine import TokenBatch
from preftemplates.tokens.engines.huggingface import HuggingFaceEngine
from preftemplates.tokens.engines.probe_texts import list_probe_texts
from preftemplates.tokens.engines.self_check import check_engine


def check(engine):
    check_engine(engine, reference_of(json_of("byte_level")), json_of("byte_level"))


def get_refusal(engine):
    """What the self-check says of an engine."""
    with pytest.raises(DefinitionError) as refused:
        check(engine)
    message = str(refused.value)
    assert message.isprintable()
    assert message.startswith(f"engine {engine.name}")
    assert message.endswith("; use the engine 'tokenizers' for this tokenizer")
    assert len(message) < 500
    return message


# --- probe texts -----------------------------------------------------------------------------------------------------


def test_the_probe_texts_are_the_same_each_time_and_hold_every_added_token():
    description = json.loads(json_of("byte_level"))
    texts = list_probe_texts(description)
    assert texts == list_probe_texts(description)
    assert len(texts) == len(set(texts))
    assert {"", *MARKS, *(mark[:-1] for mark in MARKS), *(f"x{mark}x" for mark in MARKS)} <= set(texts)
    assert {"\r\n", "\xa0", "\u200b", "\x04", "e\u0301", "\u0301", "👩‍🚀", "'S"} <= set(texts)
    assert sum(len(text) > 2_000 for text in texts) == 8


@pytest.mark.parametrize(("kind", "word"), [("byte_level", " world"), ("unigram", " Hello"), ("word_piece", "hello")])
def test_the_probe_texts_have_words_of_the_vocabulary(kind, word):
    model = json.loads(json_of(kind))["model"]
    with_words, without = (list_probe_texts({"model": {"vocab": vocab}}) for vocab in (model["vocab"], {}))
    assert len(with_words) > len(without)
    assert word in "".join({*with_words} - {*without})


# --- planted differences ---------------------------------------------------------------------------------------------


def test_an_engine_without_differences_passes():
    check(Planted(lambda _, row: row))


def test_a_token_that_is_dropped_is_found():
    message = get_refusal(Planted(lambda text, row: row[:-1] if "'S" in text else row))
    assert """text "'S" in a batch: got […] (1 ids), expected […, 50] (2 ids) as tokenizers 0.2""" in message


def test_two_tokens_that_are_swapped_are_found():
    message = get_refusal(Planted(lambda _, row: [*row[1::-1], *row[2:]]))
    assert "probe texts differ)" in message


def test_an_added_token_that_is_read_as_text_is_found():
    as_text = Tokenizer.from_str(json_of("byte_level"))
    as_text.encode_special_tokens = True
    engine = HuggingFaceEngine(as_text)
    engine.name = "as text 1.0"
    assert any(f"text {mark!r} in a batch" in get_refusal(engine) for mark in MARKS)


@pytest.mark.parametrize(
    "probe", ["\u2060", "_</think>0", "ﬁn", "\n\n\n", "👩‍🚀", "", "[CLS]a", "th\x04e the\x04 \x04The"]
)
def test_a_difference_in_one_probe_only_is_found(probe):
    message = get_refusal(Planted(lambda text, row: [*row, 7] if text == probe else row))
    assert "(1 of " in message
    assert f"text {probe!r} in a batch" in message or not probe.isprintable()


def test_a_difference_that_depends_on_the_batch_is_found():
    class Alone(Planted):
        def encode(self, texts):
            batch = super().encode(texts)
            return TokenBatch(batch.ids[:-1], batch.counts - 1) if len(texts) == 1 and len(batch.ids) else batch

    class Later(Planted):
        times = 0

        def encode(self, texts):
            self.times += 1
            return super().encode(texts if self.times == 1 else [text[:-1] for text in texts])

    assert " alone: got" in get_refusal(Alone(lambda _, row: row))
    assert " in a batch in another order: got" in get_refusal(Later(lambda _, row: row))


def test_a_difference_in_long_texts_only_is_found():
    assert "(8 of " in get_refusal(Planted(lambda text, row: row[:-1] if len(text) > 30_000 else row))


def test_the_message_has_the_part_of_a_text_that_differs():
    message = get_refusal(Planted(lambda text, row: row[::-1] if "class" in text else row))
    assert "text 'class' in a batch" in message


def test_ids_are_shown_from_the_first_that_differs():
    message = get_refusal(Planted(lambda text, row: [*row[:-1], 7] if text.startswith("Hello,") else row))
    assert "text 'Hello,' in a batch: got […, 7] (2 ids), expected […, 11] (2 ids) as" in message


# --- engines that do not work ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("two\nlines"), Panic("index out of bounds")])
def test_an_engine_that_raises_is_refused(error):
    def change(text, row):
        if "日" in text:
            raise error
        return row

    reason = " ".join(f"{type(error).__name__}: {error}".split())
    assert f"cannot encode texts: {reason}; use" in get_refusal(Planted(change))


def test_an_interrupt_is_not_caught():
    class Interrupted(Planted):
        def encode(self, _):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(Interrupted(lambda _, row: row))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda batch: TokenBatch(batch.ids.astype(np.uint32), batch.counts), "expected int32 ids and an int64 count"),
        (lambda batch: TokenBatch(batch.ids[:-1], batch.counts), "expected int32 ids and an int64 count"),
        (lambda batch: TokenBatch(batch.ids, batch.counts[:-1]), "expected int32 ids and an int64 count"),
        (lambda batch: rows_of(batch), "cannot encode texts: ValueError: too many values to unpack"),
    ],
)
def test_what_is_no_batch_is_refused(wrong, reason):
    class Wrong(Planted):
        def encode(self, texts):
            return wrong(super().encode(texts))

    assert reason in get_refusal(Wrong(lambda _, row: row))


def test_ids_for_no_text_are_refused():
    class Extra(Planted):
        def encode(self, texts):
            return super().encode(texts or ["a"])

    assert "got 1 ids (int32) and 1 counts (int64) for 0 texts" in get_refusal(Extra(lambda _, row: row))


def test_an_engine_that_encodes_a_lone_surrogate_is_refused():
    class Lossy(Planted):
        def encode(self, texts):
            return super().encode([text.encode(errors="replace").decode() for text in texts])

    assert "got ids for a lone surrogate, expected an error" in get_refusal(Lossy(lambda _, row: row))
