"""JSON tokenizers: the tokenizer that transformers loads from the same files, without transformers."""

import gc
import json
import pickle
import sys
import weakref

import pytest
from token_support import CHATML, KINDS, WHY, answer, byte_level, byte_level_with_bos, tokenizer_of
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from preftemplates import Style, get_template, tokenize
from preftemplates.cli.load_template import read_tokenizer
from preftemplates.data.content_rules import read_special_tokens
from preftemplates.errors import DefinitionError, FileError, MissingPackageError
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
