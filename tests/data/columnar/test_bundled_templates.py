"""Bundled templates by plans: tables of rows like an example, and of odd ones, give what the row path gives."""

from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from columnar_tables import check_table, draw_table, trust_plan
from planted import BUNDLED_TEMPLATES
from support import few

from preftemplates import BatchFormatter, get_template
from preftemplates.data.columnar import (
    cell_checks,
    formatting,
    kernels,
    message_filters,
    numbers,
    turn_operations,
    turn_sources,
)
from preftemplates.data.columnar.cells import OPERATIONS, TurnColumns
from preftemplates.data.columnar.turns import ROLE_CODES, PartTurns
from preftemplates.errors import PrefTemplatesError
from preftemplates.testing.strategies import get_columns_read

DIALECTS = ("trl", "text", "align-anything")


def list_adapted(name):
    """A template in each dialect and format that it can be spelled in, and examples."""
    for dialect in DIALECTS:
        template = get_template(name).with_style("chatml").with_dialect(dialect)
        for format in template.formats:
            for example in list_examples(template, format):
                adapted = template.with_columns([*example])
                try:
                    BatchFormatter(adapted, format)
                except PrefTemplatesError:
                    continue
                yield adapted, format, example


def list_examples(template, format):
    """The example, and one with media where the template has columns for them."""
    example = template.example
    has_media = "image" in get_columns_read(template, format) and "image" not in example
    return [example, {**example, "image": "pot.png"}] if has_media else [example]


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_a_table_is_formatted_as_its_rows_are(name):
    for seed in range(max(1, few().max_examples // 6)):
        for index, (template, format, example) in enumerate(list_adapted(name)):
            check_table(template, format, draw_table(Random(f"{name}{index}{seed}"), example))


@pytest.mark.parametrize("ties", ["drop", "keep", "half"])
@pytest.mark.parametrize("format", ["supervised", "unpaired", "preference"])
@pytest.mark.parametrize("name", ["Orca-DPO", "UltraFeedback-binarized", "WebGPT", "Orca-DPO-distilabel"])
def test_pairs_that_may_be_ties_and_what_is_made_of_them(name, format, ties):
    template = get_template(name).with_style("chatml").with_dialect("text").with_ties(ties)
    for seed in range(few().max_examples):
        check_table(template, format, draw_table(Random(seed), template.example))


BY_ROWS = {
    # several responses, or steps
    "HelpSteer-grouped": ["ranked"], "LM-human-preferences": ["ranked"], "Math-Shepherd": ["prompt_only", "stepwise"],
    "Nectar": ["prompt_only", "ranked"], "NeMo-RL": ["ranked"], "OASST-trees": ["prompt_only", "ranked"],
    "PRM800K": ["prompt_only", "stepwise"], "RewardBench2": ["ranked"], "TRL-ranked": ["ranked"],
    "TRL-ranked-messages": ["ranked"], "TRL-stepwise": ["stepwise"], "UltraFeedback": ["ranked"],
    "UltraFeedback-overall": ["ranked"],
    # media, and tools
    "AA-TA2T": ["prompt_only", "preference"], "AA-TI2T": ["prompt_only", "preference"],
    "AA-TV2T": ["prompt_only", "preference"], "RLAIF-V": ["prompt_only", "preference"],
    "SafeRLHF-V": ["prompt_only", "preference"], "TRL-tools": ["prompt_only", "supervised", "preference"],
    "LLaMA-Factory-toolcall": ["prompt_only", "supervised"],
    "LLaMA-Factory-reasoning-tools": ["prompt_only", "supervised"],
    # lists of texts
    "ERNIE": ["prompt_only", "ranked"], "ERNIE-sft": ["prompt_only", "supervised"],
    "LLaMA-Factory-alpaca": ["prompt_only", "supervised", "preference", "unpaired"],
    "OASST-zh-ranked": ["prompt_only", "ranked"],
    # texts that are split; labels that are objects or lists; an item of a list by its index
    "GSM8K": ["prompt_only"], "HelpSteer": ["scored"], "HelpSteer2": ["scored"], "NeMo-Aligner-regression": ["scored"],
    "TLDR-comparisons": ["preference"],
}  # fmt: skip
"""The formats of which the example takes the row path, and why."""


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_examples_of_other_formats_are_formatted_as_columns(name):
    template = get_template(name).with_style("chatml").with_dialect("text")
    template = template.with_columns([*template.example])
    plans = {format: BatchFormatter(template, format).plan for format in template.formats}
    assert [format for format, plan in plans.items() if not plan.columnar] == BY_ROWS.get(name, [])


# --- planted faults -------------------------------------------------------------------------------------------------


def answer_nothing(monkeypatch):
    monkeypatch.setitem(OPERATIONS, "answered", lambda cells, source: cells.read_turns(source))


def keep_the_answer(monkeypatch):
    monkeypatch.setitem(OPERATIONS, "asking", lambda cells, source: cells.read_turns(source))


def share_too_much(monkeypatch):
    count = turn_operations._count_same
    monkeypatch.setattr(turn_operations, "_count_same", lambda one, two: np.minimum(count(one, two) + 1, one.counts))


def trust_every_speaker(monkeypatch):
    monkeypatch.setattr(turn_sources, "_find_role", lambda *_: "user")


def ignore_other_keys(monkeypatch):
    monkeypatch.setattr(turn_sources, "_are_null", lambda items, _: np.ones(len(items), bool))


def take_the_first_part(monkeypatch):
    def read(contents, text):
        counts = np.asarray(pc.fill_null(pc.list_value_length(contents), 0))
        places = pa.array(np.cumsum(counts) - counts, mask=counts == 0)
        return pc.struct_field(contents.flatten(), text).take(places)

    monkeypatch.setattr(turn_sources, "_read_lone_texts", read)


def ignore_media(monkeypatch):
    monkeypatch.setitem(message_filters.COLUMNAR_FILTERS, "show_media", lambda _, __, shown, *___: shown)


def cut_any_start(monkeypatch):
    def compare_lengths(texts, prefixes):
        shorter = pc.less_equal(pc.binary_length(prefixes), pc.binary_length(texts))
        return np.asarray(pc.fill_null(shorter, False))

    monkeypatch.setattr(kernels, "starts_with_texts", compare_lengths)


def compute_with_less(monkeypatch):
    read = numbers._read_numbers
    monkeypatch.setattr(numbers, "_read_numbers", lambda column: read(column).astype(np.float32).astype(np.float64))


def forget_the_bounds(monkeypatch):
    monkeypatch.setattr(cell_checks, "_check_numbers", lambda _, values, __: pa.array(np.isfinite(values)))


def forget_the_system(monkeypatch):
    read = OPERATIONS["extra_id_turns"]

    def read_as_user(cells, column):
        turns, known = read(cells, column)
        roles = np.maximum(turns.roles, ROLE_CODES["user"]).astype(np.uint8)
        return TurnColumns(PartTurns(turns.starts, turns.counts, roles, turns.contents), known)

    monkeypatch.setitem(OPERATIONS, "extra_id_turns", read_as_user)


FAULTS = {
    answer_nothing: ("UltraChat", "Tulu3-preference"),
    keep_the_answer: ("Messages", "ShareGPT"),
    share_too_much: ("Capybara-DPO", "DPO-mix-7k"),
    trust_every_speaker: ("ShareGPT", "ColossalChat-sft"),
    ignore_other_keys: ("UltraChat", "Tulu3-sft"),
    take_the_first_part: ("LLaMA-Factory-v1-pairs",),
    ignore_media: ("TRL", "TRL-messages"),
    cut_any_start: ("align-anything-text",),
    compute_with_less: ("SHP", "WebGPT"),
    forget_the_bounds: ("UltraFeedback-binarized", "SHP"),
    forget_the_system: ("NeMo-Aligner-dpo", "HelpSteer2-preference"),
}


def check_subjects(names):
    for seed in range(30):
        for name in names:
            for template, format, example in list_adapted(name):
                check_table(template, format, draw_table(Random(seed), example))


@pytest.mark.parametrize("plant", FAULTS)
def test_a_filter_that_does_something_else_is_caught(plant, monkeypatch):
    plant(monkeypatch)
    # the first row of each plan is compared with the row path, which would hide a fault that is in every row
    monkeypatch.setattr(formatting.ColumnarFormatter, "_compare", trust_plan)
    with pytest.raises(AssertionError):
        check_subjects(FAULTS[plant])
