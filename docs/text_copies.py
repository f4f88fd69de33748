"""A hook of mkdocs that writes a Markdown copy of each page, and `llms.txt`, the list of the copies."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_COMMENT = re.compile(r"<!---?.*?-?-->\n*", re.DOTALL)
_EMPTY_BOX = re.compile(r"<div [^>]*></div>\n*")
_FENCED = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}).*?^(?P=indent)(?P=ticks) *$", re.MULTILINE | re.DOTALL)
_OBJECT = re.compile(r"^::: (?P<name>[\w.]+)\n(?P<options>(?: {4}.*\n|\n(?= {4}))*)", re.MULTILINE)

_copies: dict[str, str] = {}
"""The Markdown of each page of this build by its path."""

_state: dict[str, Any] = {}
"""The navigation and the files of this build."""


def on_pre_build(**_: Any) -> None:
    """Forget the pages of the build before; mkdocs calls this."""
    _copies.clear()


def on_page_markdown(markdown: str, page: Any, **_: Any) -> None:
    """Keep the Markdown of a page; mkdocs calls this."""
    _copies[page.file.src_uri] = clean_page(markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Link the copy in the head of a page; mkdocs calls this."""
    name = Path(page.file.src_uri).name
    link = f'<link rel="alternate" type="text/markdown" href="{name}">'
    return output.replace("</head>", f"{link}\n  </head>", 1)


def on_nav(nav: Any, files: Any, **_: Any) -> None:
    """Keep the navigation for `llms.txt`; mkdocs calls this."""
    _state["nav"] = nav
    _state["files"] = files


def on_post_build(config: Any) -> None:
    """Write the copies next to the pages, and `llms.txt`; mkdocs calls this."""
    folder = Path(config.site_dir)
    for path, text in _copies.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    sections = list_sections(_state["nav"], _state["files"])
    (folder / "llms.txt").write_text(write_list(config.site_name, config.site_description, sections), encoding="utf-8")


def clean_page(markdown: str) -> str:
    """Return a page without hidden parts, and with the docstrings of the objects that it shows."""
    return _outside_fences(
        markdown, lambda text: _OBJECT.sub(_write_object, _EMPTY_BOX.sub("", _COMMENT.sub("", text)))
    )


def _outside_fences(markdown: str, change: Any) -> str:
    parts, end = [], 0
    for match in _FENCED.finditer(markdown):
        parts += [change(markdown[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*parts, change(markdown[end:])])


def _write_object(match: re.Match[str]) -> str:
    """Return the heading, signature and docstring of an object, and those of its members."""
    options = (yaml.safe_load(match["options"]) or {}).get("options", {}) if match["options"].strip() else {}
    level = "#" * options.get("heading_level", 3)
    value, name = find_object(match["name"]), match["name"].rpartition(".")[2]
    members = [
        describe_object(inspect.getattr_static(value, member), f"{name}.{member}", f"{level}#")
        for member in list_members(value, options.get("members"))
    ]
    return "\n".join([describe_object(value, name, level), *members])


def find_object(path: str) -> Any:
    """Return the module, class or function of a dotted name."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            value = getattr(value, part)
        return value
    raise ModuleNotFoundError(path)


def list_members(value: Any, chosen: list[str] | bool | None) -> list[str]:
    """Return the names of the members that a page shows: the chosen ones, or all public ones with a docstring."""
    if isinstance(chosen, list):
        return chosen
    if chosen is False or not isinstance(value, type):
        return []
    members = ((name, member) for name, member in vars(value).items() if not name.startswith("_"))
    return [name for name, member in members if _is_code(member) and inspect.getdoc(member)]


def _is_code(member: Any) -> bool:
    return inspect.isroutine(member) or isinstance(member, property | classmethod | staticmethod)


def describe_object(value: Any, name: str, level: str) -> str:
    """Return the heading, signature and docstring of an object as Markdown."""
    function = getattr(value, "__func__", value)
    docstring = inspect.getdoc(value) if isinstance(value, type) or _is_code(value) else ""
    lines = [f"{level} `{name}`", ""]
    if inspect.isroutine(function) or isinstance(function, type):
        lines += ["```python", f"{name}{_read_signature(function)}", "```", ""]
    return "\n".join([*lines, docstring or "", ""])


def _read_signature(function: Any) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "(...)"


def list_sections(nav: Any, files: Any) -> dict[str, list[Any]]:
    """Return the pages by the titles of the sections of the navigation; the rest is optional."""
    sections: dict[str, list[Any]] = {}
    for item in nav.items:
        title = item.title if item.is_section else "Pages"
        sections.setdefault(title, []).extend(_list_pages(item))
    named = {page.file.src_uri for pages in sections.values() for page in pages}
    sections["Optional"] = [file.page for file in files.documentation_pages() if file.src_uri not in named]
    return sections


def _list_pages(item: Any) -> list[Any]:
    if item.children:
        return [page for child in item.children for page in _list_pages(child)]
    return [item] if item.is_page else []


def write_list(name: str, description: str, sections: Mapping[str, Iterable[Any]]) -> str:
    """Return `llms.txt`: a list of the copies of the pages for each section."""
    parts = [f"# {name}", "", f"> {description}", ""]
    for title, pages in sections.items():
        parts += [f"## {title}", "", *(_write_entry(page) for page in pages if page.file.src_uri in _copies), ""]
    return "\n".join(parts)


def _write_entry(page: Any) -> str:
    sentence = next(_list_sentences(_copies[page.file.src_uri]), "")
    return f"- [{page.title}]({page.file.src_uri})" + (f": {sentence}" if sentence else "")


def _list_sentences(markdown: str) -> Iterator[str]:
    """Yield the first sentence of each paragraph of a page."""
    for block in re.split(r"\n\s*\n", _FENCED.sub("", markdown)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(block.split()))
        if text and not re.match(r"[#|>:!<-]|\*\*|`[^`]*`$", text):
            yield re.split(r"(?<=[.:!?])\s", text)[0].rstrip(":")
