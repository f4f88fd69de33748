"""The page of the bundled dialects, with the table of each."""

from __future__ import annotations

from preftemplates import get_dialect, list_dialects
from preftemplates.dialects.dialect import DIALECTS
from preftemplates.dialects.table import spell_shape
from site_pages.markdown_text import write_code, write_docstring, write_json


def write_dialects_page() -> str:
    """Return the page of all dialects, with the keys of each dataset type."""
    parts = [
        "# Dialects",
        "",
        "A dialect has the keys of a framework. Each table maps a key to its value:",
        "",
        "- `prompt+chosen` is the whole text, from its first character. `chosen` is the part after the prompt.",
        "- `.messages` is a list of messages.",
        "- A key with `?`, such as `margin?`, is written if the template has a value for it.",
        "- A list of one entry has one value per response.",
        "",
    ]
    for name in list_dialects():
        parts += _write_dialect(name)
    parts += ["## Next", "", "If your framework is not here, [add a dialect](../guides/add-a-dialect.md).", ""]
    return "\n".join(parts)


def _write_dialect(name: str) -> list[str]:
    table = get_dialect(name).table
    tables = {format: spell_shape(shape) for format, shape in table.formats}
    parts = [f"## {name}", "", *write_docstring(DIALECTS.get(name))]
    parts += [*write_json(tables), ""]
    if table.message_keys.roles:
        roles = ", ".join(f"{write_code(role)} as {write_code(word)}" for role, word in table.message_keys.roles)
        parts += [f"The dialect writes the role {roles}. A message of another role raises an error.", ""]
    return parts
