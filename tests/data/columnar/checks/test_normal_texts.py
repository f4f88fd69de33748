"""Normal forms of many texts at once are those of each text, and a key table is a dictionary."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates.data.columnar.checks import normal_texts
from preftemplates.data.columnar.checks.hashes import Sequences
from preftemplates.data.columnar.checks.key_table import KeyTable
from preftemplates.data.columnar.checks.normal_texts import normalise_texts
from preftemplates.data.normal_text import normalise_text

PIECES = [
    "a", "B", "Cd", "the", "1", "22", " ", "  ", ",", ", ", ",\n", "\n", ".", ". ", "!", "-", "->", "--> ", "- ", "'",
    "`", '"', "(", ")", "#", "C++", "++", "é", "日", "ไ", "’", "“", "”", "—", "…", "‘", "\u00a0", "– ", "\t", "\x00",
    "\x1f", "\x85", "3.5", "1 - 2", "<", ":", "Word", "WORD", "ſ", "İ", "\u200b", "_", "\ud800", "Hello, World",
    " and so on" * 40,
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def describe(normal, index):
    """What `NormalText` says of a text, without its words."""
    first, last = normal.words[index], normal.words[index + 1]
    parts = normal.parts[normal.part_bounds[index] : normal.part_bounds[index + 1]]
    starts = normal.letter_places[np.append(parts, last)] - normal.letter_places[first]
    weights = np.append(0, np.cumsum(normal.weights))
    sizes = np.diff(weights[np.append(parts, last)]) if len(parts) else np.zeros(0)
    clauses = normal.is_clause[normal.part_bounds[index] : normal.part_bounds[index + 1]]
    return last - first, starts.tolist(), sizes.tolist(), clauses.tolist(), int(normal.signs[index])


def expect(normal):
    return len(normal.words), [*normal.starts], [*normal.sizes], [*normal.is_clause], normal.signs & (2**64 - 1)


def compare(texts):
    """Compare the normal forms of texts, with a mark where a clause may begin or without, with those one by one."""
    encoded = pa.array([text.encode("utf-8", "surrogatepass") for text, _ in texts], pa.binary())
    many = normalise_texts(encoded, np.array([marked for _, marked in texts], bool))
    ones = [normalise_text(text, with_openings=marked) for text, marked in texts]
    assert [describe(many, index) for index in range(len(texts))] == [*map(expect, ones)]
    by_letters = dict(zip((one.letters for one in ones), many.letters.hash_whole().tolist(), strict=True))
    assert [by_letters[one.letters] for one in ones] == many.letters.hash_whole().tolist()
    assert len({*by_letters.values()}) == len(by_letters)


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=6))
def test_many_texts_have_the_normal_forms_of_each(texts):
    compare(texts)


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("_NOTHING", 0xFE),  # apostrophes stay
        ("MARGIN", 299),
        ("_mark_openings", lambda *_: None),
        ("_MARKS", {"’": 0x81}),  # a quotation mark within a word ends a clause
        ("hash_signs", lambda *_: 0),
    ],
)
def test_a_planted_fault_is_found(name, planted, monkeypatch):
    end = " and so on" * 60
    texts = ["Well, it’s so, Mary said, isn't it?", "Is it 3.5?", f"{'a' * 298}, yes{end}"]
    compare([(text, True) for text in texts])
    monkeypatch.setattr(normal_texts, name, planted)
    with pytest.raises(AssertionError):
        compare([(text, True) for text in texts])


KEYS = st.lists(st.integers(0, 40) | st.integers(0, 2**64 - 1), max_size=30)


@given(st.lists(KEYS, max_size=6), st.integers(1, 4))
def test_a_key_table_is_a_dictionary_of_which_the_first_number_stays(batches, places):
    table, expected, number = KeyTable(), {}, 0
    table._keys, table._values = np.zeros(2**places, np.uint64), np.zeros(2**places, np.uint32)
    for keys in batches:
        values = np.arange(number, number + len(keys))
        number += len(keys)
        for key, value in zip(keys, values.tolist(), strict=True):
            expected.setdefault(key or 1, value)
        got = table.setdefault(np.array(keys, np.uint64), values)
        assert got.tolist() == [expected[key or 1] for key in keys]
        assert table.get(np.array(keys, np.uint64)).tolist() == got.tolist()
    assert len(table) == len(expected)
    assert table.get(np.array([41], np.uint64)).tolist() == [expected.get(41, -1)]


@given(st.lists(st.lists(st.integers(1, 3), max_size=60), min_size=1, max_size=5))
def test_equal_sequences_have_one_hash_wherever_they_are(sequences):
    counts = np.array([*map(len, sequences)])
    items = np.array([item for sequence in sequences for item in sequence], np.uint8)
    hashes = Sequences(items, np.cumsum(counts) - counts, counts).hash_whole().tolist()
    by_items = dict(zip(map(tuple, sequences), hashes, strict=True))
    assert [by_items[tuple(sequence)] for sequence in sequences] == hashes
    assert len({*hashes}) == len(by_items)
