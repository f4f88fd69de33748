"""Load a template as the options of a subcommand name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from preftemplates.errors import one_line
from preftemplates.styles.resolve import find_style
from preftemplates.templates.library import get_template

if TYPE_CHECKING:
    from rich.console import Console

    from preftemplates.templates.template import Template


def load_template(name: str, style: str | None, dialect: str | None, console: Console) -> Template:
    """Return the template of that name, with another style and dialect where they are given.

    Args:
        name: the template's name, or a file.
        style: whatever `get_style` takes.
        dialect: a dialect's name.
        console: where to print notes.
    """
    template = get_template(name)
    if dialect:
        template = template.with_dialect(dialect)
    if style:
        found = find_style(style)
        loaded = found.load()
        template = template.with_style(loaded)
        for note in found.list_notes(loaded):
            console.print(Text(f"note: {one_line(note, 400)}"), soft_wrap=True)
        if not any(template.dialect.needs_text(format) for format in template.dialect.formats):
            console.print(
                f"note: {template.dialect.name} holds messages, so the style {template.style.name} is not used"
            )
    return template
