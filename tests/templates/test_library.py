"""Templates are registered, found by name, dataset or file, and listed."""

import sys
from types import NoneType

import pytest
from support import TEMPLATE_NAMES

from preftemplates import (
    Preference,
    RowModel,
    Template,
    get_template,
    register_template,
)
from preftemplates.errors import DefinitionError, UnknownNameError
from preftemplates.templates.library import TEMPLATES


class Asked(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str

    preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}")


@pytest.mark.parametrize("name", [None, 5, ["HH"], "", "hh.pyc", "PKUSafeRHLF"], ids=repr)
def test_what_names_no_template_is_refused(name):
    with pytest.raises(UnknownNameError):
        get_template(name)


def test_a_template_is_returned_as_it_is():
    template = get_template("HH").with_style("zephyr")
    assert get_template(template) is template


CELL = """
from preftemplates import *

@register_template("plants", style="plain", dialect="text")
class {kind}(Template):
    class Row(RowModel):
        q: str

    prompt_only = PromptOnly(prompt="{{{{ q }}}}{mark}")
    example = {{"q": "Why?"}}
"""


def test_running_a_notebook_cell_again_replaces_the_template_and_objects_of_the_old_one_stay_as_they_were():
    def run(**parts):
        exec(CELL.format(**{"kind": "Plants", "mark": "", **parts}), {"__name__": parts.pop("module", "__main__")})
        return get_template("plants")

    def text(template):
        return template.format(template.example, "prompt_only")["prompt"]

    first = run()
    second = run(mark="!")
    assert (text(first), text(second)) == ("Why?", "Why?!")
    assert first != second
    assert run(mark="!") == second


def test_another_class_cannot_take_a_template_s_name_and_the_message_names_both_places():
    exec(CELL.format(kind="Plants", mark=""), {"__name__": "first_place"})
    with pytest.raises(DefinitionError, match="two templates are named 'plants'") as caught:
        exec(CELL.format(kind="Plants", mark=""), {"__name__": "second_place"})
    assert "first_place.Plants" in str(caught.value)
    assert "second_place.Plants" in str(caught.value)
    with pytest.raises(DefinitionError, match=r"preftemplates\.templates\.bundled\.hh_rlhf\.HH \(.*hh_rlhf\.py\)"):
        register_template("HH")(Asked)


def types_within(value):
    """The types of the texts, numbers and so on in a result, however deep; traced texts have a type of their own."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from types_within(inner)
    else:
        yield type(value)


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_the_example_of_every_bundled_template_formats_in_all_its_formats(name):
    template = get_template(name)
    for format in template.formats:
        needed = {info.alias or name for name, info in template.row_type.model_fields.items() if info.is_required()}
        assert set(template.columns(format)) & needed <= set(template.example)
        result = template.format(template.example, format)
        assert result
        assert {*types_within(result)} <= {str, int, float, bool, NoneType}


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_a_bundled_template_says_what_it_is_in_the_docstring_of_its_file(name):
    text = sys.modules[TEMPLATES.definition_site(name).module].__doc__
    assert text.split("\n")[0].endswith(".")
    assert "Source: " in text or "Sources: " in text


def test_a_dataset_s_name_finds_its_template_and_several_are_named():
    assert get_template("Anthropic/hh-rlhf") == get_template("anthropic/HH-RLHF") == get_template("HH")
    with pytest.raises(UnknownNameError, match=r"has 3 templates: PKUSafeRLHF, .*-safer, .*-safety; name one of them"):
        get_template("PKU-Alignment/PKU-SafeRLHF")
    with pytest.raises(UnknownNameError, match="there is no template for the dataset 'nobody/nothing'"):
        get_template("nobody/nothing")


def test_every_registration_tells_where_it_was_made():
    for name in TEMPLATE_NAMES:
        site = TEMPLATES.definition_site(name)
        assert site.module.startswith("preftemplates.templates.bundled.")
        assert str(site).endswith(".py)")
