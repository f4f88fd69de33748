"""Custom templates: what their methods give is the result, and their errors name rows."""

import pytest

from preftemplates import Preference, RowModel, Template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, DefinitionError, RowError, UnknownNameError


class Careful(Template):
    def format_preference_sample(self, raw_sample):
        if raw_sample["good"] == "crash":
            raise ZeroDivisionError("no")
        return {"a": raw_sample["good"] + "!", "b": raw_sample["bad"]}

    def check_equal(self, raw_sample):
        return raw_sample["good"] == raw_sample["bad"]


def convert(*rows, template=None):
    conversion = Conversion(rows, template or Careful(), "preference", on_error="skip")
    return list(conversion), [r.code for r in conversion.report.skipped], [r.code for r in conversion.report.rejected]


def test_its_own_check_equal_is_heard():
    assert convert({"good": "x", "bad": "x"}) == ([], [Code.EQUAL], [])
    assert convert({"good": "x", "bad": "y"}) == ([{"a": "x!", "b": "y"}], [], [])


def test_results_that_are_alike_are_equal_whatever_check_equal_says():
    assert convert({"good": "x", "bad": "x!"}) == ([], [Code.EQUAL], [])


def test_its_errors_are_verdicts_on_rows():
    assert convert({"good": "x"}, {"good": "crash", "bad": ""}, "no row") == (
        [],
        [],
        [Code.MISSING_FIELD, Code.BAD_EXPRESSION, Code.WRONG_TYPE],
    )
    with pytest.raises(RowError, match=r"column 'bad': missing; near: 'Bad'"):
        Careful().format({"good": "x", "Bad": "y"}, "preference")


def test_its_formats_are_the_methods_that_it_writes():
    assert Careful().formats == ("preference",)
    with pytest.raises(UnknownNameError, match="fills no format 'supervised'"):
        Careful().format({}, "supervised")


def test_a_custom_template_derives_nothing_and_has_no_policies():
    class Pair(Template):
        def format_preference_sample(self, raw_sample):
            return {"better_text": raw_sample["a"], "worse_text": raw_sample["b"]}

    template = Pair()
    assert (template.formats, template.derived_formats) == (("preference",), ())
    assert template.format_all({"a": "1", "b": "2"}, "preference") == [{"better_text": "1", "worse_text": "2"}]
    assert template.formatted({"a": "1", "b": "2"}, "preference").lost == {}
    for ask in (lambda: template.with_ties("half"), lambda: template.with_pairs("all"), lambda: template.labels("x")):
        with pytest.raises(DefinitionError, match="formats by hand"):
            ask()


def test_a_class_declares_or_writes_and_not_both():
    with pytest.raises(DefinitionError, match="one or the other"):

        class Both(Template):
            class Row(RowModel):
                a: str

            preference = Preference(prompt="{{ a }}", chosen="{{ a }}", rejected="{{ a }}")

            def format_preference_sample(self, _raw_sample):
                return {}
