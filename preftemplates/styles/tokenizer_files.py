"""A tokenizer's chat template and special tokens, read from its files.

The files are text and JSON, so nothing is executed, and transformers is not needed.
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
"""The files that are read in a tokenizer's folder."""

MAX_FILE_BYTES = 64 * 1024 * 1024
"""The most bytes of a file; a longer one cannot be a tokenizer's."""


@dataclass(frozen=True)
class TokenizerFiles:
    """The chat templates and special tokens in a tokenizer's files, named as in transformers' tokenizers.

    Attributes:
        path: the folder or file.
        templates: chat templates by name; a template without a name is called `default`.
        special_tokens_map: special tokens by purpose, such as `bos_token`.
        file: the file that contains the default template.
        config: the contents of `tokenizer_config.json`.
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
        """The names of the templates other than the default one."""
        return tuple(name for name in self.templates if name != DEFAULT_TEMPLATE_NAME)

    def template(self, name: str = DEFAULT_TEMPLATE_NAME) -> str:
        """Return the chat template with a name.

        Raises:
            DefinitionError: there is no such template; the message lists those that exist.
        """
        if name in self.templates:
            return self.templates[name]
        if not self.templates:
            raise DefinitionError(f"{format_path(self.path)} has no chat template; name a style instead")
        names = ", ".join(map(preview, self.templates))
        guess = one_line(did_you_mean(name, self.templates))
        raise DefinitionError(f"{format_path(self.path)} has no chat template {preview(name)}; it has {names}.{guess}")

    def style(
        self, bos_token: str | None = None, eos_token: str | None = None, template: str = DEFAULT_TEMPLATE_NAME
    ) -> Style:
        """Return the style of a template, with the special tokens as variables.

        Args:
            bos_token: a replacement for the token in the files.
            eos_token: likewise.
            template: the name of the template.

        Raises:
            DefinitionError: there is no template of that name.
            StyleSyntaxError: the template does not parse; the error has its line.
            StyleRefusedError: the template does something no untrusted template may do.
            StyleLimitError: the template exceeds the limits.
        """
        overrides = {"bos_token": bos_token, "eos_token": eos_token}
        given = {name: token for name, token in overrides.items() if token is not None}
        source = self.template(template)
        tokens: dict[str, Any] = {**select_read_tokens(source, self.special_tokens_map), **given}
        return Style.from_chat_template(source, **tokens)


_VOCABULARY_FILES = ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken", "tekken.json")
"""Patterns of files, one of which a tokenizer needs."""


def lacks_tokenizer(folder: Path) -> bool:
    """Return whether a folder has no file from which a tokenizer can be loaded.

    From a model's configuration alone, transformers may make a tokenizer that knows no words.
    """
    return not any(path for pattern in _VOCABULARY_FILES for path in folder.glob(pattern))


def read_tokenizer_files(path: str | Path) -> TokenizerFiles:
    """Read a tokenizer's folder, or one of its files.

    In a folder, `chat_template.jinja` takes precedence over `chat_template.json`, and that over
    `tokenizer_config.json`; other templates are in the folder `additional_chat_templates`. Special tokens are in
    `tokenizer_config.json`; the `special_tokens_map.json` of older tokenizers takes precedence.

    Args:
        path: a folder, a `.json` file in one, or a file that contains only a template.

    Raises:
        FileError: the path does not exist, cannot be read, or is not what its name says.
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
            f"{format_path(path)} is not a tokenizer's folder: it has neither {_CONFIG_FILE} nor {_TEMPLATE_FILE}"
        )
    config = files_by_name.get(_CONFIG_FILE)
    tokens = {**(config.special_tokens_map if config else {}), **_read_older_tokens(path)}
    with_template = [files for files in files_by_name.values() if files.templates]
    last = with_template[-1] if with_template else TokenizerFiles(path)
    if config is not None and last is config and further:
        last = TokenizerFiles(path)  # template files replace the key in the configuration instead of adding to it
    return TokenizerFiles(path, {**last.templates, **further}, tokens, last.file, config.config if config else {})


def _read_older_tokens(path: Path) -> Mapping[str, str]:
    """Return the tokens of `special_tokens_map.json`, which counts if no configuration lists the added tokens."""
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
    r"""Return the text of a file with all newlines as \n, as transformers reads it."""
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
    """Return a sentence that names the nearest file in the same folder, or an empty text."""
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
        raise FileError(f"{format_path(path)} does not contain a JSON object")
    return data


def _read_templates(value: Any, path: Path) -> dict[str, str]:
    """Return chat templates by name, from a text, a list of named ones, or a mapping."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {DEFAULT_TEMPLATE_NAME: value}
    items = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        items = [(item.get("name"), item.get("template")) for item in value]
    if not items or not all(isinstance(text, str) for item in items for text in item):
        raise FileError(
            f"{format_path(path)}: chat_template must be text, or a list of names and templates; got {preview(value)}"
        )
    return dict(items)


def _read_tokens(data: Mapping[str, Any]) -> dict[str, str]:
    """Return special tokens by purpose: all text values named `..._token`, including a model's extra tokens."""
    model_tokens = data.get("extra_special_tokens")
    named = {**data, **(model_tokens if isinstance(model_tokens, dict) else {})}
    texts = {name: _read_token(value) for name, value in named.items() if name.endswith("_token")}
    return {name: text for name, text in texts.items() if text is not None}


def _read_token(value: Any) -> str | None:
    """Return the text of a special token, which may be written as an object with options."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def format_path(path: Path) -> str:
    """Return a path as one printable line."""
    return one_line(str(path), 300)
