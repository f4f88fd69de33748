"""Each cell of the product once: the example of every template in every style keeps the laws of samples."""

import pytest
from planted import BUNDLED_STYLES, BUNDLED_TEMPLATES, TEXT_TEMPLATES

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
            # a style may lack a role or refuse an order of turns; none spells images, and few calls and lists of tools
            tools = "tools" in template.labels(format)
            no_text = () if name in TEXT_TEMPLATES and not tools else (Code.UNSUPPORTED_CONTENT,)
            if error.code not in (Code.BAD_ROLE, Code.REFUSED_BY_STYLE, *no_text):
                raise


def test_what_is_no_text_is_refused_by_text_styles_and_formats_as_messages():
    others = [name for name in BUNDLED_TEMPLATES if name not in TEXT_TEMPLATES]
    assert {"AA-TI2T", "SafeRLHF-V"} <= {*others}
    for name in others:
        template = get_template(name)
        for format in {*template.formats} & {*template.dialect.formats}:
            assert template.format(template.example, format)
