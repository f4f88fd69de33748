"""Tokenizers 1.x without transformers: `tokenize`, batches and the command give what 0.2x gives, or a one-line error.

pytest -m engines tests/tokens/engines
"""

import json
import os
import re
import subprocess
import sys
from random import Random

import encode_alone
import pyarrow.parquet as pq
import pytest
from engine_support import json_of, make_version_1_environment
from support import real_rows
from token_support import CHATML, MARKS, STYLES, tokenizer_for_style, tokenizer_of
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

from preftemplates.cli.load_template import read_tokenizer

pytestmark = pytest.mark.engines

PARTS = (
    *MARKS, "<|", "|>", "<think>", "</think>", "Hello", " world", "é", "e\u0301", "日本", "👩‍🚀", "\n\n", "  ", " ",
    "\t", "'s", ".", "ASSISTANT:", "x", "\xa0", "\u200b", "\x04",
)  # fmt: skip


def add_flagged():
    """A tokenizer as Llama's with added tokens of every flag."""
    model = Tokenizer.from_str(tokenizer_of("llama_legacy").backend_tokenizer.to_str())
    flags = ({"lstrip": True}, {"rstrip": True}, {"single_word": True}, {"normalized": True})
    for mark, flag in zip(("<|im_start|>", "<|im_end|>", "<|user|>", "<|assistant|>"), flags, strict=True):
        model.add_tokens([AddedToken(mark, **{"normalized": False} | flag)])
    return PreTrainedTokenizerFast(tokenizer_object=model, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def lack_byte():
    """A tokenizer as SmolLM2's, whose vocabulary lacks a byte: the fourth."""
    description = json.loads(json_of("byte_level"))
    vocabulary = description["model"]["vocab"]
    vocabulary["<unused>"] = vocabulary.pop("Ą")
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(description)))


EQUAL = {
    "byte_level": lambda: tokenizer_of("byte_level"),
    "byte_level_with_bos": lambda: tokenizer_of("byte_level_with_bos"),
    "byte_level_with_plain_marks": lambda: tokenizer_of("byte_level_with_plain_marks"),
    "metaspace_first": lambda: tokenizer_of("metaspace_first"),
    "llama_legacy": lambda: tokenizer_of("llama_legacy"),
    "llama_legacy_with_flags": add_flagged,
    "words": lambda: tokenizer_for_style("chatml", False),
    "words_with_bos": lambda: tokenizer_for_style("llama3", True),
}
"""Tokenizers whose tokens spell every text."""

SPELLED = {
    "byte_level_normalized": lambda: tokenizer_of("byte_level_normalized"),
    "lacking_a_byte": lack_byte,
}
"""Tokenizers whose tokens spell the texts that have composed accents only, and no byte that the vocabulary lacks."""

REFUSED = {
    "byte_level_with_prefix": (
        lambda: tokenizer_of("byte_level_with_prefix"),
        "cannot load this tokenizer: ValueError: a",
    ),
    "unigram": (
        lambda: tokenizer_of("unigram"),
        "gives the ids [11, 110] for the added token '<think>', expected [110]",
    ),
    "word_piece": (lambda: tokenizer_of("word_piece"), "the tokens of this tokenizer do not spell their texts (it"),
}
"""Tokenizers that 1.x cannot load, reads otherwise, or for which it would need offsets."""


def draw_cases(seed):
    """Draw conversations in some style, and rows of two answers."""
    rng = Random(seed)
    rows = real_rows("llamafactory/dpo_zh_demo.json") + real_rows("llamafactory/dpo_en_demo.json")
    texts = [row[side]["value"][:200] for row in rows for side in ("chosen", "rejected")]

    def draw_text():
        if rng.random() < 0.4:
            return rng.choice(texts)
        return "".join(rng.choices(PARTS, k=rng.randrange(1, 8)))

    turns = ("user", "assistant", "user", "assistant")
    conversations = [
        (rng.choice(STYLES), [{"role": role, "content": draw_text()} for role in turns[: rng.choice((2, 2, 4))]])
        for _ in range(150)
    ]
    pairs = [{"prompt": draw_text(), "chosen": draw_text(), "rejected": draw_text()} for _ in range(60)]
    return conversations, pairs


def run_alone(python, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, *map(str, arguments)], capture_output=True, text=True, cwd="/", env=environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def python():
    """The Python of an environment with tokenizers 1.x alone."""
    found = make_version_1_environment()
    code = "import tokenizers, importlib.util as u; print(tokenizers.__version__, u.find_spec('transformers'))"
    assert run_alone(found, "-c", code).stdout == "1.0.0-rc.3 None\n"
    return found


@pytest.fixture(scope="module")
def results(python, tmp_path_factory):
    """The folder, and what both environments make of it: 1.x first."""
    folder = tmp_path_factory.mktemp("alone")
    makers = EQUAL | SPELLED | {name: maker for name, (maker, _) in REFUSED.items()}
    for name, maker in makers.items():
        maker().save_pretrained(folder / name)
    cases = {name: draw_cases(seed) for seed, name in enumerate(makers)}
    (folder / "cases.json").write_text(json.dumps(cases))
    run_alone(python, encode_alone.__file__, folder)
    alone = json.loads((folder / "results.json").read_text())
    read_tokenizer.cache_clear()
    return folder, alone, json.loads(json.dumps(encode_alone.encode_cases(folder)))


def read_tables(folder, name):
    """The rows that tokenizers 1.x alone gives, and those of 0.2x."""
    alone = pq.read_table(folder / f"{name}.JsonTokenizer.parquet")
    (other,) = {*folder.glob(f"{name}.*.parquet")} - {folder / f"{name}.JsonTokenizer.parquet"}
    expected = pq.read_table(other)
    assert alone.schema == expected.schema
    return alone.to_pylist(), expected.to_pylist()


@pytest.mark.parametrize("name", EQUAL)
def test_tokens_masks_and_errors_are_equal(name, results):
    _, alone, expected = results
    assert alone[name] == expected[name]
    assert sum(isinstance(result, list) for result in alone[name]) > 120


@pytest.mark.parametrize("name", EQUAL)
def test_batches_are_equal(name, results):
    alone, expected = read_tables(results[0], name)
    assert alone == expected
    assert sum(row["preftemplates_error"] is None for row in alone) > 50


@pytest.mark.parametrize("name", SPELLED)
def test_texts_that_are_not_spelled_are_errors(name, results):
    folder, alone, expected = results
    pairs = [*zip(alone[name], expected[name], strict=True), *zip(*read_tables(folder, name), strict=True)]
    others = [result for result, right in pairs if result != right]
    assert 0 < len(others) < len(pairs) * 0.6
    for result in others:
        message = result if isinstance(result, str) else result["preftemplates_error"]
        assert (
            "do not spell its bytes, so their characters are unknown (tokenizers 1.0.0-rc.3 has no offsets)" in message
        )
        assert message.isprintable()


@pytest.mark.parametrize("name", REFUSED)
def test_other_tokenizers_are_refused(name, results):
    messages = {*results[1][name]}
    for message in messages:
        assert REFUSED[name][1] in message
        assert "; install tokenizers before 1.0 (pip install 'tokenizers<1')" in message
        assert message.isprintable()
    assert len({message.removeprefix("DefinitionError: ") for message in messages}) == 1


def test_the_command_writes_an_equal_file(python, tmp_path):
    tokenizer = tokenizer_for_style("chatml", False)
    tokenizer.chat_template = CHATML.chat_template
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    rows = draw_cases(99)[1]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables, notes = [], []
    for number, command in enumerate((python, sys.executable)):
        out = tmp_path / f"{number}.parquet"
        words = ("tokenize", tmp_path / "rows.jsonl", "-t", "TRL", "--tokenizer", tmp_path / "tokenizer", "-o", out)
        done = run_alone(command, "-m", "preftemplates", *words)
        notes.append(re.findall(r"style: .* of |\d+ rows = .* rejected|[\d,]+ ids, .*", done.stderr))
        tables.append(pq.read_table(out))
    assert tables[0] == tables[1]
    assert notes[0] == notes[1]
    assert len(notes[0]) == 3
    assert tables[0].num_rows > 50


def test_the_files_of_version_1_are_read(python, tmp_path):
    """What 1.x writes has another format, which 0.2x does not read."""
    code = """
import json, sys, tokenizers
from preftemplates import get_style, tokenize
from preftemplates.tokens.json_tokenizer import JsonTokenizer
talk = [{"role": role, "content": f"Hello <|im_end|> {role}</s>"} for role in ("user", "assistant")]
for folder in sys.argv[1:]:
    text = open(f"{folder}/tokenizer.json").read()
    newer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json").__reduce__()[1][0]
    assert json.loads(newer)["version"] == "2.0"
    tokens = [tokenize(get_style("chatml").render(talk), JsonTokenizer(each)) for each in (text, newer)]
    assert tokens[0] == tokens[1], folder
"""
    names = [name for name in EQUAL if name != "llama_legacy_with_flags"]
    for name in names:
        EQUAL[name]().save_pretrained(tmp_path / name)
    run_alone(python, "-c", code, *(tmp_path / name for name in names))
