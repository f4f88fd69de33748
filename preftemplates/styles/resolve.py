"""Find the style that an argument names: a registered style, a tokenizer's folder or file, or a model on the hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from preftemplates.errors import DefinitionError, FileError, StyleError, UnknownNameError, one_line, preview
from preftemplates.styles.hub import is_hub_name, read_hub_files
from preftemplates.styles.style import STYLES, Style
from preftemplates.styles.style_names import shorten_path
from preftemplates.styles.tokenizer_files import DEFAULT_TEMPLATE_NAME, format_path, read_tokenizer_files
from preftemplates.styles.usual_names import find_missing_family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates.styles.tokenizer_files import TokenizerFiles

_TEMPLATE_SUFFIX = re.compile(r"(..+):([\w.-]+)", re.DOTALL)
"""Matches a path or hub name with the name of a template; a single character before the colon is a Windows drive."""


@dataclass(frozen=True)
class StyleSource:
    """The place that a style comes from.

    Attributes:
        name: a short name: the registered one, the hub name, or the name of the folder or file.
        files: the tokenizer's files; None for a registered style.
        template: the name of the chat template, if the files contain several.
        folder: a folder or file of the same name, over which a registered style takes precedence.
    """

    name: str
    files: TokenizerFiles | None = None
    template: str = DEFAULT_TEMPLATE_NAME
    folder: str | None = None

    def load(self, bos_token: str | None = None, eos_token: str | None = None) -> Style:
        """Load the style.

        Args:
            bos_token: the variable `bos_token` of a file's template; by default the value in the files.
            eos_token: likewise.

        Raises:
            DefinitionError: there is no such chat template, or a token is given for a registered style.
            StyleError: the chat template cannot be used; the error has its file and line.
        """
        if self.files is None:
            if not (bos_token is eos_token is None):
                raise DefinitionError(
                    f"the style {self.name} has its own tokens; give others only for a chat template in a file"
                )
            return STYLES.get(self.name)()
        try:
            style = self.files.style(bos_token, eos_token, self.template)
        except StyleError as error:
            raise error.located(file=str(self.files.file or self.files.path)) from error.__cause__
        return Style.of(style.layout, self.name)

    def list_notes(self, style: Style, *, token_options: bool = False) -> Iterator[str]:
        """Yield notes for the user about how the style was found.

        Args:
            style: what `load` returned.
            token_options: whether the user can give tokens by `--bos-token` and `--eos-token`.
        """
        if self.folder is not None:
            folder = one_line(self.folder, 200)
            yield f"{folder} is the style of that name; write ./{folder} for the one in this directory"
        others = [name for name in (self.files.templates if self.files else ()) if name != self.template]
        if others:
            listed = ", ".join(map(preview, others))
            yield f"the chat template {self.template!r} is used; for {listed}, add a colon and the name"
        for name in ("bos_token", "eos_token"):
            if name not in style.layout.variables and re.search(rf"\b{name}\b", style.layout.source or ""):
                option = f", or give it by --{name.replace('_', '-')}" if token_options else ""
                yield f"the chat template reads {name}, which no file contains; name the tokenizer's folder{option}"


def get_style(name: str | os.PathLike[str] | Style) -> Style:
    """Return the style that a name or path stands for; a style is returned unchanged.

    Example:
        >>> get_style("chatml") == get_style("ChatML")
        True
        >>> get_style("gpt-oss").name
        'harmony'

    Args:
        name: one of the following; the first match counts:

            - a registered name or alias (`list_styles`);
            - the path of a tokenizer's or processor's folder, of its `tokenizer_config.json` or
              `chat_template.json`, or of a file that contains a chat template. A string is a path if it contains a
              separator, begins with `.` or `~`, ends with `.jinja` or `.json`, or exists;
            - a model on the hub, `OWNER/NAME`, if there is no such path. Only its chat template and special tokens are
              downloaded, with huggingface_hub;
            - another spelling of a registered name or alias, which differs in case, `-` and `_`.

            If there are several chat templates, the default one is used, or the one named after a colon:
            `models/ada:tool_use`.

    Raises:
        UnknownNameError: there is no such style; the message suggests the nearest name.
        FileError: the file, folder or model cannot be read.
        DefinitionError: it has no chat template, or none of that name.
        StyleError: the chat template does not parse, or does something no untrusted template may do.
    """
    return name if isinstance(name, Style) else find_style(name).load()


def find_style(name: str | os.PathLike[str]) -> StyleSource:
    """Find where the style comes from that a name or path stands for; see `get_style`.

    Raises:
        UnknownNameError: there is no such style.
        FileError: the file, folder or model cannot be read.
    """
    if isinstance(name, os.PathLike):
        return _read_path(os.fspath(name), DEFAULT_TEMPLATE_NAME)
    if not isinstance(name, str):
        raise STYLES.make_unknown_name_error(name)
    registered = STYLES.find(name)
    if registered is not None:
        return StyleSource(registered, folder=name if os.path.exists(name) else None)
    path, template = _split_template_name(name)
    if _looks_like_path(path):
        return _read_path(path, template)
    registered = STYLES.find(path) or STYLES.find_spelled_alike(path)
    if registered is None:
        raise _make_unknown_name_error(name)
    if path != name:
        raise DefinitionError(f"the style {registered} has only one chat template, and none named {preview(template)}")
    return StyleSource(registered)


def is_style_file(name: str | os.PathLike[str]) -> bool:
    """Return whether a name stands for a file, a folder or a model on the hub instead of a registered style."""
    if isinstance(name, os.PathLike):
        return True
    return STYLES.find(name) is None and _looks_like_path(_split_template_name(name)[0])


def _split_template_name(spec: str) -> tuple[str, str]:
    """Split a path from the name of one of its chat templates."""
    match = None if os.path.exists(os.path.expanduser(spec)) else _TEMPLATE_SUFFIX.fullmatch(spec)
    return (match[1], match[2]) if match else (spec, DEFAULT_TEMPLATE_NAME)


def _looks_like_path(spec: str) -> bool:
    has_separator = any(separator in spec for separator in ("/", os.sep, os.altsep) if separator)
    return has_separator or spec.startswith((".", "~")) or spec.endswith((".jinja", ".json")) or os.path.exists(spec)


def _read_path(path: str, template: str) -> StyleSource:
    expanded = os.path.expanduser(path)
    if os.path.isfile(expanded):
        _check_holds_template(Path(expanded))
    suffix = "" if template == DEFAULT_TEMPLATE_NAME else f":{template}"
    if not os.path.exists(expanded) and is_hub_name(path):
        return StyleSource(path + suffix, read_hub_files(path), template)
    return StyleSource(shorten_path(expanded) + suffix, read_tokenizer_files(Path(expanded)), template)


def _check_holds_template(path: Path) -> None:
    """Raise an error for a file that is not a chat template, such as rows or the Python file of a dataset template."""
    if path.suffix in (".py", ".yaml", ".yml"):
        raise UnknownNameError(
            f"{format_path(path)} is not a chat template; if it declares a dataset template, use --template"
            f" {format_path(path)}"
        )
    is_named_so = path.suffix in (".jinja", ".json")
    if not is_named_so and not any(mark in read_tokenizer_files(path).template() for mark in ("{{", "{%")):
        raise FileError(f"{format_path(path)} contains no chat template: it has neither {{{{ nor {{%")


def _make_unknown_name_error(name: str) -> UnknownNameError:
    """Return the error for a name that is neither a style nor a path."""
    family = find_missing_family(name)
    if family is None:
        return STYLES.make_unknown_name_error(name)
    return UnknownNameError(
        f"no style {preview(name)}: no bundled style has the layout of {family}; name the tokenizer's folder or"
        " its chat_template.jinja"
    )
