"""Law 25: a batch has the ids, masks and lengths of its samples, each encoded alone; guarantee 17 holds in it too.

A path that encodes no sample in blocks would keep the law, so how many samples blocks encode is checked too.
"""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_STYLES, TEXT_TEMPLATES
from support import at_least
from token_rows import FORMATS, SCHEMA, BlockCounts, Everything, check_columns, draw_rows, make_row, tables
from token_support import KINDS, MARKS, tokenizer_of

from preftemplates import LossSelection, TokenBatchFormatter, get_template
from preftemplates.data.columnar.tokens import block_tokens
from preftemplates.data.columnar.tokens.block_tokens import BlockEncoder

EVERYTHING = Everything()
SELECTIONS = st.builds(LossSelection, st.sampled_from(("response", "assistant", "last")), st.booleans())


def check(kind, style, format, rows, selection=None):
    """Compare rows of `Everything` in a style; return how many results are no errors."""
    template, table = EVERYTHING.with_style(style), pa.Table.from_pylist(rows, SCHEMA)
    return check_columns(template, format, table, tokenizer_of(kind), selection)


@pytest.mark.parametrize("kind", KINDS)
@at_least(50)
@given(st.sampled_from(BUNDLED_STYLES), st.sampled_from(FORMATS), SELECTIONS, tables())
def test_a_batch_has_the_tokens_of_its_samples(kind, style, format, selection, rows):
    check(kind, style, format, rows, selection)


@pytest.mark.slow
@pytest.mark.parametrize("style", BUNDLED_STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_style_with_every_tokenizer(kind, style):
    """Dataset types and selections in turn, so that each style has all of them."""
    turns = ("response", "assistant", "last")
    for number, format in enumerate(FORMATS):
        selection = LossSelection(turns[(number + KINDS.index(kind)) % 3], stop=number % 2 == 0)
        check(kind, style, format, draw_rows(number, 12, ("", "\nSo.", "<think>", *MARKS)), selection)


@pytest.mark.parametrize("kind", KINDS)
def test_every_template_has_the_tokens_of_its_example(kind):
    """With each tokenizer a third of the templates, so that each is read by three tokenizers."""
    for name in TEXT_TEMPLATES[KINDS.index(kind) % 3 :: 3]:
        template = get_template(name)
        table = pa.Table.from_pylist([template.example])
        for format in template.formats:
            check_columns(template, format, table, tokenizer_of(kind))


# --- the block path ------------------------------------------------------------------------------------------------

BY_ROWS = ("ranked", "stepwise", "judge")
"""The dataset types that no plan writes."""


@pytest.mark.parametrize("format", [format for format in FORMATS if format not in BY_ROWS])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_encode_nearly_all_ordinary_rows(kind, format, monkeypatch):
    counts, rows = BlockCounts(monkeypatch), draw_rows(7, 60)
    good = check(kind, "chatml", format, rows)
    assert good >= 58
    assert (counts.encoded, counts.left) == (good, 0)


def test_blocks_encode_most_rows_in_every_style(monkeypatch):
    counts = BlockCounts(monkeypatch)
    few = {}
    for number, style in enumerate(BUNDLED_STYLES):
        counts.encoded = counts.left = 0
        good = check(KINDS[number % len(KINDS)], style, "preference", draw_rows(number, 20))
        if counts.encoded < 0.8 * good:
            few[style] = counts.encoded, good
    assert few == {}
