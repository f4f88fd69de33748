"""The other engines, installed by uv under `build/engines`, give the ids of tokenizers 0.2x or are refused.

pytest -m engines tests/tokens/engines
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from engine_support import (
    FOLDER,
    TEXTS,
    VERSION_1,
    json_of,
    lack_bytes,
    make_version_1_environment,
    reference_of,
    run_uv,
)
from filelock import FileLock
from support import real_rows
from token_support import KINDS
from tokenizers import AddedToken, Tokenizer, normalizers

from preftemplates.errors import DefinitionError
from preftemplates.tokens.engines.loading import load_engine
from preftemplates.tokens.engines.self_check import check_engine

pytestmark = pytest.mark.engines

PACKAGES = (
    *("tokie==0.1.4", "gigatoken==0.10.0", "awkward==2.14.0", "awkward-cpp==57"),
    *("lazy-importer", "importlib-metadata", "zipp"),
)


def install(target, *requirements):
    """Install packages into a folder, without what they need."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(FOLDER / "lock"):
        if not (FOLDER / target).exists():
            words = ("pip", "install", "--quiet", "--no-deps", "--python", sys.executable)
            run_uv(*words, "--target", str(FOLDER / f"{target}.part"), *requirements)
            (FOLDER / f"{target}.part").rename(FOLDER / target)
    return str(FOLDER / target)


@pytest.fixture(scope="module")
def version_1():
    """The folder into which tokenizers 1.x is installed."""
    return install("tokenizers-1", VERSION_1)


@pytest.fixture
def _packages(monkeypatch):
    """Put the other packages after those of this environment."""
    monkeypatch.setattr(sys, "path", [*sys.path, install("packages", *PACKAGES)])


def make_odd_tokens():
    """The JSON of a tokenizer whose added tokens have every flag."""
    tokenizer = Tokenizer.from_str(json_of("byte_level"))
    tokenizer.normalizer = normalizers.NFC()
    flags = ({"lstrip": True}, {"rstrip": True}, {"single_word": True}, {"normalized": True})
    tokenizer.add_tokens([AddedToken(f"<|{at}|>", **{"normalized": False} | flag) for at, flag in enumerate(flags)])
    tokenizer.add_tokens([AddedToken("word", single_word=True, normalized=False)])
    return tokenizer.to_str()


def assert_equal(name, tokenizer_json):
    """Load an engine, and compare its ids for real texts."""
    rows = real_rows("llamafactory/dpo_zh_demo.json") + real_rows("llamafactory/dpo_en_demo.json")
    texts = [*TEXTS, *(row[side]["value"] for row in rows for side in ("chosen", "rejected"))]
    reference = reference_of(tokenizer_json)
    engine = load_engine(name, tokenizer_json, reference)
    batch, expected = engine.encode(texts), reference.encode(texts)
    assert np.array_equal(batch.counts, expected.counts)
    assert np.array_equal(batch.ids, expected.ids)
    return engine


# --- tokenizers 1.x --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"byte_level_with_prefix", "unigram"}))
def test_version_1_is_equal(kind, version_1):
    assert assert_equal(version_1, json_of(kind)).name.startswith("tokenizers 1.0")
    assert sys.modules["tokenizers"].__version__.startswith("0.2")


def test_version_1_reads_odd_added_tokens(version_1):
    assert_equal(version_1, make_odd_tokens())


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("byte_level_with_prefix", "cannot load this tokenizer: ValueError: a `ByteLevel`"),
        ("unigram", "text '<think>' in a batch: got [11, 110], expected [110]"),
    ],
)
def test_version_1_is_refused_where_it_differs(kind, reason, version_1):
    with pytest.raises(DefinitionError) as refused:
        load_engine(version_1, json_of(kind), reference_of(json_of(kind)))
    assert reason in str(refused.value)


def test_version_1_has_another_version_of_unicode(version_1):
    tokenizer_json = json_of("word_piece")
    reference = reference_of(tokenizer_json)
    engine = load_engine(version_1, tokenizer_json, reference)
    assert "\u1b4e" in engine._characters  # punctuation since Unicode 16
    with pytest.raises(DefinitionError, match="probe texts differ"):
        check_engine(engine._engine, reference, tokenizer_json)


def test_version_1_reads_a_vocabulary_that_lacks_bytes(version_1):
    assert_equal(version_1, lack_bytes())


def test_version_1_needs_no_transformers():
    python = make_version_1_environment()
    code = f"""
import importlib.util, json
from preftemplates.errors import DefinitionError
from preftemplates.tokens.engines.loading import load_engine
from preftemplates.tokens.engines.tokenizers_1 import load_tokenizers_1_engine
assert importlib.util.find_spec("transformers") is None
text = {json_of("byte_level")!r}
engine = load_engine("tokenizers-1", text, load_tokenizers_1_engine(text, None))
try:
    load_engine("tokenizers", text, engine)
except DefinitionError as error:
    print(json.dumps([engine.name, str(error), engine.encode({TEXTS!r}).ids.tolist()]))
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd="/", env=environment)
    assert done.returncode == 0, done.stderr
    name, refused, ids = json.loads(done.stdout)
    assert name.startswith("tokenizers 1.0")
    assert refused.endswith("is installed; use the engine 'tokenizers-1'")
    assert ids == reference_of(json_of("byte_level")).encode(TEXTS).ids.tolist()


# --- gigatoken and tokie ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_packages")
@pytest.mark.parametrize("kind", sorted({*KINDS} - {"unigram", "word_piece"}))
def test_gigatoken_is_equal(kind):
    assert assert_equal("gigatoken", json_of(kind)).name == "gigatoken 0.10.0"


@pytest.mark.usefixtures("_packages")
def test_gigatoken_reads_a_vocabulary_that_lacks_bytes():
    assert_equal("gigatoken", lack_bytes())


@pytest.mark.usefixtures("_packages")
def test_gigatoken_is_equal_without_awkward(monkeypatch):
    monkeypatch.setitem(sys.modules, "awkward", None)
    assert_equal("gigatoken", json_of("byte_level"))


@pytest.mark.usefixtures("_packages")
@pytest.mark.parametrize("kind", ["unigram", "word_piece"])
def test_gigatoken_is_refused_for_other_models(kind):
    with pytest.raises(
        DefinitionError, match="engine 'gigatoken' cannot load this tokenizer: RuntimeError: Unsupported"
    ):
        load_engine("gigatoken", json_of(kind), reference_of(json_of(kind)))


@pytest.mark.usefixtures("_packages")
def test_gigatoken_is_refused_where_it_differs():
    with pytest.raises(DefinitionError, match=r"engine gigatoken 0\.10\.0, text .* probe texts differ"):
        load_engine("gigatoken", make_odd_tokens(), reference_of(make_odd_tokens()))


@pytest.mark.usefixtures("_packages")
@pytest.mark.parametrize("kind", KINDS)
def test_tokie_is_refused(kind):
    """Version 0.1.4 differs for each of them: in vertical tabs after line ends, if in nothing else."""
    with pytest.raises(DefinitionError, match=r"engine tokie 0\.1\.4, text .* probe texts differ"):
        load_engine("tokie", json_of(kind), reference_of(json_of(kind)))
