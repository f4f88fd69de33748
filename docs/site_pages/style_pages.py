"""The pages of the bundled styles: the list of all, and a page for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preftemplates import get_style, list_styles
from preftemplates.errors import PrefTemplatesError
from preftemplates.styles.style import STYLES
from site_pages.families import LAYOUTS, Family, list_model_families
from site_pages.markdown_text import (
    FILTER_BOX,
    escape_prose,
    summarise,
    write_block,
    write_code,
    write_commands,
    write_docstring,
    write_table,
)

if TYPE_CHECKING:
    from preftemplates import Style

CONVERSATION = [
    {"role": "user", "content": "Does mint like shade?"},
    {"role": "assistant", "content": "Half shade suits it."},
    {"role": "user", "content": "And basil?"},
    {"role": "assistant", "content": "Sun."},
]
"""The conversation that each style renders."""


def write_styles_page() -> str:
    """Return the list of all styles, grouped by the family of their models."""
    parts = [
        "# Styles",
        "",
        f"{len(list_styles())} styles are bundled. Every Hugging Face chat template is a style too:",
        "[use a model's chat template](../guides/chat-templates.md).",
        "",
        "The second line of an entry has the roles that the style accepts and its end-of-turn token. *Parses* means",
        "that `style.parse` reads its texts back. A heading links to the page of the models.",
        "",
        FILTER_BOX,
        "",
    ]
    for family in list_model_families():
        title = f"[{escape_prose(family.title)}](../models/{family.slug}.md)"
        parts += [f"## {title} {{ #{family.slug} }}", "", *map(_write_item, family.names), ""]
    parts += ["## Layouts of no model family", "", *map(_write_item, LAYOUTS), ""]
    parts += ["## Next", "", "If no style fits your model, [add a style](../guides/add-a-style.md).", ""]
    return "\n".join(parts)


def _write_item(name: str) -> str:
    """Return the list item of a style: its summary, its roles, its end-of-turn token and its other names."""
    style = get_style(name)
    facts = [
        ", ".join(style.accepted_roles),
        write_code(style.stop) if style.stop else "no end-of-turn token",
        "parses" if style.reversible else "",
        write_aliases(name),
    ]
    return f"- [{name}](styles/{name}.md): {summarise(STYLES.get(name), name)}  \n  {' · '.join(filter(None, facts))}"


def write_aliases(name: str) -> str:
    """Return the other names of a style; empty if it has none."""
    aliases = ", ".join(map(write_code, STYLES.aliases(name)))
    return f"also {aliases}" if aliases else ""


def write_style_page(name: str) -> str:
    """Return the page of a style: a conversation, a prompt, its findings and its chat template."""
    style = get_style(name)
    parts = [f"# {name}", "", *write_docstring(STYLES.get(name))]
    if STYLES.aliases(name):
        parts += [f"Other names: {', '.join(map(write_code, STYLES.aliases(name)))}.", ""]
    parts += ["## A conversation", "", *write_rendered(style, CONVERSATION, False), ""]
    parts += ["## A prompt", "", *write_rendered(style, CONVERSATION[:1], True), ""]
    if style.findings:
        parts += ["## Findings", "", *write_findings(style, "../../reference/findings.md"), ""]
    is_source = style.layout.source is not None
    parts += [
        "## As a chat template",
        "",
        "Every tokenizer of transformers takes it as its `chat_template`."
        + ("" if is_source else " It is written from the style's role templates."),
        "",
        *write_block("jinja", style.chat_template),
        "",
    ]
    return "\n".join([*parts, *_write_next(name)])


def write_rendered(style: Style, messages: list[dict[str, str]], generate: bool) -> list[str]:
    """Return the text of messages in a block, or the error that they raise."""
    try:
        return write_block("text", style.render(messages, add_generation_prompt=generate).text)
    except PrefTemplatesError as error:
        return [f"This conversation raises an error: {escape_prose(error.message)}"]


def write_findings(style: Style, page: str) -> list[str]:
    """Return the findings of a style as a table; `page` is the address of the page that explains the codes."""
    rows: list[Any] = [[f"[`{each.code}`]({page})", escape_prose(each.message)] for each in style.findings]
    return write_table(["code", "what the style does"], rows)


def find_family(name: str) -> Family | None:
    """Return the family of models that a style is for; None for a layout of no family."""
    return next((family for family in list_model_families() if name in family.names), None)


def _write_next(name: str) -> list[str]:
    family = find_family(name)
    parts = ["## Next", ""]
    if family is not None:
        title = escape_prose(family.title)
        parts += [f"Train a model of this family: [{title}](../../models/{family.slug}.md).", ""]
    command = [f"preftemplates show TRL --style {name} --dialect text"]
    return [*parts, "See a row in this style, with a colour for each column:", "", *write_commands(command), ""]
