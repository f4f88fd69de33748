"""Engines: the default one gives the ids of transformers, and others are found by name and loaded or refused."""

import json
import sys
from importlib import invalidate_caches

import numpy as np
import pytest
from engine_support import TEXTS, Panic, Planted, json_of, lack_bytes, reference_of, rows_of
from token_support import KINDS, tokenizer_of
from tokenizers import Tokenizer

from preftemplates.errors import Code, DefinitionError, FileError, MissingPackageError, RowError, UnknownNameError
from preftemplates.tokens.engines import huggingface
from preftemplates.tokens.engines.engine import ENGINES, EngineEntry
from preftemplates.tokens.engines.loading import CheckedEngine, list_engines, load_engine
from preftemplates.tokens.engines.self_check import check_engine
from preftemplates.tokens.engines.tokenizer_json import prepare_tokenizer_json
from preftemplates.tokens.engines.unicode_sweep import _list_code_points, _widen, find_differing_characters

# --- the default engine ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_engine_gives_the_ids_of_transformers(kind):
    batch = reference_of(json_of(kind)).encode(TEXTS)
    assert rows_of(batch) == tokenizer_of(kind)(TEXTS, add_special_tokens=False)["input_ids"]
    assert (batch.ids.dtype, batch.counts.dtype) == (np.int32, np.int64)
    assert batch.counts.sum() == len(batch.ids)


def test_no_texts_have_no_ids():
    batch = reference_of(json_of("byte_level")).encode([])
    assert (batch.ids.shape, batch.counts.shape) == ((0,), (0,))


def test_the_default_engine_refuses_a_lone_surrogate():
    with pytest.raises(RowError) as refused:
        reference_of(json_of("byte_level")).encode(["a", "b\ud800"])
    assert (refused.value.code, refused.value.value) == (Code.BAD_TEXT, "b\ud800")


def test_padding_and_truncation_of_the_json_have_no_effect():
    tokenizer, reference = Tokenizer.from_str(json_of("byte_level")), reference_of(json_of("byte_level"))
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=50)
    engine = load_engine("tokenizers", tokenizer.to_str(), reference)
    assert engine.name == f"tokenizers {sys.modules['tokenizers'].__version__}"
    assert rows_of(engine.encode(TEXTS)) == rows_of(reference.encode(TEXTS))


# --- what is left to the default engine ------------------------------------------------------------------------------


def test_a_text_with_a_byte_that_the_vocabulary_lacks_is_encoded_by_the_default_engine():
    tokenizer_json = lack_bytes()
    reference = reference_of(tokenizer_json)
    prepared, first_id = prepare_tokenizer_json(tokenizer_json)
    filled = reference_of(prepared)
    assert rows_of(reference.encode(["th\x04e"])) == rows_of(reference.encode(["the"]))
    assert (filled.encode(["th\x04e"]).ids >= first_id).sum() == 1
    texts = ["the", "th\x04e", "\x04", "é<s>", "", "a\x04", "<s>"]
    engine = CheckedEngine(filled, reference, first_id)
    assert rows_of(engine.encode(texts)) == rows_of(reference.encode(texts))
    assert rows_of(engine.encode(["the"])) == rows_of(reference.encode(["the"]))
    assert rows_of(CheckedEngine(filled, reference).encode(texts)) != rows_of(reference.encode(texts))
    check_engine(engine, reference, tokenizer_json)


@pytest.mark.parametrize("kind", KINDS)
def test_the_vocabulary_is_not_changed_where_no_byte_is_missing(kind):
    prepared, first_id = prepare_tokenizer_json(json_of(kind))
    assert first_id is None
    assert json.loads(prepared)["model"] == json.loads(json_of(kind))["model"]


def test_no_neighbour_of_a_tried_character_is_a_surrogate():
    """Engines raise an error for one, and no text has one."""
    close = [code_point for code_point in _list_code_points() if 0xD700 <= code_point < 0xE100]
    neighbours = {character for code_point in close for character in _widen(chr(code_point))}
    assert {"\ud7ff", "\ue000"} <= neighbours
    assert not any("\ud800" <= character <= "\udfff" for character in neighbours)


def find_characters(engine):
    return find_differing_characters(engine, engine.reference, json.loads(json_of("byte_level")))


def test_characters_that_an_engine_reads_otherwise_are_left_to_the_default_engine():
    engine = Planted(lambda text, row: [*row, 9] if "\u1b4e" in text or "é" in text else row)
    characters = find_characters(engine)
    assert characters == {"\u1b4e", "é"}
    checked, texts = CheckedEngine(engine, engine.reference, None, characters), ["é", "plain", "\u1b4e!", "日本"]
    assert rows_of(checked.encode(texts)) == rows_of(engine.reference.encode(texts))
    assert rows_of(engine.encode(texts)) != rows_of(engine.reference.encode(texts))
    with pytest.raises(RowError, match="lone surrogate"):
        checked.encode(["a", "\ud800"])


def test_characters_of_a_large_block_are_found_with_those_around_them():
    engine = Planted(
        lambda text, row: [*row, 9] if any("\U000323b0" <= char <= "\U00033479" for char in text) else row
    )
    characters = find_characters(engine)
    assert {"\U000323b0", "\U00033000", "\U00033479"} <= characters
    assert not {"\U00032300", "\U00033500", "日", "é"} & characters


def test_an_engine_that_differs_in_most_characters_differs_in_something_else():
    assert find_characters(Planted(lambda _, row: row[1:])) == frozenset()


# --- loading ---------------------------------------------------------------------------------------------------------


def load(name):
    return load_engine(name, json_of("byte_level"), reference_of(json_of("byte_level")))


def test_engines_are_listed():
    assert {"gigatoken", "tokenizers", "tokenizers-1", "tokie"} <= set(list_engines())


def test_an_unknown_engine_has_a_nearest_name():
    with pytest.raises(UnknownNameError, match=r"no engine 'tokei'\. Did you mean 'tokie'\?"):
        load("tokei")
    with pytest.raises(UnknownNameError, match="expected the name of an engine as a string, got None"):
        load(None)


def test_a_directory_without_an_engine_is_refused(tmp_path):
    with pytest.raises(
        FileError, match="the directory holds no engine; install one with pip install --no-deps --target"
    ):
        load(str(tmp_path))
    with pytest.raises(FileError, match="no such directory; pass the name of an engine"):
        load(str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["tokie", "gigatoken"])
def test_a_missing_package_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        MissingPackageError, match=f"the engine '{name}' encodes texts, which needs {name}: .*pip install"
    ):
        load(name)


def test_an_older_version_is_not_taken_for_version_1():
    with pytest.raises(
        DefinitionError, match=r"needs tokenizers 1\.x, but 0\.2.* is installed; to keep the older one"
    ):
        load("tokenizers-1")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": {}}', '{"model": {"vocab": 1}}'])
def test_what_is_no_tokenizer_is_refused(text):
    with pytest.raises(DefinitionError, match="the text is not the JSON of a tokenizer"):
        load_engine("tokenizers", text, reference_of(json_of("byte_level")))


@pytest.mark.parametrize("error", [Panic("no entry"), ValueError("not supported")])
def test_an_engine_that_cannot_load_a_tokenizer_is_refused(error, monkeypatch):
    def fail(*_):
        raise error

    list_engines()
    monkeypatch.setitem(ENGINES._items, "tokie", EngineEntry(fail))
    with pytest.raises(DefinitionError) as refused:
        load("tokie")
    reason = f"{type(error).__name__}: {error}"
    advice = "use the engine 'tokenizers' for this tokenizer"
    assert str(refused.value) == f"engine 'tokie' cannot load this tokenizer: {reason}; {advice}"


def test_an_engine_that_differs_is_not_loaded(monkeypatch):
    list_engines()
    monkeypatch.setitem(ENGINES._items, "tokie", EngineEntry(lambda *_: Planted(lambda _, row: row[::-1])))
    with pytest.raises(DefinitionError, match=r"engine planted 1\.0, text .* probe texts differ"):
        load("tokie")


def test_one_file_adds_an_engine(monkeypatch, tmp_path):
    with open(huggingface.__file__, encoding="utf-8") as file:
        source = file.read().replace('@register_engine("tokenizers")', '@register_engine("another")')
    (tmp_path / "another.py").write_text(source, encoding="utf-8")
    package = sys.modules["preftemplates.tokens.engines"]
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    for name in ("_items", "_sites", "_looked_for"):
        monkeypatch.setattr(ENGINES, name, getattr(ENGINES, name).copy())
    monkeypatch.setattr(ENGINES, "_discovered", False)
    invalidate_caches()
    try:
        assert "another" in list_engines()
        assert rows_of(load("another").encode(TEXTS)) == rows_of(reference_of(json_of("byte_level")).encode(TEXTS))
    finally:
        del sys.modules["preftemplates.tokens.engines.another"]
