"""`preftemplates list`: which templates, styles and dialects there are."""

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from preftemplates.cli.report_counts import print_problems
from preftemplates.cli.terminal import SafeConsole, print_error, print_json
from preftemplates.core.registry import Registry
from preftemplates.core.samples import SAMPLE_TYPES
from preftemplates.dialects.dialect import DIALECTS, get_dialect
from preftemplates.errors import preview
from preftemplates.styles.resolve import get_style
from preftemplates.styles.style import STYLES
from preftemplates.templates.library import TEMPLATES, get_template


class ListedKind(StrEnum):
    """What can be listed."""

    TEMPLATES = "templates"
    STYLES = "styles"
    DIALECTS = "dialects"


def command(
    kind: Annotated[ListedKind | None, typer.Argument(help="List these only.")] = None,
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="List what has all of these words in it.")
    ] = None,
    long: Annotated[bool, typer.Option("--long", "-l", help="Print all facts, and not only a line each.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all facts as JSON.")] = False,
) -> None:
    """List the templates, styles and dialects: a line each, or with formats, columns, sources and places."""
    descriptions = {
        str(listed): [item for item in _describe_all(listed) if _matches(item, search)]
        for listed in ([kind] if kind else list(ListedKind))
    }
    if as_json:
        print_json(descriptions, indent=2)
        return
    console = SafeConsole()
    for name, items in descriptions.items():
        if items or search is None:
            console.print(Text(name, "bold underline"))
            console.print(_build_entries(items) if long else _build_table(items))
    if search is not None and not any(descriptions.values()):
        print_error(f"nothing has {preview(search)} in it")
        raise typer.Exit(1)


def _describe_all(kind: ListedKind) -> list[dict[str, Any]]:
    registry, describe = _KINDS[kind]
    names, problems = registry.load_names()
    print_problems(problems)
    return [describe(name) for name in names]


def _matches(item: dict[str, Any], search: str | None) -> bool:
    """Whether all words of a search are in the names, the summary and the columns of an item."""
    searched = {key: fact for key, fact in item.items() if key not in ("derived", "origin", "style", "dialect")}
    text = json.dumps(searched, ensure_ascii=False).casefold()
    return all(word in text for word in (search or "").casefold().split())


def _describe_template(name: str) -> dict[str, Any]:
    template = get_template(name)
    entry: dict[str, Any] = {"name": name, "summary": _summarise(TEMPLATES.get(name))}
    about = template.about
    facts: dict[str, Any] = {"dataset": about.dataset, "licence": about.licence, "verified": about.verified}
    return entry | template.describe() | facts | _describe_registration(TEMPLATES, name)


def _describe_style(name: str) -> dict[str, Any]:
    style = get_style(name)
    entry = {"name": name, "summary": _summarise(STYLES.get(name))}
    return entry | {"roles": list(style.accepted_roles), "stop": style.stop} | _describe_registration(STYLES, name)


def _describe_dialect(name: str) -> dict[str, Any]:
    dialect = get_dialect(name)
    sample_types = {format: SAMPLE_TYPES.get(format) for format in dialect.formats}
    formats = {
        format: list(dialect.keys(format, [*sample_type.prompt_parts, *sample_type.label_types]))
        for format, sample_type in sample_types.items()
    }
    return {"name": name, "summary": _summarise(DIALECTS.get(name)), "formats": formats} | _describe_registration(
        DIALECTS, name
    )


_KINDS: dict[ListedKind, tuple[Registry[Any], Callable[[str], dict[str, Any]]]] = {
    ListedKind.TEMPLATES: (TEMPLATES, _describe_template),
    ListedKind.STYLES: (STYLES, _describe_style),
    ListedKind.DIALECTS: (DIALECTS, _describe_dialect),
}


def _describe_registration(registry: Registry[Any], name: str) -> dict[str, Any]:
    """What else an item is called, and where it was defined."""
    return {"aliases": registry.aliases(name), "origin": str(registry.definition_site(name))}


def _summarise(cls: type[Any]) -> str:
    """The first line of the class's own docstring, or of the file that it is in."""
    docstring = cls.__dict__.get("__doc__") or sys.modules[cls.__module__].__doc__ or ""
    return str(docstring).strip().split("\n")[0]


def _build_table(items: list[dict[str, Any]]) -> Table:
    """A line for each item: its name, and what it is."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for item in items:
        table.add_row(Text(f"  {item['name']}", "bold green"), Text(item["summary"]))
    return table


def _build_entries(items: list[dict[str, Any]]) -> Group:
    return Group(*(Padding(_build_entry(item), (0, 0, 1, 2)) for item in items))


def _build_entry(item: dict[str, Any]) -> Group:
    """A name, what it is, and a line for each further fact."""
    facts = Table.grid(padding=(0, 2, 0, 0))
    for key, value in item.items():
        if key == "formats":
            for format, columns in value.items():
                facts.add_row(Text(format, "cyan"), Text(", ".join(columns) if columns else "by hand"))
        elif key == "verified":
            facts.add_row(Text(key, "dim"), Text("by real rows" if value else "by no real row"))
        elif key not in ("name", "summary") and value:
            facts.add_row(Text(key, "dim"), Text(", ".join(value) if isinstance(value, list) else value))
    return Group(Text(item["name"], "bold green"), Text(item["summary"]), facts)
