"""Near copies of many prompts at once are those that are found one by one."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_copies import KINDS, make_synthetic_prompts

from preftemplates.data.columnar.checks import near_copies, normal_prompts
from preftemplates.data.columnar.checks.copies import CopySamples
from preftemplates.data.columnar.checks.message_columns import MessageColumns
from preftemplates.data.columnar.checks.near_copies import ColumnarNearCopyIndex
from preftemplates.data.columnar.checks.normal_prompts import NormalPrompts
from preftemplates.data.near_copies import NearCopyIndex
from preftemplates.data.normal_prompt import normalise_prompt

ODD = (
    "3.5 apples", "35 apples", "1, 2, 3", "12-3 is what?", "12 3 is what?", "", "   ", "!!!", "日本語のテキストです。",
    "日本語、テキスト", "C++ or C#?", "I’m “fine”", "Im fine", "Tell me: 3.5 apples? Thanks!", "a\ud800b",
    " ".join(f"w{n}" for n in range(700)), ". ".join(f"w{n} x{n} y{n}" for n in range(300)),
    "Please answer: 日本語 の テキスト です. Thank you, it is for a friend of mine who asked me yesterday!",
)  # fmt: skip
SYSTEM = {"role": "system", "content": "Be brief."}


def draw_prompts(random, count):
    """Prompts, most of which are copies of others with one change or several."""
    texts, prompts = [*make_synthetic_prompts(9, random), *ODD], []
    for _ in range(count):
        text = random.choice(texts)
        for _ in range(random.choice((0, 1, 1, 2))):
            text = random.choice([*KINDS.values()])(text, random) or text
        texts.append(text)
        prompt = [{"role": "user", "content": text}]
        if random.random() < 0.3:
            prompt = [{"role": "user", "content": random.choice(texts[:3])},
                      {"role": "assistant", "content": random.choice(("Ok.", "ok", ""))}, *prompt]  # fmt: skip
        if random.random() < 0.2:
            prompt = [SYSTEM, *prompt] if random.random() < 0.9 else [SYSTEM]
        prompts.append(prompt)
    return prompts


def make_samples(prompts, first_row):
    nothing = np.zeros(len(prompts), np.uint64)
    rows = first_row + np.arange(len(prompts))
    return CopySamples(rows, MessageColumns.of_messages(prompts), (), nothing, nothing > 0, nothing, nothing)


def find_at_once(prompts, sizes, **options):
    """The near copies by number, found some prompts at a time."""
    index, found, at = ColumnarNearCopyIndex(**options), {}, 0
    for size in sizes:
        batch, places = make_samples(prompts[at : at + size], at).prompts
        near = index.find_and_add(NormalPrompts(batch), at + places)
        found |= {int(at + places[number]): copy for number, copy in near.items()}
        at += size
    return found, index


def find_one_by_one(prompts, **options):
    index, found = NearCopyIndex(**options), {}
    for row, prompt in enumerate(prompts):
        normal = normalise_prompt(prompt)
        if normal is not None:
            copy = index.find(normal)
            index.add(normal, row)
            found |= {} if copy is None else {row: copy}
    return found, index


def compare(seed, count=120, **options):
    random = Random(seed)
    prompts, sizes = draw_prompts(random, count), []
    while sum(sizes) < count:
        sizes.append(random.choice((1, 7, 60)))
    many, many_index = find_at_once(prompts, sizes, **options)
    ones, one_index = find_one_by_one(prompts, **options)
    assert many == ones
    assert (len(many_index), many_index.forgotten) == (len(one_index), one_index.forgotten)
    return many


def compare_some():
    for seed in range(5):
        compare(seed, 1000)


@given(st.integers(0, 2**32))
def test_near_copies_are_those_that_are_found_one_by_one(seed):
    compare(seed)
    compare(seed, max_prompts=20)


def test_every_kind_is_among_them():
    found = compare(0, 2000)
    assert {copy.difference for copy in found.values()} == {
        near_copies.RECASED, near_copies.OTHER_SYSTEM, near_copies.ONE_WORD, near_copies.WRAPPED,
        near_copies.UNWRAPPED, near_copies.REORDERED,
    }  # fmt: skip
    assert sum(copy.difference == near_copies.ONE_WORD for copy in found.values()) > 20


@pytest.mark.parametrize(
    ("module", "name", "planted"),
    [
        (normal_prompts, "MAX_CORES", 1),
        (normal_prompts, "MAX_COMPARED_WORDS", 10**6),
        (normal_prompts, "SIGNED", 0),
        (normal_prompts, "_may_wrap", lambda core, *_: core > 0),
        (near_copies, "MAX_VARIANTS", 1),
        (near_copies, "_count_common", lambda *arguments: 0 * arguments[-1]),
    ],
)
def test_a_planted_fault_is_found(module, name, planted, monkeypatch):
    monkeypatch.setattr(module, name, planted)
    with pytest.raises(AssertionError):
        compare_some()


def test_memory_is_below_one_kibibyte_a_prompt():
    random = Random(4)
    prompts = [[{"role": "user", "content": text}] for text in make_synthetic_prompts(3000, random)]
    _, index = find_at_once(prompts, [3000])
    assert index.bytes_held < 1024 * len(index)
