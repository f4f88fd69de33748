import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_TEMPLATES, HH, PKU, TEXT_TEMPLATES, check_each

from preftemplates import get_template, testing
from preftemplates.data.convert import Conversion
from preftemplates.data.issues import IssueLog
from preftemplates.errors import Code
from preftemplates.testing import rows, rows_in_are_formatted_skipped_or_rejected


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_rows_in_are_formatted_skipped_or_rejected(name):
    check_each(get_template(name), rows_in_are_formatted_skipped_or_rejected)


@pytest.mark.parametrize("name", TEXT_TEMPLATES[::4])
def test_as_text_too(name):
    check_each(get_template(name).with_dialect("text"), rows_in_are_formatted_skipped_or_rejected)


BAD = st.sampled_from([{}, {"prompt": None}, {**PKU.example, "better_response_id": 2}, {"chosen": 1, "rejected": []}])


@given(st.lists(rows(HH, "preference") | BAD, min_size=1, max_size=6).map(lambda drawn: [*drawn, HH.example]))
def test_bad_rows_leave_the_good_ones_as_they_are(drawn):
    rows_in_are_formatted_skipped_or_rejected(HH, drawn, "preference")


def test_every_way_out_is_counted():
    equal = {**PKU.example, "response_0": "Same.", "response_1": "Same."}
    conversion = Conversion([PKU.example, equal, {}, PKU.example], PKU, "preference", on_error="skip")
    assert len(list(conversion)) == 2
    assert conversion.report.counts() == {"skipped": {Code.EQUAL: 1}, "rejected": {Code.MISSING_FIELD: 1}}


class LosingARow(Conversion):
    def __iter__(self):
        yield from list(super().__iter__())[:-1]


class LosingACount(Conversion):
    def __iter__(self):
        yield from super().__iter__()
        self.report.rows -= 1


class CountingTwice(Conversion):
    def __iter__(self):
        yield from super().__iter__()
        self.report.skipped += self.report.rejected


class Reordering(Conversion):
    def __iter__(self):
        yield from sorted(super().__iter__(), key=repr)


class SkippingInSilence(Conversion):
    """Leaves the rejected out of the count, as one does who drops what he cannot read."""

    def __iter__(self):
        yield from super().__iter__()
        self.report.rows -= len(self.report.rejected)
        self.report.rejected = IssueLog()


class RepeatingTheLast(Conversion):
    """Puts the last good row in the place of a bad one."""

    def __iter__(self):
        for result in super().__iter__():
            yield result
        if self.report.rejected and self.report.formatted:
            self.report.rejected = IssueLog(self.report.rejected[:-1])
            self.report.formatted += 1
            yield result


FAULTS = [LosingARow, LosingACount, CountingTwice, Reordering, SkippingInSilence, RepeatingTheLast]
MIXED = [PKU.example, {}, {**PKU.example, "prompt": "A"}, {"prompt": "no more"}]


@pytest.mark.parametrize("conversion", FAULTS)
def test_a_conversion_that_loses_or_makes_rows_is_caught(conversion, monkeypatch):
    rows_in_are_formatted_skipped_or_rejected(PKU, MIXED, "preference")
    monkeypatch.setattr(testing.laws, "Conversion", conversion)
    with pytest.raises(AssertionError):
        rows_in_are_formatted_skipped_or_rejected(PKU, MIXED, "preference")
