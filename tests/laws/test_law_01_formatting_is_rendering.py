import pytest
from planted import BUNDLED_TEMPLATES, HH, PKU, TEXT_TEMPLATES, Faulty, check, check_each

from preftemplates import Preference, RowModel, Template, get_template, register_filter
from preftemplates.dialects.dialect import DIALECTS
from preftemplates.errors import RowError
from preftemplates.testing import formatting_is_rendering_after_extracting


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_formatting_is_rendering_after_extracting(name):
    check_each(get_template(name), formatting_is_rendering_after_extracting)


def test_a_key_that_the_row_does_not_fill_is_in_both():
    template = get_template("TRL-tools")
    assert template.format({"prompt": []}, "prompt_only") == {"prompt": []}
    keyed = template.with_parts(["tools"])
    assert keyed.format({"prompt": []}, "prompt_only") == {"prompt": [], "tools": None}
    for one in (template, keyed):
        formatting_is_rendering_after_extracting(one, {"prompt": []}, "prompt_only")


@pytest.mark.parametrize("name", TEXT_TEMPLATES)
def test_as_text_too(name):
    check_each(get_template(name).with_dialect("text"), formatting_is_rendering_after_extracting)


@pytest.mark.parametrize("edges", [{"bos": "keep", "eos": "keep"}, {"bos": "drop", "eos": "drop"}], ids=str)
@pytest.mark.parametrize("dialect", ["trl-text", "trl-implicit-text"])
@pytest.mark.parametrize("style", ["chatml", "llama3"])
def test_where_texts_are_cut_at_their_edges(style, dialect, edges):
    template = PKU.with_style(style).with_dialect(dialect).with_edges(**edges)
    check(template, formatting_is_rendering_after_extracting)


@pytest.mark.parametrize("dialect", DIALECTS.names())
def test_in_every_dialect(dialect):
    template = PKU if dialect in ("nemo-rl", "reward-bench") else HH  # HH has several turns
    template = template.with_dialect(dialect)
    if template.dialect.table.consumer is not None:
        template = template.with_edges(bos="keep", eos="drop")
    check_each(template, formatting_is_rendering_after_extracting)


def exchanged(template, row, format):
    result = template.format(row, format)
    return dict(zip(result, reversed(result.values()), strict=True))


def never_refusing(template, row, format):
    try:
        return template.format(row, format)
    except RowError:
        return {}


@pytest.mark.parametrize(("template", "format"), [(PKU, exchanged), (HH, never_refusing)])
def test_a_result_that_is_not_the_rendered_one_is_caught(template, format):
    with pytest.raises(AssertionError, match="the result of format differs from the rendered sample"):
        check(Faulty(template, format=format), formatting_is_rendering_after_extracting)


def test_state_shared_between_rows_is_caught():
    seen = []

    @register_filter
    def after_the_last(text):
        seen.append(text)
        return seen[-2] if len(seen) > 1 else text

    class Remembering(Template):
        class Row(RowModel):
            prompt: str
            chosen: str
            rejected: str

        preference = Preference(
            prompt="{{ prompt }}", chosen="{{ chosen | after_the_last }}", rejected="{{ rejected }}"
        )
        example = None

    with pytest.raises(AssertionError, match="the result of format differs from the rendered sample"):
        check(Remembering, formatting_is_rendering_after_extracting)
