"""`--consumer-config`: the file with which a framework reads what `convert` writes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from preftemplates.data.writing import write_text
from preftemplates.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from rich.console import Console

    from preftemplates.core.samples import Format
    from preftemplates.templates.template import Template


class PreparedConfig(NamedTuple):
    """A configuration that is checked and not written yet.

    Attributes:
        path: where it will be.
        text: what it will hold.
        note: what to do with the chat template, where the configuration cannot name it.
    """

    path: Path
    text: str
    note: str = ""

    def write(self, console: Console) -> None:
        """Write it, and print that."""
        write_text(self.path, self.text)
        console.print(f"wrote {self.path}", soft_wrap=True, highlight=False, markup=False)
        if self.note:
            console.print(f"note: {self.note}", soft_wrap=True, highlight=False, markup=False)


def prepare_config(
    path: Path,
    template: Template,
    format: Format,
    out: Path,
    chat_template: Path | None,
    keys: Collection[str] = (),
) -> PreparedConfig:
    """Return the configuration of a file that will be written, or that was, with these keys in its rows.

    Raises:
        DefinitionError: the dialect has none for the dataset type.
        FileError: the name has the wrong ending, or there is another file of that name.
    """
    if not os.path.isdir(path.absolute().parent):
        raise FileError(f"{path} cannot be written: there is no directory {os.path.dirname(path)}")
    dialect = template.dialect
    shape, _ = template.result_shape(format)
    keys = list(dict.fromkeys((*(key for key, _ in shape.fields), *keys)))
    text = dialect.configure(format, config=path, rows=out, chat_template=chat_template, keys=keys)
    if os.path.exists(path):
        text = _merge_entries(path, text)
    config = dialect.table.config
    note = config.get_style_note(format) if config is not None and chat_template is not None else ""
    return PreparedConfig(path, text, note)


def _merge_entries(path: Path, text: str) -> str:
    """Return the text with the entries that the file already has.

    Raises:
        FileError: the file does not hold entries, or another entry of one name.
    """
    try:
        present = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path} exists and cannot be read; choose another name") from error
    if present == text:
        return text
    try:
        entries = json.loads(present) if path.suffix == ".json" else None
    except ValueError:
        entries = None
    if not isinstance(entries, dict):
        raise FileError(f"{path} is another file already; choose another name")
    added = json.loads(text)
    for name, entry in added.items():
        if entries.get(name, entry) != entry:
            raise FileError(f"{path} has another entry {name!r} already; name the output differently")
    return json.dumps({**entries, **added}, ensure_ascii=False, indent=2) + "\n"
