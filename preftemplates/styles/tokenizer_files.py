"""A tokenizer's chat template and special tokens, from its files.

Nothing is executed, and transformers is not needed: the files are text and JSON.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preftemplates.errors import DefinitionError, FileError, did_you_mean, one_line, preview
from preftemplates.styles.special_tokens import select_read_tokens
from preftemplates.styles.style import Style

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIG_FILE = "tokenizer_config.json"
_TOKENS_FILE = "special_tokens_map.json"
_TEMPLATE_FILE = "chat_template.jinja"
_JSON_TEMPLATE_FILE = "chat_template.json"
_PROCESSOR_FILE = "processor_config.json"
_FURTHER_TEMPLATES_FOLDER = "additional_chat_templates"
DEFAULT_TEMPLATE_NAME = "default"
TOKENIZER_FILE_PATTERNS = (
    _CONFIG_FILE,
    _TOKENS_FILE,
    _TEMPLATE_FILE,
    _JSON_TEMPLATE_FILE,
    _PROCESSOR_FILE,
    f"{_FURTHER_TEMPLATES_FOLDER}/*.jinja",
)
"""The files of a tokenizer's folder that are read."""

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Bytes of a file; a longer one is none of a tokenizer's."""


@dataclass(frozen=True)
class TokenizerFiles:
    """What a tokenizer's files say of chat; it has the two attributes that a tokenizer of transformers has.

    Attributes:
        path: the directory, or the file.
        templates: chat templates by name; one without a name is called `default`.
        special_tokens_map: special tokens by what they are for, such as `bos_token`.
        file: the file that the default template stands in.
        config: the object that `tokenizer_config.json` holds.
    """

    path: Path
    templates: Mapping[str, str] = field(default_factory=dict)
    special_tokens_map: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def chat_template(self) -> str | dict[str, str] | None:
        """The only template, or several by name; None if there is none."""
        if len(self.templates) == 1 and DEFAULT_TEMPLATE_NAME in self.templates:
            return self.templates[DEFAULT_TEMPLATE_NAME]
        return dict(self.templates) or None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the templates beside the default one."""
        return tuple(name for name in self.templates if name != DEFAULT_TEMPLATE_NAME)

    def template(self, name: str = DEFAULT_TEMPLATE_NAME) -> str:
        """The chat template of that name.

        Raises:
            DefinitionError: there is none; the message says what there is.
        """
        if name in self.templates:
            return self.templates[name]
        if not self.templates:
            raise DefinitionError(f"{format_path(self.path)} has no chat template; name a style instead")
        names = ", ".join(map(preview, self.templates))
        guess = one_line(did_you_mean(name, self.templates))
        raise DefinitionError(f"{format_path(self.path)} has no chat template {preview(name)}, but {names}.{guess}")

    def style(
        self, bos_token: str | None = None, eos_token: str | None = None, template: str = DEFAULT_TEMPLATE_NAME
    ) -> Style:
        """Return the style of a template, which finds the special tokens by their names.

        Args:
            bos_token: replaces the token of the files.
            eos_token: likewise.
            template: the name of the template.

        Raises:
            DefinitionError: there is no template of that name.
            StyleSyntaxError: it does not parse; the error has its line.
            StyleRefusedError: it does what no untrusted template may do.
            StyleLimitError: it needs more than its limits allow.
        """
        overrides = {"bos_token": bos_token, "eos_token": eos_token}
        given = {name: token for name, token in overrides.items() if token is not None}
        source = self.template(template)
        tokens: dict[str, Any] = {**select_read_tokens(source, self.special_tokens_map), **given}
        return Style.from_chat_template(source, **tokens)


def read_tokenizer_files(path: str | Path) -> TokenizerFiles:
    """Read a tokenizer's directory, or one of its files.

    In a directory, `chat_template.jinja` goes before `chat_template.json`, and that before `tokenizer_config.json`;
    further templates stand in the folder `additional_chat_templates`. Special tokens stand in `tokenizer_config.json`;
    `special_tokens_map.json` of older tokenizers goes before it.

    Args:
        path: a directory, a `.json` file of one, or a file that holds a template and nothing else.

    Raises:
        FileError: nothing is there, it cannot be read, or it is not what its name says.
    """
    path = Path(path)
    if not os.path.isdir(path):
        return _read_file(path)
    names = (_CONFIG_FILE, _PROCESSOR_FILE, _JSON_TEMPLATE_FILE, _TEMPLATE_FILE)
    files_by_name = {name: _read_file(path / name) for name in names if (path / name).is_file()}
    further_files = sorted((path / _FURTHER_TEMPLATES_FOLDER).glob("*.jinja"))
    further = {file.stem: _read_text(file) for file in further_files if file.is_file()}
    if not files_by_name and not further:
        raise FileError(
            f"{format_path(path)} is no tokenizer's directory: it has neither {_CONFIG_FILE} nor {_TEMPLATE_FILE}"
        )
    config = files_by_name.get(_CONFIG_FILE)
    tokens = {**(config.special_tokens_map if config else {}), **_read_older_tokens(path)}
    with_template = [files for files in files_by_name.values() if files.templates]
    last = with_template[-1] if with_template else TokenizerFiles(path)
    if config is not None and last is config and further:
        last = TokenizerFiles(path)  # files of templates stand in place of the key, and do not add to it
    return TokenizerFiles(path, {**last.templates, **further}, tokens, last.file, config.config if config else {})


def _read_older_tokens(path: Path) -> Mapping[str, str]:
    """The tokens of `special_tokens_map.json`, which counts where no configuration lists the added tokens."""
    config = path / _CONFIG_FILE
    if not (path / _TOKENS_FILE).is_file() or (config.is_file() and "added_tokens_decoder" in _read_object(config)):
        return {}
    return _read_tokens(_read_object(path / _TOKENS_FILE))


def _read_file(path: Path) -> TokenizerFiles:
    if path.suffix != ".json":
        return TokenizerFiles(path, {DEFAULT_TEMPLATE_NAME: _read_text(path)}, file=path)
    data = _read_object(path)
    templates = _read_templates(data.get("chat_template"), path)
    file = path if DEFAULT_TEMPLATE_NAME in templates else None
    return TokenizerFiles(path, templates, _read_tokens(data), file, data)


def _read_text(path: Path) -> str:
    r"""The text of a file, in which lines end with \n, as transformers reads it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"{format_path(path)} cannot be read: {reason}.{_suggest_file(path)}") from error
    if len(data) > MAX_FILE_BYTES:
        raise FileError(f"{format_path(path)} has more than {MAX_FILE_BYTES:,} bytes")
    try:
        return data.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise FileError(f"{format_path(path)} is not UTF-8 at byte {error.start:,}") from error


def _suggest_file(path: Path) -> str:
    """A sentence that names the nearest file in the same directory, or nothing."""
    try:
        others = os.listdir(path.parent)
    except (OSError, ValueError):
        return ""
    return "" if path.name in others else one_line(did_you_mean(path.name, others), 200)


def _read_object(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise FileError(f"{format_path(path)} is not JSON: line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise FileError(f"{format_path(path)} is nested too deeply to be read") from error
    except ValueError as error:
        raise FileError(f"{format_path(path)} is not JSON that can be read: {preview(str(error))}") from error
    if not isinstance(data, dict):
        raise FileError(f"{format_path(path)} holds no JSON object")
    return data


def _read_templates(value: Any, path: Path) -> dict[str, str]:
    """Chat templates by name, from a text, a list of named ones, or a mapping."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {DEFAULT_TEMPLATE_NAME: value}
    items = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        items = [(item.get("name"), item.get("template")) for item in value]
    if not items or not all(isinstance(text, str) for item in items for text in item):
        raise FileError(
            f"{format_path(path)}: chat_template is a text, or a list of name and template; got {preview(value)}"
        )
    return dict(items)


def _read_tokens(data: Mapping[str, Any]) -> dict[str, str]:
    """Special tokens by what they are for: what is called `..._token`, there or among a model's own, and is a text."""
    model_tokens = data.get("extra_special_tokens")
    named = {**data, **(model_tokens if isinstance(model_tokens, dict) else {})}
    texts = {name: _read_token(value) for name, value in named.items() if name.endswith("_token")}
    return {name: text for name, text in texts.items() if text is not None}


def _read_token(value: Any) -> str | None:
    """A special token, written as a text or with how it is cut from its neighbours."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def format_path(path: Path) -> str:
    """Return a path as one line that is safe to print."""
    return one_line(str(path), 300)
