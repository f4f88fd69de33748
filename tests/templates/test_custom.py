"""Custom templates: what their methods give is the result, and their errors name rows."""

import pickle
from abc import ABC, abstractmethod

import pytest

from preftemplates import Preference, RowModel, Supervised, Template, get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, DefinitionError, RowError, UnknownNameError
from preftemplates.templates.custom import CustomTemplate


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
    with pytest.raises(RowError, match=r"column 'bad': missing; nearest: 'Bad'"):
        Careful().format({"good": "x", "Bad": "y"}, "preference")


def test_its_formats_are_the_methods_that_it_writes():
    assert Careful().formats == ("preference",)
    with pytest.raises(UnknownNameError, match="has no dataset type 'supervised'"):
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
        with pytest.raises(DefinitionError, match="is a custom template"):
            ask()


def test_a_class_declares_or_writes_and_not_both():
    with pytest.raises(DefinitionError, match="do only one of the two"):

        class Both(Template):
            class Row(RowModel):
                a: str

            preference = Preference(prompt="{{ a }}", chosen="{{ a }}", rejected="{{ a }}")

            def format_preference_sample(self, _raw_sample):
                return {}


# --- which classes are custom ----------------------------------------------------------------------------------------


class Layout:
    def format_supervised_sample(self, raw_sample):
        return {"text": self.lay(raw_sample["x"])}

    def lay(self, text):
        return text.upper()


class Shouting(Template):
    def lay(self, text):
        return text + "!"


class Abstract(Template, ABC):
    def format_supervised_sample(self, raw_sample):
        return {"text": self.lay(raw_sample["x"])}

    @abstractmethod
    def lay(self, text): ...


class FromMixin(Layout, Template):
    pass


class MixinLast(Template, Layout):
    pass


class FromParent(Shouting):
    def format_supervised_sample(self, raw_sample):
        return {"text": self.lay(raw_sample["x"])}


class OfTwo(Shouting, FromMixin):
    pass


class Hidden(Shouting, Layout):
    pass


class Concrete(Abstract):
    def lay(self, text):
        return f"<{text}>"


class Grandchild(FromMixin):
    kind, holds, style_of_mine = "mine", "nothing", "x"

    def lay(self, text):
        return text * 2


@pytest.mark.parametrize(
    ("kind", "text"), [(FromMixin, "Q"), (FromParent, "q!"), (OfTwo, "q!"), (Concrete, "<q>"), (Grandchild, "qq")]
)
def test_a_class_with_methods_of_its_own_is_a_custom_template_wherever_they_come_from(kind, text):
    template = kind()
    assert type(template) is kind
    assert isinstance(template, CustomTemplate)
    assert repr(template) == "<Template unnamed>"
    assert template == kind() != get_template("PKUSafeRLHF")
    assert template.formats == ("supervised",)
    assert template.format({"x": "q"}, "supervised") == {"text": text}
    assert pickle.loads(pickle.dumps(template)).format({"x": "q"}, "supervised") == {"text": text}


@pytest.mark.parametrize("kind", [MixinLast, Hidden])
def test_a_mixin_after_the_template_is_hidden_by_it_as_in_any_class(kind):
    assert kind.format_supervised_sample is Template.format_supervised_sample
    with pytest.raises(DefinitionError, match=f"{kind.__name__} declares nothing"):
        kind()


def test_a_class_that_stays_abstract_has_no_objects():
    with pytest.raises(TypeError, match="abstract"):
        Abstract()


def test_an_abstract_base_may_declare_samples():
    class Declared(Template, ABC):
        class Row(RowModel):
            q: str

        supervised = Supervised(prompt="{{ q }}", completion="{{ q }}")

    assert not Declared.is_custom
    assert Declared().format({"q": "x"}, "supervised")


def test_both_kinds_of_template_answer_the_same_questions():
    custom, declared = FromMixin(), get_template("PKUSafeRLHF")
    assert (custom.cell_parsers, custom.ties, custom.known_columns("supervised")) == ({}, "drop", None)
    assert custom.select_columns("supervised", ["a", "b"]) == ["a", "b"]
    assert custom.adapted(style="chatml", dialect="text", pairs="all", ties="keep") is custom
    assert custom.describe() == {"style": None, "dialect": None, "formats": {"supervised": None}}
    assert custom.text_style("supervised") is None
    assert [custom.spells(format) for format in ("supervised", "ranked")] == [True, False]
    assert set(declared.cell_parsers) == {"better_response_id"}
    assert declared.select_columns("prompt_only", ["more", "prompt"]) == ["prompt"]
    adapted = declared.adapted(style="chatml", ties="keep")
    assert (adapted.style.name, adapted.ties, declared.ties) == ("chatml", "keep", "drop")
    assert set(custom.describe()) < set(declared.describe())
    with pytest.raises(UnknownNameError, match="has no dataset type 'ranked'"):
        custom.known_columns("ranked")
