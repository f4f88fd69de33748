"""`preftemplates list`: the registered templates, styles and dialects."""

import json
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group
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
    """A kind of definition that can be listed."""

    TEMPLATES = "templates"
    STYLES = "styles"
    DIALECTS = "dialects"


def command(
    kind: Annotated[ListedKind | None, typer.Argument(help="List one kind only.")] = None,
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="List the items that contain all of these words.")
    ] = None,
    long: Annotated[
        bool, typer.Option("--long", "-l", help="Print all facts of each item instead of one line.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all facts as JSON.")] = False,
) -> None:
    """List the registered templates, styles and dialects, one line each."""
    descriptions = {
        str(listed): [item for item in _describe_all(listed) if _matches(item, search)]
        for listed in ([kind] if kind else list(ListedKind))
    }
    if as_json:
        print_json(descriptions, indent=2)
        return
    console = SafeConsole()
    for name, items in descriptions.items():
        for title, group in _group_items(ListedKind(name), items):
            console.print(Text(title, "bold underline"))
            if long:
                console.print_table(_build_entries(group), indent=2)
            else:
                console.print_table(_build_table(group), indent=2)
    if search is not None and not any(descriptions.values()):
        print_error(f"no template, style or dialect contains {preview(search)}")
        raise typer.Exit(1)


def _describe_all(kind: ListedKind) -> list[dict[str, Any]]:
    registry, describe = _KINDS[kind]
    names, problems = registry.load_names()
    print_problems(problems)
    return [describe(name) for name in names]


_MAIN_FORMATS = ("preference", "ranked", "scored", "unpaired", "stepwise", "supervised", "prompt_only")
"""Dataset types; a template is listed under the first that it has."""


def _group_items(kind: ListedKind, items: list[dict[str, Any]]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """Return the items by what they are for: templates by dataset type, styles by the roles that they write."""
    if kind is ListedKind.DIALECTS:
        return [("dialects", items)] if items else []
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault(_name_group(kind, item), []).append(item)
    order = (
        [_name_group(kind, {"formats": [format]}) for format in _MAIN_FORMATS] if "templates" in kind else [*groups]
    )
    return sorted(groups.items(), key=lambda group: order.index(group[0]) if group[0] in order else len(order))


def _name_group(kind: ListedKind, item: dict[str, Any]) -> str:
    if kind is ListedKind.TEMPLATES:
        format = next((format for format in _MAIN_FORMATS if format in item["formats"]), next(iter(item["formats"])))
        return f"templates: {format}"
    others = [role for role in item["roles"] if role not in ("user", "assistant")]
    return f"styles: user, assistant{''.join(f', {role}' for role in others)}"


def _matches(item: dict[str, Any], search: str | None) -> bool:
    """Return whether all words of a search are in the names, the summary or the columns of an item."""
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
    """Return the other names of an item, and where it was defined."""
    return {"aliases": registry.aliases(name), "origin": str(registry.definition_site(name))}


def _summarise(cls: type[Any]) -> str:
    """Return the first line of the class's own docstring, or of the file that it is in."""
    docstring = cls.__dict__.get("__doc__") or sys.modules[cls.__module__].__doc__ or ""
    return str(docstring).strip().split("\n")[0]


def _build_table(items: list[dict[str, Any]]) -> Table:
    """Return a line per item: its name and its summary, cut at the edge of a terminal."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=max(len(item["name"]) for item in items))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for item in items:
        table.add_row(Text(item["name"], "bold green"), Text(item["summary"]))
    return table


def _build_entries(items: list[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 0, 1, 0), pad_edge=True)
    for item in items:
        table.add_row(_build_entry(item))
    return table


def _build_entry(item: dict[str, Any]) -> Group:
    """Return the name, the summary, and a line for each further fact."""
    facts = Table.grid(padding=(0, 2, 0, 0))
    for key, value in item.items():
        if key == "formats":
            for format, columns in value.items():
                facts.add_row(Text(format, "cyan"), Text(", ".join(columns) if columns else "read by a method"))
        elif key == "verified":
            facts.add_row(Text(key, "dim"), Text("with real rows" if value else "without real rows"))
        elif key not in ("name", "summary") and value:
            facts.add_row(Text(key, "dim"), Text(", ".join(value) if isinstance(value, list) else value))
    return Group(Text(item["name"], "bold green"), Text(item["summary"]), facts)
