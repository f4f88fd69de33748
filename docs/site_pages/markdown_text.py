"""Markdown for generated pages: prose from docstrings, code, tables and fenced blocks."""

from __future__ import annotations

import inspect
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from preftemplates.core.provenance import plain_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FILTER_BOX = '<div class="filter-box"></div>'
"""The place where `assets/filter.js` puts the filter box of a page."""

_CODE = r"(?<!`)(?P<ticks>`+)(?!`)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
_SPECIAL = re.compile(
    _CODE  # a code span stays as it is
    + r"|(?P<tokens>(?:</?[^\s<>`](?:[^<>`\n]*[^\s<>`])?>)+)"  # <s>, <|im_end|>: code, since Markdown reads HTML
    + r"|(?P<mark>[<*\\]|&(?=#?\w+;)|(?<!\w)_|_(?!\w))"
)
_BLOCK_MARK = re.compile(r"^(\d*)(?=[#>+]|(?<=\d)[.)] )")


def escape_prose(text: str) -> str:
    """Return prose as Markdown that shows each of its characters; special tokens become code.

    >>> escape_prose("<s> opens a text, and `x` is 1 < 2")
    '`<s>` opens a text, and `x` is 1 &lt; 2'
    """
    return _SPECIAL.sub(_escape_match, text)


def _escape_match(match: re.Match[str]) -> str:
    if match["code"]:
        return match[0]
    if match["tokens"]:
        return f"`{match[0]}`"
    return {"<": "&lt;", "&": "&amp;"}.get(match[0], f"\\{match[0]}")


def write_docstring(cls: type[Any]) -> list[str]:
    """Return the docstrings of a class and of its file as Markdown paragraphs, with an empty line after each."""
    return [line for paragraph in read_paragraphs(cls) for line in (write_paragraph(paragraph), "")]


def read_paragraphs(cls: type[Any]) -> list[str]:
    """Return the paragraphs of a class's own docstring, then those of its file.

    The first paragraph of the file is left out if the class has a docstring: it is a summary too.
    """
    own, file = (_split(text) for text in (cls.__dict__.get("__doc__"), sys.modules[cls.__module__].__doc__))
    return [*own, *(file[1:] if own else file)]


def _split(docstring: str | None) -> list[str]:
    return inspect.cleandoc(docstring).split("\n\n") if docstring else []


def write_paragraph(paragraph: str) -> str:
    """Return a paragraph on one line, so that none of its lines begins with a mark of Markdown; lists keep theirs."""
    if re.match(r"[-*] ", paragraph):
        items = re.split(r"\n(?=[-*] )", paragraph)
        return "\n".join(f"- {escape_prose(' '.join(item[2:].split()))}" for item in items)
    return _BLOCK_MARK.sub(r"\1\\", escape_prose(" ".join(paragraph.split())))


def summarise(cls: type[Any], name: str) -> str:
    """Return the first line of a class's docstrings as Markdown, without the name if it begins with it."""
    line = read_paragraphs(cls)[0].partition("\n")[0]
    begins_with_name = line.casefold().startswith(f"{name}: ".casefold())
    return escape_prose(line[len(name) + 2 :] if begins_with_name else line)


def write_code(text: str) -> str:
    r"""Return a code span that shows a text on one line.

    >>> write_code("a\nb"), write_code("a`b")
    ('`a\\nb`', '`` a`b ``')
    """
    shown = text.replace("\n", "\\n")
    if "`" not in shown:
        return f"`{shown}`"
    ticks = "`" * (1 + max(map(len, re.findall("`+", shown))))
    return f"{ticks} {shown} {ticks}"


def write_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table whose values are Markdown; a `|` in one of them does not end it."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(_write_value, line))} |" for line in lines]


def _write_value(value: str) -> str:
    """Return a table's value without pipes and line ends: parsers differ in how a code span escapes a pipe."""
    return re.sub(_CODE, _write_span, value.replace("\n", " ")).replace("|", "&#124;")


def _write_span(match: re.Match[str]) -> str:
    return f"<code>{_escape_html(match['code'].strip())}</code>" if "|" in match[0] else match[0]


def _escape_html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("*", "&#42;")


def write_block(language: str, text: Any, title: str = "") -> list[str]:
    """Return a block of code, fenced by more ticks than are in it."""
    code = str(plain_data(text)).rstrip("\n")
    ticks = "```"
    while ticks in code:
        ticks += "`"
    return [f"{ticks}{language}" + (f' title="{title}"' if title else ""), code, ticks]


def write_json(value: Any, width: int = 88) -> list[str]:
    """Return a block of JSON that breaks only those objects and lists that do not fit on a line."""
    return write_block("json", _spell_json(plain_data(value), width))


def _spell_json(value: Any, width: int, indent: str = "") -> str:
    line = json.dumps(value, ensure_ascii=False)
    if len(line) <= width or not isinstance(value, dict | list) or not value:
        return line
    inner, pairs = f"{indent}  ", value.items() if isinstance(value, dict) else None
    keys = [f"{json.dumps(key, ensure_ascii=False)}: " for key, _ in pairs] if pairs else [""] * len(value)
    values = value.values() if pairs else value
    lines = [f"{inner}{key}{_spell_json(each, width - 2, inner)}" for key, each in zip(keys, values, strict=True)]
    opened, closed = "{}" if pairs else "[]"
    return f"{opened}\n" + ",\n".join(lines) + f"\n{indent}{closed}"


def write_commands(*commands: Sequence[str]) -> list[str]:
    """Return a console block of commands; each is given as the lines that it is broken into."""
    return write_block("console", "\n".join("$ " + " \\\n>     ".join(lines) for lines in commands))
