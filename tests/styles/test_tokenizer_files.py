"""A tokenizer's files say what transformers reads in them, and a damaged file is one line that says which."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import Style
from preftemplates.errors import (
    DefinitionError,
    FileError,
    PrefTemplatesError,
    StyleSyntaxError,
)
from preftemplates.styles.resolve import find_style
from preftemplates.styles.tokenizer_files import (
    MAX_FILE_BYTES,
    TokenizerFiles,
    read_tokenizer_files,
)

SOURCE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]\n{{ m.content }}{{ eos_token }}{% endfor %}"
TOOLS = "{% for m in messages %}tools: {{ m.content }}{% endfor %}"
HELLO = [{"role": "user", "content": "Chives?"}, {"role": "assistant", "content": "Snip."}]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def tokenizer(chat_template=SOURCE, **tokens):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    model = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<pad>": 2, "<image>": 3, "<unk>": 4}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, **{**TOKENS, **tokens})
    tokenizer.chat_template = chat_template
    return tokenizer


def loaded(path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path)


def write(path: Path, **data):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def same_as_transformers(path):
    """What is read equals what transformers loads, and gives the text that it renders."""
    files, judge = read_tokenizer_files(path), loaded(path)
    assert files.chat_template == judge.chat_template
    assert dict(files.special_tokens_map) == judge.special_tokens_map
    assert files.style() == Style.from_tokenizer(judge) == Style.from_tokenizer(files)
    assert files.style().render(HELLO).text == judge.apply_chat_template(HELLO, tokenize=False)
    return files


@pytest.mark.parametrize("as_files", [True, False], ids=["files", "a key"])
@pytest.mark.parametrize(
    "template", [SOURCE, {"default": SOURCE, "tool_use": TOOLS, "rag": "x"}], ids=["one", "several"]
)
def test_what_transformers_saves_is_read_as_it_loads_it(tmp_path, template, as_files):
    tokenizer(template).save_pretrained(tmp_path, save_jinja_files=as_files)
    assert (tmp_path / "chat_template.jinja").exists() == as_files
    files = same_as_transformers(tmp_path)
    assert set(files.names) == (set(template) - {"default"} if isinstance(template, dict) else set())
    assert files.template() == SOURCE


@pytest.mark.parametrize(
    "more",
    [
        {"extra_special_tokens": {"image_token": "<image>"}},
        {"extra_special_tokens": ["<image>"]},
        {"unk_token": "<unk>"},
        {"extra_special_tokens": {"image token": "<image>", "a-b_token": "<image>", "messages": "<image>"}},
    ],
    ids=str,
)
def test_special_tokens_are_those_of_transformers(tmp_path, more):
    tokenizer(**more).save_pretrained(tmp_path)
    same_as_transformers(tmp_path)


def test_tokens_with_how_they_are_cut_are_their_text(tmp_path):
    tokenizer().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    cut = {"__type": "AddedToken", "content": "</s>", "lstrip": False, "normalized": False, "rstrip": True}
    write(tmp_path / "tokenizer_config.json", **{**config, "eos_token": cut, "image_token": "<image>"})
    assert same_as_transformers(tmp_path).special_tokens_map["image_token"] == "<image>"


@pytest.mark.parametrize("listed", [{}, {"added_tokens_decoder": {}}], ids=["older", "newer"])
def test_the_older_map_of_special_tokens_counts_where_transformers_counts_it(tmp_path, listed):
    tokenizer().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config.pop("added_tokens_decoder", None)
    write(tmp_path / "tokenizer_config.json", **config, **listed)
    write(tmp_path / "special_tokens_map.json", eos_token={"content": "<pad>", "special": True}, bos_token="<s>")
    files = same_as_transformers(tmp_path)
    assert files.special_tokens_map["eos_token"] == ("</s>" if listed else "<pad>")


def test_a_file_of_the_template_stands_in_place_of_the_key(tmp_path):
    tokenizer().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    named = [{"name": "default", "template": "of the key"}, {"name": "rag", "template": "of the key"}]
    write(tmp_path / "tokenizer_config.json", **config, chat_template=named)
    files = same_as_transformers(tmp_path)
    assert files.file == tmp_path / "chat_template.jinja"
    assert files.names == ()


def test_further_templates_alone_stand_in_place_of_the_key_too(tmp_path):
    tokenizer("of the key").save_pretrained(tmp_path, save_jinja_files=False)
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "rag.jinja").write_text("rag")
    files = read_tokenizer_files(tmp_path)
    assert files.chat_template == loaded(tmp_path).chat_template == {"rag": "rag"}
    with pytest.raises(DefinitionError, match=r"has no chat template 'default'; it has 'rag'"):
        files.style()


def test_line_ends_are_read_as_transformers_reads_them(tmp_path):
    tokenizer().save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"{% for m in messages %}\r\n{{ m.content }}\rx\n{% endfor %}")
    assert "\r" not in same_as_transformers(tmp_path).template()


def test_each_of_its_files_is_read_alone(tmp_path):
    config = write(tmp_path / "tokenizer_config.json", chat_template=SOURCE, **TOKENS)
    (tmp_path / "mine.jinja").write_text(SOURCE)
    alone = write(tmp_path / "sub" / "chat_template.json", chat_template=SOURCE)
    assert read_tokenizer_files(config) == TokenizerFiles(config, {"default": SOURCE}, TOKENS, config)
    assert read_tokenizer_files(alone).chat_template == SOURCE
    expected = Style.from_chat_template(SOURCE, bos_token="<s>", eos_token="</s>")
    assert find_style(config).load().text(HELLO, False) == expected.text(HELLO, False)
    for path in (tmp_path / "mine.jinja", alone, tmp_path / "sub"):
        assert (
            find_style(path).load("<s>", "</s>")
            == find_style(str(path)).load(bos_token="<s>", eos_token="</s>")
            == expected
        )


def test_a_given_token_stands_in_place_of_the_files_own(tmp_path):
    write(tmp_path / "tokenizer_config.json", chat_template=SOURCE, **TOKENS)
    assert find_style(tmp_path).load(eos_token="[END]").stop == "[END]"
    assert find_style(tmp_path).load(eos_token="").render(HELLO).text == "<s>[user]\nChives?[assistant]\nSnip."


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.jinja", b"\xff", "t.jinja is not UTF-8 at byte 0"),
        ("t.json", b"", "t.json is not JSON: line 1: Expecting value"),
        ("t.json", b"\n[1,]", "t.json is not JSON: line 2: "),
        ("t.json", b"[]", "t.json does not contain a JSON object"),
        ("t.json", b"[" * 100_000, "t.json is nested too deeply"),
        ("t.json", b'{"x": ' + b"1" * 5_000 + b"}", "t.json is not JSON that can be read"),
        ("t.json", b"{}", "t.json has no chat template; name a style instead"),
        ("t.json", b'{"chat_template": null}', "t.json has no chat template"),
        ("t.json", b'{"chat_template": 5}', "chat_template must be text, or a list of names and templates; got 5"),
        ("t.json", b'{"chat_template": []}', "chat_template must be text, or a list"),
        ("t.json", b'{"chat_template": [{"name": "x"}]}', "chat_template must be text, or a list"),
        ("t.json", b'{"chat_template": [{"name": "defualt", "template": "x"}]}', "Did you mean 'defualt'"),
    ],
)
def test_a_damaged_file_is_said_with_its_name(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises((FileError, DefinitionError), match=r".") as caught:
        find_style(tmp_path / name).load()
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_what_is_no_tokenizers_directory_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"neither tokenizer_config.json nor chat_template.jinja"):
        read_tokenizer_files(tmp_path)
    (tmp_path / "chat_template.jinja").mkdir()
    with pytest.raises(FileError, match="neither"):
        read_tokenizer_files(tmp_path)
    with pytest.raises(FileError, match="cannot be read: embedded null byte"):
        read_tokenizer_files("a\0/b")
    with pytest.raises(FileError, match="cannot be read: File name too long"):
        find_style("x" * 300 + "/y")
    (tmp_path / "tokenizer_confg.json").write_text("{}")
    with pytest.raises(FileError, match=r"Did you mean 'tokenizer_confg.json'"):
        read_tokenizer_files(tmp_path / "tokenizer_config.json")


def test_a_file_of_any_size_is_read_in_bounded_memory(tmp_path):
    with (tmp_path / "t.jinja").open("wb") as file:
        os.truncate(file.fileno(), MAX_FILE_BYTES * 8)
    with pytest.raises(FileError, match="has more than 67,108,864 bytes"):
        find_style(tmp_path / "t.jinja")


def test_a_template_that_does_not_parse_has_its_line(tmp_path):
    write(tmp_path / "tokenizer_config.json", chat_template="{# one #}\n{% if %}")
    with pytest.raises(StyleSyntaxError) as caught:
        find_style(tmp_path).load()
    assert caught.value.line == 2


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([
    "chat_template", "bos_token", "source_token", "source", "reasoning", "limits", "self", "cls", "messages",
    "extra_special_tokens", "additional_special_tokens", "_token",
])  # fmt: skip


@given(st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES)), st.sampled_from(["tokenizer_config", "other"]))
def test_any_json_is_a_style_or_an_error_of_this_library(tmp_path_factory, data, name):
    path = tmp_path_factory.mktemp("files") / f"{name}.json"
    path.write_text(json.dumps({"chat_template": SOURCE, **data}), encoding="utf-8")
    try:
        find_style(path).load().text(HELLO, add_generation_prompt=False)
    except PrefTemplatesError as error:
        message = str(error)
    else:
        message = ""
    assert not message or message.isprintable()


def test_hostile_names_are_escaped_in_every_error(tmp_path):
    for name in ("\x1b[31mred.jinja", "two\nlines.json", "[bold]x\u202e.json", "\x9b1m"):
        path = tmp_path / name
        errors = [style_error(path)]
        path.write_bytes(b"\xff")
        errors.append(style_error(path))
        path.write_text("{}" if path.suffix == ".json" else "{% if %}")
        errors.append(style_error(path))
        path.unlink()
        path.mkdir()
        errors.append(style_error(path))
        write(path / "tokenizer_config.json", chat_template={"\x1b[1m": "x"})
        errors.append(style_error(path))
        assert all(str(error).isprintable() for error in errors), [str(error) for error in errors]


def style_error(path):
    with pytest.raises(PrefTemplatesError) as caught:
        find_style(path).load()
    return caught.value
