"""JSON tokenizers: the tokenizer that transformers loads from the same files, without transformers."""

import gc
import json
import pickle
import sys
import weakref
from functools import reduce
from itertools import islice
from operator import getitem

import pytest
import tokenizers
from engine_support import BARE_PACKAGE
from hypothesis import given
from hypothesis import strategies as st
from support import at_least
from token_support import CHATML, KINDS, WHY, answer, byte_level, byte_level_with_bos, tokenizer_of
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from preftemplates import Style, get_template, tokenize
from preftemplates.cli.load_template import read_tokenizer
from preftemplates.data.content_rules import read_special_tokens
from preftemplates.errors import DefinitionError, FileError, MissingPackageError, PrefTemplatesError
from preftemplates.styles.tokenizer_files import read_tokenizer_files
from preftemplates.tokens.json_tokenizer import JsonTokenizer

TALK = [WHY, answer("Hello <|im_end|> world</s>")]


def read(folder):
    return JsonTokenizer.from_files(read_tokenizer_files(folder))


def change(folder, name="tokenizer_config.json", **values):
    """Change some values of a file."""
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(config | values))


def check_equal(folder):
    """Compare the tokenizer of a folder with that of transformers."""
    tokenizer, expected = read(folder), PreTrainedTokenizerFast.from_pretrained(folder)
    assert tokenizer.special_tokens_map == expected.special_tokens_map
    assert {*tokenizer.all_special_tokens} == {*expected.all_special_tokens}
    decoders = [
        {id: (str(token), token.special) for id, token in each.added_tokens_decoder.items()}
        for each in (tokenizer, expected)
    ]
    assert decoders[0] == decoders[1]
    assert read_special_tokens(tokenizer) == read_special_tokens(expected)
    for name in ("bos_token", "eos_token", "pad_token", "unk_token", "cls_token", "sep_token"):
        assert getattr(tokenizer, name) == getattr(expected, name)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(tokenizer, name) == getattr(expected, name)
    for text in ("Hello", "a <new> b <|im_end|> c", ""):
        assert tokenizer(text)["input_ids"] == expected(text)["input_ids"]
    ours, theirs = (tokenize(CHATML.render(TALK), each) for each in (tokenizer, expected))
    assert ours == theirs
    return tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_tokenizer_of_transformers(kind, tmp_path):
    tokenizer_of(kind).save_pretrained(tmp_path)
    check_equal(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        {"add_bos_token": True},
        {"add_bos_token": True, "add_eos_token": True},
        {"add_bos_token": False, "unk_token": None},
        {"add_eos_token": True, "eos_token": "<|im_end|>"},
        {"pad_token": "<new>"},
        {"pad_token": "<new>", "mask_token": "<newer>"},
        {"pad_token": "H"},
        {"extra_special_tokens": ["<new>", "<|im_start|>"]},
        {"additional_special_tokens": ["<new>"]},
        {"eos_token": {"content": "<|im_end|>", "__type": "AddedToken"}},
        {"added_tokens_decoder": {"413": {"content": "<new>", "lstrip": True, "special": False}}},
        {"added_tokens_decoder": {"400": {"content": "<|im_start|>", "rstrip": True, "special": True}}},
        {"added_tokens_decoder": {"413": {"content": "<new>", "special": False}}, "pad_token": "<new>"},
    ],
)
@pytest.mark.parametrize("maker", [byte_level, byte_level_with_bos])
def test_the_configuration_counts_as_in_transformers(maker, config, tmp_path):
    maker().save_pretrained(tmp_path)
    change(tmp_path, **{"bos_token": "<s>"} | config)
    check_equal(tmp_path)


def test_the_style_and_the_edges_are_those_of_transformers(tmp_path):
    tokenizer = byte_level_with_bos()
    tokenizer.chat_template = "{{ bos_token }}" + CHATML.chat_template
    tokenizer.save_pretrained(tmp_path)
    ours, theirs = read(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert Style.from_tokenizer(ours) == Style.from_tokenizer(theirs)
    assert repr(ours) == f"JsonTokenizer({str(tmp_path)!r})"
    template = get_template("PKUSafeRLHF").with_style("llama3").with_dialect("trl-text")
    rows = [template.with_tokenizer(each).format(template.example, "preference") for each in (ours, theirs)]
    assert rows[0] == rows[1]


def test_it_is_pickled_and_weakly_referenced(tmp_path):
    byte_level().save_pretrained(tmp_path)
    tokenizer = read(tmp_path)
    expected = tokenize(CHATML.render(TALK), tokenizer)
    again = pickle.loads(pickle.dumps(tokenizer))
    assert "backend_tokenizer" not in vars(again)
    assert tokenize(CHATML.render(TALK), again) == expected
    reference = weakref.ref(tokenizer)
    del tokenizer
    gc.collect()
    assert reference() is None


def test_files_that_are_not_there_or_no_tokenizer_are_refused(tmp_path):
    byte_level().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DefinitionError, match="not the JSON of a tokenizer"):
        read(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff")
    with pytest.raises(FileError, match=r"has no tokenizer\.json that can be read: .*utf-8"):
        read(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(FileError, match=r"has no tokenizer\.json that can be read: No such file"):
        read(tmp_path)


CONFIG = {
    "added_tokens_decoder": {
        "413": {"content": "<new>", "single_word": False, "lstrip": True, "rstrip": True, "normalized": False},
        "414": {"content": "<newer>", "special": True},
    },
    "extra_special_tokens": ["<a>", {"content": "<b>", "lstrip": True}],
    "additional_special_tokens": ["<c>"],
}
NAMED = {"bos_token": "<s>", "eos_token": "<|im_end|>"}


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"added_tokens_decoder": ["<new>"]}, "added_tokens_decoder"),
        ({"added_tokens_decoder": 3}, "added_tokens_decoder"),
        ({"added_tokens_decoder": {"x": {"content": "<new>"}}}, "added_tokens_decoder"),
        ({"added_tokens_decoder": {"413": {}}}, "added_tokens_decoder.413"),
        ({"added_tokens_decoder": {"413": "<new>"}}, "added_tokens_decoder.413"),
        ({"added_tokens_decoder": {"413": None}}, "added_tokens_decoder.413"),
        ({"added_tokens_decoder": {"413": {"content": 3}}}, "added_tokens_decoder.413.content"),
        ({"added_tokens_decoder": {"413": {"content": "<new>", "lstrip": "no"}}}, "added_tokens_decoder.413.lstrip"),
        ({"extra_special_tokens": [{}]}, "extra_special_tokens[0]"),
        ({"extra_special_tokens": ["<a>", 3]}, "extra_special_tokens[1].content"),
        ({"extra_special_tokens": "<a>"}, "extra_special_tokens"),
        ({"additional_special_tokens": [["<a>"]]}, "additional_special_tokens[0].content"),
    ],
)
def test_a_value_of_the_wrong_type_in_the_configuration_is_named(config, key, tmp_path):
    byte_level().save_pretrained(tmp_path)
    change(tmp_path, **config)
    with pytest.raises(DefinitionError) as refused:
        read(tmp_path)
    assert refused.value.message.startswith(f"tokenizer_config.json, key '{key}': got ")
    assert refused.value.message.endswith("; fix the file, or save the tokenizer again")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"added_tokens": {"<new>": 413}}, "added_tokens"),
        ({"added_tokens": ["<new>"]}, "added_tokens[0]"),
        ({"added_tokens": [{"id": 413}]}, "added_tokens[0]"),
        ({"added_tokens": [{"content": "<new>"}]}, "added_tokens[0].id"),
        ({"added_tokens": [{"content": "<new>", "id": True}]}, "added_tokens[0].id"),
        ({"added_tokens": [{"content": "<new>", "id": 10**12}]}, "added_tokens[0].id"),
        ({"added_tokens": [{"content": "<new>", "id": 413, "special": None}]}, "added_tokens[0].special"),
        ({"added_tokens": [{"content": "\ud800", "id": 413}]}, "added_tokens[0].content"),
        ({"normalizer": "NFC"}, "normalizer"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": None}}, "pre_tokenizer.pretokenizers"),
        ({"decoder": {"type": "Sequence", "decoders": [[]]}}, "decoder.decoders[0]"),
        ({"model": {"type": "BPE", "vocab": {"a": "0"}, "merges": []}}, "model.vocab.a"),
        ({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}, "model.vocab.a"),
        ({"model": {"type": "BPE", "vocab": {"a\udc00": 0}, "merges": []}}, "model.vocab"),
        ({"model": {"type": "BPE", "vocab": [["a", 0]], "merges": []}}, "model.vocab"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": ["a"]}}, "model.unk_token"),
        ({"model": {"type": "Unigram", "vocab": {"a": 0}}}, "model.vocab"),
        ({"model": {"type": "Unigram", "vocab": ["a"]}}, "model.vocab[0]"),
        ({"model": {"type": "Unigram", "vocab": [["a", "0"]]}}, "model.vocab[0]"),
        ({"model": {"type": "Unigram", "vocab": [["a", 0.5]], "unk_id": 1}}, "model.unk_id"),
    ],
)
def test_a_value_of_the_wrong_type_in_the_tokenizer_is_named(changes, key):
    description = json.loads(byte_level().backend_tokenizer.to_str()) | changes
    with pytest.raises(DefinitionError) as refused:
        JsonTokenizer(json.dumps(description), config=CONFIG)
    assert refused.value.message.startswith(f"tokenizer.json, key '{key}': got ")


def test_a_special_token_that_is_no_text_is_named():
    with pytest.raises(DefinitionError, match=r"^the special tokens, key 'eos_token': got 3, expected text in valid"):
        JsonTokenizer(byte_level().backend_tokenizer.to_str(), {"bos_token": "<s>", "eos_token": 3})


def list_paths(value, path=()):
    """The places in a JSON value; of a large object or list, the first few."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in islice(items, 12):
        yield from list_paths(item, (*path, key))


def damage(document, path, value):
    """Put a value at a place in a copy of a document; `...` removes what is there."""
    if not path:
        return {} if value is ... else value
    document = json.loads(json.dumps(document))
    *parents, last = path
    place = reduce(getitem, parents, document)
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


SCALARS = st.sampled_from([None, True, 0, 1, -1, 413, 2**31, 10**30, 0.5, "", "a", "413", "<s>", "\ud800", "Sequence"])
VALUES = st.recursive(
    SCALARS | st.integers() | st.text(max_size=3),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3) | SCALARS.map(str), values),
    max_leaves=5,
)


def find_error(text, named, config):
    """The error that a use of these files raises; empty if none does."""
    try:
        tokenizer = pickle.loads(pickle.dumps(JsonTokenizer(text, named, config=config)))
        tokenize(CHATML.render(TALK), tokenizer)
        tokenizer("Hello")
    except PrefTemplatesError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("package", [tokenizers, BARE_PACKAGE], ids=["0.2x", "1.x"])
@at_least(200)
@given(st.data())
def test_damaged_files_give_a_tokenizer_or_a_one_line_error(package, data):
    kind = data.draw(st.sampled_from(KINDS))
    files = [json.loads(tokenizer_of(kind).backend_tokenizer.to_str()), NAMED, CONFIG]
    at = data.draw(st.sampled_from([0, 0, 1, 2]))
    path = data.draw(st.sampled_from([*list_paths(files[at])]))
    files[at] = damage(files[at], path, data.draw(st.just(...) | VALUES))
    if at and not isinstance(files[at], dict):
        return  # the reader of these files has raised an error
    text, named, config = json.dumps(files[0]), *files[1:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tokenizers", package)
        message = find_error(text, named, config)
    assert message.isprintable()
    assert len(message) < 700


def test_a_file_of_version_2_needs_tokenizers_1():
    description = json.loads(byte_level().backend_tokenizer.to_str())
    normalizer = {"type": "MetaspaceNormalizer", "replacement": "_", "prepend": "first"}
    tokenizer = JsonTokenizer(json.dumps(description | {"version": "2.0", "normalizer": normalizer}))
    with pytest.raises(DefinitionError, match=r"a tokenizer\.json of version 2\.0 needs tokenizers 1\.x"):
        tokenize(CHATML.render(TALK), tokenizer)


def test_the_command_reads_a_folder_without_transformers(tmp_path, monkeypatch):
    tokenizer = byte_level_with_bos()
    tokenizer.chat_template = CHATML.chat_template
    tokenizer.save_pretrained(tmp_path)
    read_tokenizer.cache_clear()
    assert not isinstance(read_tokenizer(str(tmp_path)), JsonTokenizer)
    monkeypatch.setitem(sys.modules, "transformers", None)
    read_tokenizer.cache_clear()
    found = read_tokenizer(str(tmp_path))
    assert isinstance(found, JsonTokenizer)
    assert found.chat_template == CHATML.chat_template
    assert tokenize(CHATML.render(TALK), found) == tokenize(CHATML.render(TALK), tokenizer)
    (tmp_path / "tokenizer.json").unlink()
    read_tokenizer.cache_clear()
    with pytest.raises(MissingPackageError, match="is a tokenizer's folder, which needs transformers"):
        read_tokenizer(str(tmp_path))
    read_tokenizer.cache_clear()
