"""Consumer configurations: the file that a framework needs next to the rows, written from a Jinja text."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined, TemplateError

from preftemplates.errors import DefinitionError, FileError, preview

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENVIRONMENT = Environment(
    undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True, autoescape=False
)
_ENVIRONMENT.policies["json.dumps_kwargs"] = {"ensure_ascii": False}  # Python reads surrogate pairs as two characters

_LOADERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet"}
"""The loader in `datasets` for each file ending."""


@dataclass(frozen=True)
class ConsumerConfig:
    r"""The configuration with which a framework reads the files of a dialect.

    Each text is a Jinja template with these variables:

    - `format`: the dataset type;
    - `config`: the file name of the configuration;
    - `rows`: the path of the rows as given, `rows_nearby`: relative to the configuration's folder, and
      `rows_absolute`;
    - `chat_template`, `chat_template_nearby`, `chat_template_absolute`: the same for the chat template that was
      written, or None;
    - `name`: the name of the rows' file without its ending;
    - `loader`: the loader in `datasets` that reads the rows, `json` or `parquet`;
    - `keys`: the keys of the rows.

    Attributes:
        suffix: the ending of the configuration's name, such as `.yaml`.
        texts: the configuration of each dataset type, as a Jinja text.
        style_note: what to do with a chat template that was written, if the configuration cannot name it; a text for
            all dataset types, or a mapping with one for each dataset type concerned.
        row_suffixes: the endings of the files that the framework reads; by default those of JSON Lines, JSON and
            Parquet.
        `refusals`: the reason why a dataset type has no configuration, by dataset type.

    Example:
        >>> config = ConsumerConfig(".yaml", {"preference": "data: {{ rows | tojson }}\n"})
        >>> config.render("preference", config="run.yaml", rows="out/pairs.jsonl", chat_template=None, keys=["chosen"])
        'data: "out/pairs.jsonl"\n'
    """

    suffix: str
    texts: Mapping[str, str] = field(hash=False)
    style_note: str | Mapping[str, str] = field(default="", hash=False)
    row_suffixes: tuple[str, ...] = ()
    refusals: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.suffix, str) or not self.suffix.startswith("."):
            raise DefinitionError(f"suffix must be a file ending such as .yaml, got {preview(self.suffix)}")
        for format, text in self.texts.items():
            try:
                _ENVIRONMENT.from_string(text)
            except TemplateError as error:
                raise DefinitionError(f"the configuration of {format} is not a Jinja template: {error}") from error

    def get_style_note(self, format: str) -> str:
        """Return what to do with a chat template that was written; empty if the configuration names it."""
        return self.style_note if isinstance(self.style_note, str) else self.style_note.get(format, "")

    def render(
        self, format: str, *, config: str | Path, rows: str | Path, chat_template: str | Path | None, keys: list[str]
    ) -> str:
        """Return the text of a configuration.

        Args:
            format: the dataset type of the rows.
            config: the path where the configuration will be written.
            rows: the path of the rows.
            chat_template: the path of the chat template that renders the messages; None for the model's own.
            keys: the keys of the rows.

        Raises:
            FileError: the configuration or the rows have a file ending that the framework does not use.
            DefinitionError: there is no configuration for the dataset type.
        """
        if format not in self.texts:
            reason = f": {self.refusals[format]}" if format in self.refusals else ""
            known = ", ".join(self.texts)
            raise DefinitionError(f"this dialect has no configuration for {format} rows, only for {known}{reason}")
        if not re.fullmatch(r"[\w .+-]+", Path(config).name):
            raise FileError(
                "the name of a configuration may have letters, digits, spaces and any of _ . + -,"
                f" got {preview(Path(config).name)}"
            )
        if Path(config).suffix != self.suffix:
            raise FileError(f"the configuration of this dialect must be a {self.suffix} file, got {Path(config).name}")
        loader = _LOADERS.get(Path(str(rows).removesuffix(".gz")).suffix.lower())
        if loader is None:
            raise FileError(f"a configuration needs rows in {', '.join(_LOADERS)}, got {Path(rows).name}")
        if self.row_suffixes and not str(rows).lower().endswith(self.row_suffixes):
            raise FileError(f"the framework reads rows in {', '.join(self.row_suffixes)}, got {Path(rows).name}")
        facts: dict[str, Any] = {"format": format, "config": Path(config).name, "loader": loader, "keys": keys}
        facts["name"] = Path(str(rows).removesuffix(".gz")).stem
        folder = Path(config).absolute().parent
        for name, path in (("rows", rows), ("chat_template", chat_template)):
            facts[name] = None if path is None else Path(path).as_posix()
            facts[f"{name}_absolute"] = None if path is None else Path(path).absolute().as_posix()
            facts[f"{name}_nearby"] = None if path is None else _find_relative(Path(path), folder)
        try:
            text = _ENVIRONMENT.from_string(self.texts[format]).render(facts)
        except TemplateError as error:
            raise DefinitionError(f"the configuration of {format} cannot be written: {error}") from error
        _check_script_name(Path(config), text)
        return text


def _check_script_name(path: Path, text: str) -> None:
    """Raise an error for a script that cannot be imported, or that would shadow a library."""
    if path.suffix == ".py" and not path.stem.isidentifier():
        raise FileError(f"the name of a Python script may not have spaces or dashes, got {path.name}")
    imported = re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE)
    if path.suffix == ".py" and path.stem in imported:
        raise FileError(f"{path.name} would be imported instead of {path.stem}; name it train_{path.name}")


def _find_relative(path: Path, folder: Path) -> str:
    """Return a path relative to a folder, or absolute if they are on different drives."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()
