"""Templates in styles: who refuses whom is pinned, and in every style a sample of templates keeps the laws."""

import json
from collections import defaultdict

import pytest
from planted import BUNDLED_STYLES, BUNDLED_TEMPLATES, TEXT_TEMPLATES, accepted
from support import TESTS, assert_golden

from preftemplates import Style, get_style, get_template
from preftemplates.errors import RowError
from preftemplates.templates.rendering import render_sample
from preftemplates.testing import (
    formatting_is_rendering_after_extracting,
    no_content_is_executed_escaped_or_trimmed,
    spans_partition_the_text_and_spell_their_cells,
    the_prompt_opens_every_response,
)

GOLDEN = "refused_cells.json"
"""From a style, and from the code of its error, to the templates whose example it does not render."""


def last_samples():
    """From the name of a template to the sample that its example gives in its last format."""
    templates = [get_template(name) for name in BUNDLED_TEMPLATES]
    return {template.name: template.extract(template.example, template.formats[-1]) for template in templates}


def refused_cells(styles):
    samples, cells = last_samples(), {}
    for style_name, style in styles.items():
        refused = defaultdict(list)
        for name, sample in samples.items():
            try:
                render_sample(sample, style)
            except RowError as error:
                refused[str(error.code)].append(name)
        if refused:
            cells[style_name] = dict(sorted(refused.items()))
    return cells


def pinned_code(style_name, name):
    """The code of the error with which a style refuses a template's example; None where it renders it."""
    cells = json.loads((TESTS / "golden" / GOLDEN).read_text(encoding="utf-8"))
    codes = [code for code, names in cells.get(style_name, {}).items() if name in names]
    return codes[0] if codes else None


def keeps_the_laws(template, code):
    """Each format keeps the laws, or is refused with this code; the last is, if there is a code."""
    for format in template.formats:
        try:
            sample = template.extract(template.example, format)
            the_prompt_opens_every_response(template, template.example, format)
            spans_partition_the_text_and_spell_their_cells(template, template.example, format)
            for conversation in (sample.prompt, *([*sample.prompt, *own] for own in sample.responses.values())):
                if len(accepted(template.style, conversation)) == 2:  # Harmony asks for no answer after an answer
                    no_content_is_executed_escaped_or_trimmed(template.style, conversation)
            formatting_is_rendering_after_extracting(template.with_dialect("text"), template.example, format)
        except RowError as error:
            assert error.code == code, (template, format, error)  # noqa: PT017  only some cells raise
        else:
            assert code is None or format != template.formats[-1], (template, format, code)


BY_FORMATS = defaultdict(list)
for each in BUNDLED_TEMPLATES:
    BY_FORMATS[get_template(each).formats].append(each)


def sample_of_templates(style_name):
    """One template for each choice of formats; the next style takes the next ones, so that all have their turn."""
    turn = BUNDLED_STYLES.index(style_name)
    return [names[turn % len(names)] for names in BY_FORMATS.values()]


def test_which_styles_refuse_which_templates():
    assert_golden(GOLDEN, refused_cells({name: get_style(name) for name in BUNDLED_STYLES}))


@pytest.mark.parametrize("style_name", BUNDLED_STYLES)
def test_examples_keep_the_laws(style_name):
    for name in sample_of_templates(style_name):
        keeps_the_laws(get_template(name).with_style(style_name), pinned_code(style_name, name))


def test_the_samples_have_every_format_and_together_every_template():
    samples = [sample_of_templates(name) for name in BUNDLED_STYLES]
    for names in samples:
        assert {format for name in names for format in get_template(name).formats} == {
            format for name in BUNDLED_TEMPLATES for format in get_template(name).formats
        }
    assert {name for names in samples for name in names} == {*BUNDLED_TEMPLATES}


REFUSE = "{% if CONDITION %}{{ raise_exception('no') }}{% endif %}"


def refusing(condition):
    """ChatML, which refuses some conversations; `true` refuses all."""
    return Style.from_chat_template(REFUSE.replace("CONDITION", condition) + get_style("chatml").chat_template)


@pytest.mark.parametrize("condition", ["true", "messages | length > 2", "messages and messages[0].role == 'system'"])
def test_a_style_that_refuses_what_it_shall_render_is_caught(condition):
    assert refused_cells({"chatml": refusing(condition)}) != refused_cells({"chatml": get_style("chatml")})


def test_in_a_style_that_refuses_everyone_no_example_keeps_the_laws():
    for name in sample_of_templates("chatml"):
        code = pinned_code("chatml", name)
        with pytest.raises(AssertionError, match="refused_by_style"):
            keeps_the_laws(get_template(name).with_style(refusing("true")), code)


def test_a_style_that_renders_what_it_shall_refuse_is_caught():
    refused = "LLaMA-Factory-toolcall"  # media are refused by the dialect, whatever the style
    assert pinned_code("zephyr", refused) == "unsupported_content"
    renders = Style.from_chat_template(
        "{{ tools | tojson }}{% for message in messages %}{{ message.content or message | tojson }}{% endfor %}"
    )
    with pytest.raises(AssertionError):
        keeps_the_laws(get_template(refused).with_style(renders), "unsupported_content")


def test_what_is_no_text_is_refused_by_text_styles_and_formats_as_messages():
    others = [name for name in BUNDLED_TEMPLATES if name not in TEXT_TEMPLATES]
    assert {"AA-TI2T", "SafeRLHF-V"} <= {*others}
    for name in others:
        template = get_template(name)
        for format in {*template.formats} & {*template.dialect.formats}:
            assert template.format(template.example, format)
