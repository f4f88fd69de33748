"""The pages of the bundled templates: the list of all, and a page for each."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from preftemplates import get_dialect, get_template, list_templates
from preftemplates.errors import PrefTemplatesError
from preftemplates.templates.library import TEMPLATES
from site_pages.declarations import write_declaration
from site_pages.families import list_template_families
from site_pages.markdown_text import (
    FILTER_BOX,
    escape_prose,
    summarise,
    write_block,
    write_code,
    write_commands,
    write_docstring,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preftemplates.templates.template import Template

OTHER_DIALECTS = ("trl", "openrlhf", "llama-factory-sharegpt", "nemo-rl", "align-anything", "text")
"""Dialects in which an example is shown after the template's own: the first two that have its dataset type."""


def write_templates_page() -> str:
    """Return the list of all templates, grouped by the family of their dataset."""
    parts = [
        "# Templates",
        "",
        f"{len(list_templates())} dataset templates are bundled. Each reads the columns of one dataset.",
        "`preftemplates detect FILE` names those that fit your file.",
        "",
        "A template marked *verified* has formatted real rows of its dataset in the tests. The columns of the others",
        "follow the description of the dataset.",
        "",
        FILTER_BOX,
        "",
    ]
    for family in list_template_families():
        parts += [f"## {escape_prose(family.title)} {{ #{family.slug} }}", ""]
        parts += [_write_item(name) for name in family.names] + [""]
    parts += ["## Next", "", "If no template fits, [add your dataset](../guides/add-a-dataset.md).", ""]
    return "\n".join(parts)


def _write_item(name: str) -> str:
    """Return the list item of a template: its summary, its dataset types and its dataset."""
    template = get_template(name)
    types = [write_code(format) for format in template.formats if format != "prompt_only"] or ["`prompt_only`"]
    verified = "verified" if template.about.verified else ""
    facts = [", ".join(types), escape_prose(template.about.dataset or ""), verified]
    line = " · ".join(filter(None, facts))
    return f"- [{name}](templates/{name}.md): {summarise(TEMPLATES.get(name), name)}  \n  {line}"


def write_template_page(name: str) -> str:
    """Return the page of a template: its columns, its example in each dataset type, and its declaration."""
    template = get_template(name)
    parts = [f"# {name}", "", *write_docstring(TEMPLATES.get(name)), *_list_facts(template, name), ""]
    parts += ["## Columns", "", *write_table(["column", "type", "read for"], list_columns(template)), ""]
    if template.example is not None:
        parts += ["## Example", "", *write_json(template.example), ""]
        for format in template.formats:
            parts += [f"### {format}", "", *_write_result(template, format), ""]
        parts += _write_other_dialects(template)
    parts += ["## Declaration", "", *write_block("python", write_declaration(TEMPLATES.get(name))), ""]
    return "\n".join([*parts, *_write_next(template, name)])


def _list_facts(template: Template, name: str) -> list[str]:
    about = template.about
    has_pairs = "preference" in (*template.formats, *template.derived_formats)
    style, dialect = template.style.name, template.dialect.name
    facts = {
        "Dataset": write_code(about.dataset) if about.dataset else "",
        "Licence of the rows": about.licence or "",
        "Verified with real rows": "yes" if about.verified else "no",
        "Style": f"[{style}](../styles/{style}.md)",
        "Dialect": f"[{dialect}](../dialects.md#{dialect})",
        "Ties": write_code(template.ties) if has_pairs else "",
        "Also converts to": ", ".join(map(write_code, template.derived_formats)),
        "Other names": ", ".join(map(write_code, TEMPLATES.aliases(name))),
    }
    return [f"- {key}: {value}" for key, value in facts.items() if value]


def list_columns(template: Template) -> list[list[str]]:
    """Return the columns with their types, and the dataset types that read them."""
    tree: Any = ast.parse(template.parts.declaration.row, mode="eval").body
    rows = []
    for key, value in zip(tree.keys, tree.values, strict=True):
        column, _, _ = key.value.removesuffix("?").partition(" as ")
        read = [write_code(format) for format in template.formats if column in template.columns(format)]
        kind = write_code(ast.unparse(value)) + (", may be absent" if key.value.endswith("?") else "")
        rows.append([write_code(column), kind, ", ".join(read)])
    return rows


def choose_main_format(template: Template) -> str:
    """Return the dataset type that a template is for."""
    order = ("preference", *template.formats[::-1])
    return next((format for format in order if format in template.formats), "")


def _write_result(template: Template, format: str) -> list[str]:
    """Return the result of the example, or the error that it raises."""
    try:
        results = template.format_all(template.example or {}, format)
    except PrefTemplatesError as error:
        return [f"The example raises an error: {escape_prose(error.message)}"]
    return write_json(results if len(results) > 1 else results[0])


def _write_other_dialects(template: Template) -> Iterable[str]:
    """Return the example in the keys of two other dialects."""
    format = choose_main_format(template)
    names = [name for name in OTHER_DIALECTS if format in get_dialect(name).formats and name != template.dialect.name]
    for name in [] if template.is_custom else names[:2]:
        result = _write_result(template.with_dialect(name), format)
        yield from (f"### {format} for [{name}](../dialects.md#{name})", "", *result, "")


def _write_next(template: Template, name: str) -> list[str]:
    options = f"--template {name} --format {choose_main_format(template)}"
    check = [f"preftemplates check rows.jsonl {options}"]
    convert = [f"preftemplates convert rows.jsonl {options}", "--out out.jsonl"]
    return [
        "## Next",
        "",
        "Check your rows, then [convert](../../guides/convert.md) them:",
        "",
        *write_commands(check, convert),
        "",
    ]
