"""The pages of the families of models: the list of all, and a page for each."""

from __future__ import annotations

import re

from preftemplates import get_style
from preftemplates.styles.style import STYLES
from preftemplates.styles.usual_names import MODEL_FAMILIES
from site_pages.families import LAYOUTS, Family, list_missing_models, list_model_families
from site_pages.markdown_text import (
    FILTER_BOX,
    escape_prose,
    read_paragraphs,
    summarise,
    write_code,
    write_commands,
    write_paragraph,
)
from site_pages.style_pages import CONVERSATION, write_aliases, write_findings, write_rendered


def write_models_page() -> str:
    """Return the list of all families of models, with their styles."""
    families = list_model_families()
    parts = [
        "# Models",
        "",
        f"The bundled styles write the chat templates of {len(families)} families of models. Each page has the styles",
        "of a family, the findings of `check-style`, and the commands that convert rows and train a reward model.",
        "",
        "To use the model's own chat template, pass its directory or its name on the hub as the style:",
        "`--style Qwen/Qwen3-0.6B`. `preftemplates-train` uses it by default.",
        "",
        FILTER_BOX,
        "",
        *map(_write_item, families),
        "",
        "## Layouts of no model family",
        "",
        "Use these for a base model, or for a dataset whose transcripts are written so:",
        "",
        *(f"- [{name}](../gallery/styles/{name}.md): {summarise(STYLES.get(name), name)}" for name in LAYOUTS),
        "",
        "## Models without a bundled style",
        "",
        "No bundled style writes exactly what the chat templates of these models write. For them, `--style` takes the",
        "directory of the tokenizer, its `chat_template.jinja`, or the name on the hub.",
        "",
        *(f"- {_write_missing(title, names)}" for title, names in MODEL_FAMILIES.items()),
        "",
        "## Next",
        "",
        "[Use a model's chat template](../guides/chat-templates.md), or [check it](../guides/check-a-style.md).",
        "",
    ]
    return "\n".join(parts)


def _write_item(family: Family) -> str:
    """Return the list item of a family: its styles with their other names."""
    names = [" ".join(filter(None, (write_code(name), _in_brackets(write_aliases(name))))) for name in family.names]
    return f"- [{escape_prose(family.title)}]({family.slug}.md): {', '.join(names)}"


def _in_brackets(text: str) -> str:
    return f"({text})" if text else ""


def _write_missing(title: str, names: tuple[str, ...]) -> str:
    return f"{title}: {', '.join(map(write_code, names))}"


def write_model_page(family: Family) -> str:
    """Return the page of a family: its styles, and the commands that use them."""
    parts = [f"# {escape_prose(family.title)}", ""]
    parts += [line for name in sort_by_version(family.names) for line in _write_style(name)]
    name = sort_by_version(family.names)[-1]
    parts += [*_write_convert(name), *_write_train(name)]
    missing = list_missing_models(family.slug)
    if missing:
        parts += [
            "## Models without a bundled style",
            "",
            "Pass the directory of the tokenizer or the name on the hub as `--style` for these models:",
            "",
            *(f"- {_write_missing(*each)}" for each in missing),
            "",
        ]
    parts += [
        "## Next",
        "",
        "[Fit a head on your rows](../get-started/reward-model.md), or [train all weights](../guides/train.md).",
        "",
    ]
    return "\n".join(parts)


def sort_by_version(names: tuple[str, ...]) -> list[str]:
    """Return the names of styles by the numbers in them, the newest last.

    >>> sort_by_version(("llama3.1", "llama3", "llama2"))
    ['llama2', 'llama3', 'llama3.1']
    """
    return sorted(names, key=lambda name: ([int(number) for number in re.findall(r"\d+", name)], name))


def _write_style(name: str) -> list[str]:
    """Return the section of a style: the models that it is for, a text and its findings."""
    style = get_style(name)
    parts = [f"## {name}", "", write_paragraph(read_paragraphs(STYLES.get(name))[0]), ""]
    if STYLES.aliases(name):
        parts += [f"Other names: {', '.join(map(write_code, STYLES.aliases(name)))}.", ""]
    parts += [part for text in list_sources(name) for part in (write_paragraph(text), "")]
    parts += [*write_rendered(style, CONVERSATION, False), ""]
    if style.findings:
        findings = write_findings(style, "../reference/findings.md")
        parts += [f"`preftemplates check-style {name}` reports:", "", *findings, ""]
    else:
        parts += [f"`preftemplates check-style {name}` has no findings.", ""]
    return [*parts, f"[All about this layout, and its chat template](../gallery/styles/{name}.md)", ""]


def list_sources(name: str) -> list[str]:
    """Return the models and documents that the docstrings of a style name as its source."""
    texts = (text for text in read_paragraphs(STYLES.get(name)) if re.match(r"(Sources?|Layout):", text))
    return [re.split(r";|\.(?=\s|$)", " ".join(text.split()))[0] + "." for text in texts]


def _write_convert(name: str) -> list[str]:
    """Return the section with the commands that convert rows."""
    command = ["preftemplates convert rows.jsonl --template TRL --format preference", f"--style {name} --dialect"]
    return [
        "## Convert rows",
        "",
        "Write messages for TRL, with the chat template of the style next to them:",
        "",
        *write_commands([command[0], f"{command[1]} trl --out pairs.jsonl"]),
        "",
        "Or write the text of the style, for your own tokenizer call:",
        "",
        *write_commands([command[0], f"{command[1]} text --out texts.jsonl"]),
        "",
        "`TRL` is the template for the columns `prompt`, `chosen` and `rejected`. `preftemplates detect rows.jsonl`",
        "names the template for yours.",
        "",
    ]


def _write_train(name: str) -> list[str]:
    """Return the section with the command that trains a reward model."""
    command = ["preftemplates-train --train head --model_name_or_path MODEL", f"--style {name}"]
    return [
        "## Train a reward model",
        "",
        "Fit a linear head on the frozen model. `MODEL` is its directory or its name on the hub:",
        "",
        *write_commands([command[0], f"{command[1]} --dataset_name rows.jsonl --template TRL"]),
        "",
        "Without `--style`, the trainer uses the model's own chat template.",
        "",
    ]
