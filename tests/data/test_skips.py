"""Derived samples are skipped if a label compares answers that are equal, or if a prompt holds an empty answer."""

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import few

from preftemplates import BatchFormatter, get_template
from preftemplates.data.convert import Conversion
from preftemplates.data.skips import find_skip_reasons
from preftemplates.errors import Code

TEXTS = st.sampled_from(["", " ", "\u200b", "a", "a ", " a", "b"])
FORMATS = ("preference", "unpaired", "judge")
LAYOUTS = (("chatml", "trl"), ("chatml", "text"), ("llama3", "text"))  # llama3 trims what its messages hold


def find_reasons(row, style, dialect):
    """The reasons of the row's samples, by dataset type."""
    template = get_template("TRL").with_style(style).with_dialect(dialect)
    return {format: find_skip_reasons(template.formatted(row, format).samples) for format in FORMATS}


@pytest.mark.parametrize(("style", "dialect"), LAYOUTS)
@given(row=st.fixed_dictionaries({"prompt": TEXTS, "chosen": TEXTS, "rejected": TEXTS}))
@example({"prompt": "q", "chosen": "a", "rejected": "a"})
@example({"prompt": "q", "chosen": "a", "rejected": "a "})
def test_what_a_pair_does_not_teach_nothing_derived_from_it_teaches(style, dialect, row):
    (reason,), of_answers, of_judge = find_reasons(row, style, dialect).values()
    # a judge's prompt quotes both answers inside a message, where no style trims them
    assert of_judge == 2 * find_reasons(row, "chatml", "trl")["preference"]
    if reason is Code.EMPTY:
        assert Code.EMPTY in of_answers
    else:
        assert of_answers == [reason, reason]


def test_a_good_answer_stays_though_the_bad_one_is_empty():
    reasons = find_reasons({"prompt": "q", "chosen": "a", "rejected": ""}, "chatml", "trl")
    assert reasons == {"preference": [Code.EMPTY], "unpaired": [None, Code.EMPTY], "judge": [Code.EMPTY, Code.EMPTY]}


@pytest.mark.parametrize(("style", "dialect"), LAYOUTS)
@few()
@given(rows=st.lists(st.fixed_dictionaries({"prompt": TEXTS, "chosen": TEXTS, "rejected": TEXTS}), min_size=1))
@example([{"prompt": "q", "chosen": "a", "rejected": answer} for answer in ("a", "a ", "", "b")])
def test_tables_skip_the_same_derived_samples(style, dialect, rows):
    template = get_template("TRL").with_style(style).with_dialect(dialect)
    expected = list(Conversion(rows, template, "unpaired", flag=False))
    table = BatchFormatter(template, "unpaired", on_error="skip")(pa.Table.from_pylist(rows))
    assert table.to_pylist() == expected


def test_the_counts_name_the_reason():
    rows = [{"prompt": "q", "chosen": "a", "rejected": answer} for answer in ("a", "", "b")]
    for format, skipped in (("unpaired", [Code.EQUAL]), ("judge", [Code.EQUAL, Code.EMPTY])):
        conversion = Conversion(rows, get_template("TRL"), format)
        list(conversion)
        assert [issue.code for issue in conversion.report.skipped] == skipped
