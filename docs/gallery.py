"""The gallery: a page for each bundled template and style, and one for the dialects, written with the site."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from preftemplates import get_dialect, get_style, get_template, list_dialects, list_styles, list_templates
from preftemplates.core.provenance import plain_data
from preftemplates.dialects.dialect import DIALECTS
from preftemplates.dialects.table import spell_shape
from preftemplates.errors import PrefTemplatesError
from preftemplates.styles.style import STYLES
from preftemplates.templates.library import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preftemplates.templates.template import Template

TURNS = [
    {"role": "user", "content": "Does mint like shade?"},
    {"role": "assistant", "content": "Half shade suits it."},
    {"role": "user", "content": "And basil?"},
    {"role": "assistant", "content": "Sun."},
]
PAGES = {"template": "gallery/templates", "style": "gallery/styles"}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages to the site; mkdocs calls this."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> dict[str, str]:
    """The pages by their place in the docs."""
    found = {
        "gallery/templates.md": templates_page(),
        "gallery/styles.md": styles_page(),
        "gallery/dialects.md": dialects_page(),
    }
    found |= {f"gallery/templates/{name}.md": template_page(name) for name in list_templates()}
    return found | {f"gallery/styles/{name}.md": style_page(name) for name in list_styles()}


# --- templates -----------------------------------------------------------------------------------------------------


def templates_page() -> str:
    """All templates in a table."""
    rows = []
    for name in list_templates():
        template = get_template(name)
        about = template.about
        formats = ", ".join(format for format in template.formats if format != "prompt_only") or "prompt_only"
        link = f"[{name}](templates/{name}.md)"
        rows.append(
            [link, summary(TEMPLATES.get(name)), formats, about.dataset or "", "yes" if about.verified else ""]
        )
    return "\n".join(
        [
            "# Templates",
            "",
            f"{len(rows)} templates are bundled, one dataset family a file. `preftemplates detect FILE` finds those",
            "that fit your columns; `preftemplates list templates --search WORDS` searches them.",
            "",
            "A template is *verified* if real rows of its dataset are formatted in this library's tests. The columns",
            "of the others are as their publishers or users describe them.",
            "",
            *table(["template", "rows", "formats", "dataset", "verified"], rows),
            "",
        ]
    )


def template_page(name: str) -> str:
    """One template: what it reads, an example, and what becomes of it in each format."""
    template, about = get_template(name), get_template(name).about
    parts = [f"# {name}", "", docstring(TEMPLATES.get(name)), ""]
    facts = {
        "dataset": f"`{about.dataset}`" if about.dataset else "",
        "licence of the rows": about.licence or "",
        "verified": "by real rows" if about.verified else "by no real row",
        "style": f"[{template.style.name}](../styles/{template.style.name}.md)",
        "dialect": f"[{template.dialect.name}](../dialects.md#{template.dialect.name})",
        "ties": template.ties if "preference" in (*template.formats, *template.derived_formats) else "",
        "gives as well": ", ".join(template.derived_formats),
        "other names": ", ".join(TEMPLATES.aliases(name)),
    }
    parts += table(["fact", ""], [[key, value] for key, value in facts.items() if value])
    parts += ["", "## Columns", "", *table(["column", "type", "read by"], columns(template)), ""]
    if template.example is not None:
        parts += ["## An example", "", *block("json", json.dumps(template.example, ensure_ascii=False, indent=1)), ""]
        for format in template.formats:
            parts += [f"### {format}", "", *example_of(template, format), ""]
        parts += elsewhere(template)
    commands = [
        f"preftemplates check rows.jsonl --template {name} --format {main_format(template)}",
        f"preftemplates convert rows.jsonl --template {name} --format {main_format(template)} --out out.jsonl",
    ]
    parts += ["## Use it", "", *block("sh", "\n".join(commands)), ""]
    return "\n".join(parts)


def main_format(template: Template) -> str:
    """The format that a template is for."""
    return next((format for format in ("preference", *template.formats[::-1]) if format in template.formats), "")


def columns(template: Template) -> list[list[str]]:
    """The columns with their types, and the formats that read them."""
    tree: Any = ast.parse(template.parts.declaration.row, mode="eval").body
    rows = []
    for key, value in zip(tree.keys, tree.values, strict=True):
        column, _, _ = key.value.removesuffix("?").partition(" as ")
        read = [format for format in template.formats if column in template.columns(format)]
        kind = ast.unparse(value) + (", may be absent" if key.value.endswith("?") else "")
        rows.append([f"`{column}`", f"`{kind}`", ", ".join(read)])
    return rows


def example_of(template: Template, format: str) -> Iterable[str]:
    """The result of the example, or why there is none."""
    try:
        results = template.format_all(template.example or {}, format)
    except PrefTemplatesError as error:
        return [f"`{error.message}`"]
    return block("json", json.dumps(results if len(results) > 1 else results[0], ensure_ascii=False, indent=1))


ELSEWHERE = ("trl", "openrlhf", "llama-factory-sharegpt", "nemo-rl", "align-anything", "text")
"""Dialects in which an example is shown beside the template's own, the first two that know its format."""


def elsewhere(template: Template) -> Iterable[str]:
    """The example in the keys of two other dialects."""
    format, shown = main_format(template), 0
    for name in ELSEWHERE:
        dialect = get_dialect(name)
        if template.is_custom or name == template.dialect.name or format not in dialect.formats or shown == 2:
            continue
        told = example_of(template.with_dialect(name), format)
        yield from (f"### {format} for [{name}](../dialects.md#{name})", "", *told, "")
        shown += 1


# --- styles --------------------------------------------------------------------------------------------------------


def styles_page() -> str:
    """All styles in a table."""
    rows = []
    for name in list_styles():
        style = get_style(name)
        stop = f"`{style.stop}`".replace("\n", "\\n") if style.stop else ""
        reads = "yes" if style.reversible else ""
        rows.append(
            [f"[{name}](styles/{name}.md)", summary(STYLES.get(name)), ", ".join(style.accepted_roles), stop, reads]
        )
    return "\n".join(
        [
            "# Styles",
            "",
            f"{len(rows)} styles are bundled; any Hugging Face chat template is one too. *Parses* says whether",
            "`style.parse` reads its texts back.",
            "",
            *table(["style", "layout", "roles", "stop", "parses"], rows),
            "",
        ]
    )


def style_page(name: str) -> str:
    """One style: a conversation, a prompt, what it does that one may not expect, and the chat template."""
    style = get_style(name)
    parts = [f"# {name}", "", docstring(STYLES.get(name)), ""]
    others = ", ".join(f"`{alias}`" for alias in STYLES.aliases(name))
    parts += [f"Other names: {others}.", ""] if others else []
    parts += [
        "## A conversation",
        "",
        *rendered(style, TURNS, False),
        "",
        "## A prompt",
        "",
        *rendered(style, TURNS[:1], True),
        "",
    ]
    findings = [[f"[`{finding.code}`](../../reference/findings.md)", finding.message] for finding in style.findings]
    if findings:
        parts += ["## Findings", "", *table(["code", "what it does"], findings), ""]
    kind = "The source" if style.layout.source is not None else "Written out"
    return "\n".join(
        [
            *parts,
            "## As a chat template",
            "",
            f"{kind}; any tokenizer takes it.",
            "",
            *block("jinja", style.chat_template),
            "",
        ]
    )


def rendered(style: Any, turns: Any, generate: bool) -> Iterable[str]:
    """The text, or why there is none."""
    try:
        return block("text", style.render(turns, add_generation_prompt=generate).text)
    except PrefTemplatesError as error:
        return [f"Refused: {escaped(error.message)}"]


# --- dialects ------------------------------------------------------------------------------------------------------


def dialects_page() -> str:
    """All dialects, with their tables."""
    parts = [
        "# Dialects",
        "",
        "What each key of a result holds. `prompt+chosen` is the whole text from its first character, `chosen`",
        "what follows the prompt, `.messages` a list of messages, and `margin?` a label that is there where the",
        "template has it. A list of one entry has one value for each of several responses.",
        "",
    ]
    for name in list_dialects():
        dialect = get_dialect(name)
        parts += [f"## {name}", "", docstring(DIALECTS.get(name)), ""]
        said = {format: spell_shape(shape) for format, shape in dialect.table.formats}
        parts += [*block("json", json.dumps(said, indent=1, ensure_ascii=False)), ""]
        if dialect.table.message_keys.roles:
            roles = ", ".join(f"{role} is `{word}`" for role, word in dialect.table.message_keys.roles)
            parts += [f"Roles: {roles}. Others are refused.", ""]
    return "\n".join(parts)


# --- words ---------------------------------------------------------------------------------------------------------


def docstring(cls: type[Any]) -> str:
    """What the class says of itself, and its file."""
    own = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    file = inspect.cleandoc(sys.modules[cls.__module__].__doc__ or "")
    return "\n\n".join(dict.fromkeys(text for text in (own, file) if text))


def summary(cls: type[Any]) -> str:
    """The first line of that."""
    return docstring(cls).partition("\n")[0]


def escaped(text: str) -> str:
    """Text for a table's cell."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    cells = [[cell if "`" in cell or "](" in cell else escaped(cell) for cell in row] for row in rows]
    shielded = [[re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in row] for row in cells]
    lines = [head, ["---"] * len(head), *shielded]
    return [f"| {' | '.join(line)} |" for line in lines]


def block(language: str, text: Any) -> list[str]:
    """A block of code, fenced by more ticks than stand in it."""
    text = str(plain_data(text))
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return [f"{ticks}{language}", text.rstrip("\n"), ticks]
