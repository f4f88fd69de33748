"""Measure near copies of prompts: how many planted ones are found, which others are reported, and the cost.

    python benchmarks/near_copies.py
    python benchmarks/near_copies.py --show 50
    python benchmarks/near_copies.py --rows 10000 100000 1000000

Copies of six kinds are planted in real prompts of three lengths, and searched for among all of them in both
directions: the copy among the prompts, and the prompt among the copies. Alarms are prompts of the real sets that are
reported as near copies of earlier ones. `--show` prints some of them to read; for sets with harmful text it prints
only the rows' numbers. Time and memory are measured on made-up prompts, a third each of 7, 24 and 132 words.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates import check, get_template
from preftemplates.data import open_rows
from preftemplates.data.near_copies import NearCopyIndex
from preftemplates.data.normal_prompt import normalise_prompt
from preftemplates.errors import RowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from preftemplates import Message
    from preftemplates.data.near_copies import NearCopy

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from planted_copies import KINDS, LENGTHS, find_length, make_synthetic_prompts  # noqa: E402

Prompt = list["Message"]

PART = 10_000
"""How many prompts are made at a time."""


class RealSet(NamedTuple):
    """A file of real rows, and the way in which it is read."""

    path: str
    template: str
    format: Any = "preference"
    is_harmful: bool = False


REAL_SETS = {
    "DPO, English": RealSet("llamafactory/dpo_en_demo.json", "LLaMA-Factory-sharegpt-ranking"),
    "KTO, English": RealSet("llamafactory/kto_en_demo.json", "LLaMA-Factory-kto", "unpaired"),
    "DPO, Chinese": RealSet("llamafactory/dpo_zh_demo.json", "LLaMA-Factory-sharegpt-ranking"),
    "OASST, Chinese": RealSet("oasst/oaast_rm_zh.json", "OASST-zh-ranked", "ranked"),
    "OASST, English": RealSet("oasst/en_100_tree.jsonl", "OASST-trees", "ranked"),
    "HH harmless": RealSet("hh_rlhf/harmless-base_test_even.jsonl.gz", "HH", is_harmful=True),
}


def read_prompts(data: Path, real_set: RealSet) -> list[tuple[int, Prompt]]:
    """Return the prompts of a set, each with its row."""
    template, prompts = get_template(real_set.template), []
    for record in open_rows(str(data / real_set.path), cell_parsers=template.cell_parsers):
        try:
            samples = template.extract_all(record.cells, real_set.format).samples
        except RowError:
            continue
        prompts += [(record.row, sample.prompt) for sample in samples]
    return prompts


def find_alarms(prompts: Iterable[tuple[int, Prompt]], index: NearCopyIndex) -> list[tuple[int, NearCopy]]:
    """Add all prompts to an index, and return the rows that are near copies of earlier ones."""
    alarms = []
    for row, prompt in prompts:
        normal = normalise_prompt(prompt)
        if normal is not None:
            copy = index.find(normal)
            index.add(normal, row)
            if copy is not None and copy.row != row:
                alarms.append((row, copy))
    return alarms


def plant(prompts: Iterable[Prompt], kind: str) -> list[tuple[str, Prompt, Prompt]]:
    """Return the length of each prompt, the prompt and a copy of it."""
    rng, planted = random.Random(0), []
    for prompt in prompts:
        last = prompt[-1] if prompt else {"role": "", "content": None}
        text = last.get("content")
        length = find_length(text) if isinstance(text, str) and last["role"] == "user" else None
        copied = KINDS[kind](str(text), rng) if length is not None else None
        if length is not None and copied is not None and copied != text:
            planted.append((length, prompt, [*prompt[:-1], {**last, "content": copied}]))
    return planted


def measure_recall(prompts: Sequence[Prompt], kind: str) -> dict[str, tuple[int, int]]:
    """Return how many copies are found and how many are planted, by length."""
    planted = plant(prompts, kind)
    found, total = Counter[str](), Counter[str]()
    for sources, targets in ((1, 2), (2, 1)):
        index = NearCopyIndex()
        for number, triple in enumerate(planted):
            normal = normalise_prompt(triple[sources])  # type: ignore[arg-type]
            if normal is not None:
                index.add(normal, number)
        for triple in planted:
            normal = normalise_prompt(triple[targets])  # type: ignore[arg-type]
            total[triple[0]] += 1
            found[triple[0]] += normal is not None and index.find(normal) is not None
    return {length: (found[length], total[length]) for length in LENGTHS if total[length]}


def print_recall(data: Path) -> None:
    """Print a table of the found copies, for all sets together and for each set."""
    by_set = {
        name: {kind: measure_recall([prompt for _, prompt in read_prompts(data, real_set)], kind) for kind in KINDS}
        for name, real_set in REAL_SETS.items()
    }
    print(f"{'copies found':26}" + "".join(f"{length:>24}" for length in LENGTHS))
    for name in ("all sets", *by_set):
        print(name)
        for kind in KINDS:
            counts = by_set.values() if name == "all sets" else [by_set[name]]
            cells = []
            for length in LENGTHS:
                found, total = (sum(one[kind].get(length, (0, 0))[n] for one in counts) for n in (0, 1))
                cells.append(f"{found:,} of {total:,} ({found / total:.1%})" if total else "-")
            print(f"  {kind:24}" + "".join(f"{cell:>24}" for cell in cells))


def print_alarms(data: Path, shown: int) -> None:
    """Print how many prompts of each set are reported, and some of them."""
    for name, real_set in REAL_SETS.items():
        prompts = read_prompts(data, real_set)
        print_set_alarms(name, prompts, real_set.is_harmful, shown)
        turns = {str(turn.get("content")): turn for _, prompt in prompts for turn in prompt if turn["role"] == "user"}
        singles: list[tuple[int, Prompt]] = [(row, [turn]) for row, turn in enumerate(turns.values())]
        print_set_alarms(f"{name}, each turn alone", singles, real_set.is_harmful, shown)


def print_set_alarms(name: str, prompts: list[tuple[int, Prompt]], is_harmful: bool, shown: int) -> None:
    """Print how many prompts are reported, by difference, and some of them."""
    alarms = find_alarms(prompts, NearCopyIndex())
    kinds = Counter(copy.difference for _, copy in alarms)
    listed = "".join(f", {count} {difference}" for difference, count in kinds.items())
    print(f"{name:36} {len(prompts):5,} prompts, {len(alarms):3} alarms ({len(alarms) / len(prompts):.2%}){listed}")
    texts = {row: str(prompt[-1].get("content")) for row, prompt in reversed(prompts)}
    for row, copy in random.Random(0).sample(alarms, min(shown, len(alarms))):
        pair = "" if is_harmful else f": {texts[copy.row][:90]!r} | {texts[row][:90]!r}"
        print(f"    row {row}, {copy.difference} (row {copy.row}){pair}")


def measure_index(size: int) -> str:
    """Return the time and memory for an index of made-up prompts, which are made in parts."""
    index, seconds = NearCopyIndex(max_prompts=size), 0.0
    for start in range(0, size, PART):
        texts = make_synthetic_prompts(min(PART, size - start), random.Random(start))
        prompts: list[tuple[int, Prompt]] = [(start, [{"role": "user", "content": text}]) for text in texts]
        begin = time.process_time()
        find_alarms(prompts, index)
        seconds += time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{size:9,} prompts: {seconds / size * 1e6:5.0f} us and {index.bytes_held / size:4.0f} bytes per prompt,"
        f" {index.compared} compared word by word, process {peak:,.0f} MiB at most"
    )


def measure_check(data: Path, real_set: RealSet, without: Sequence[str]) -> float:
    """Return the CPU time of `check` in microseconds per row: the smallest of three."""
    template, times = get_template(real_set.template), []
    rows = list(open_rows(str(data / real_set.path), cell_parsers=template.cell_parsers))
    for _ in range(3):
        begin = time.process_time()
        check(rows, template, real_set.format, without=without)
        times.append(time.process_time() - begin)
    return min(times) / len(rows) * 1e6


def print_costs(data: Path, sizes: Sequence[int]) -> None:
    """Print the time and memory per made-up prompt, and the time of `check` with and without near copies."""
    for size in sizes:
        print(measure_index(size), flush=True)
    for name, real_set in REAL_SETS.items():
        every, less = (measure_check(data, real_set, w) for w in ((), ("near_duplicate", "near_test")))
        print(f"{name:16} check {every:5.0f} us per row, {less:5.0f} without near copies: {every / less:.2f}")


def main() -> None:
    """Print recall, alarms and costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the folder of real rows")
    parser.add_argument("--show", type=int, default=0, help="print this many alarms of each set [default: 0]")
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000], help="how many made-up prompts")
    options = parser.parse_args()
    print_recall(options.data)
    print_alarms(options.data, options.show)
    print_costs(options.data, options.rows)


if __name__ == "__main__":
    main()
