"""Each cell of the product once: the example of every template in every style keeps the laws of samples."""

import pytest
from planted import BUNDLED_STYLES, BUNDLED_TEMPLATES

from preftemplates import get_template
from preftemplates.errors import Code, RowError
from preftemplates.testing import (
    formatting_is_rendering_after_extracting,
    no_content_is_executed_escaped_or_trimmed,
    spans_partition_the_text_and_spell_their_cells,
    the_prompt_opens_every_response,
)


@pytest.mark.parametrize("style", BUNDLED_STYLES)
@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_the_example_keeps_the_laws(name, style):
    template = get_template(name).with_style(style)
    for format in template.formats:
        try:
            messages = template.extract(template.example, format)
            the_prompt_opens_every_response(template, template.example, format)
            spans_partition_the_text_and_spell_their_cells(template, template.example, format)
            for own in [[], *messages.responses.values()]:
                no_content_is_executed_escaped_or_trimmed(template.style, [*messages.prompt, *own])
            if format in template.dialect.formats:
                formatting_is_rendering_after_extracting(template, template.example, format)
        except RowError as error:
            if error.code != Code.BAD_ROLE:  # a style may only lack a role
                raise


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_an_example_formats_in_its_own_style(name):
    template = get_template(name)
    for format in template.formats:
        assert template.render(template.example, format).prompt.text is not None
