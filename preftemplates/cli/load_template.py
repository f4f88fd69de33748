"""Load a template as the options of a subcommand name it."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from preftemplates.core.extras import import_extra
from preftemplates.errors import DefinitionError, FileError, one_line
from preftemplates.styles.hub import explain_hub_error, is_hub_name
from preftemplates.styles.resolve import find_style
from preftemplates.styles.style import Style
from preftemplates.styles.style_names import shorten_path
from preftemplates.styles.tokenizer_files import lacks_tokenizer, read_tokenizer_files
from preftemplates.templates.library import get_template
from preftemplates.tokens.json_tokenizer import JsonTokenizer

if TYPE_CHECKING:
    from rich.console import Console

    from preftemplates.templates.template import Template
    from preftemplates.templates.text_edges import EdgePolicy


class EdgeOptions(NamedTuple):
    """The options for the edges of texts.

    Attributes:
        tokenizer: the folder of the tokenizer that a framework will use.
        bos, eos: whether a text keeps them, where no tokenizer is given.
    """

    tokenizer: str | None = None
    bos: EdgePolicy | None = None
    eos: EdgePolicy | None = None


def load_template(name: str, style: str | None, dialect: str | None, edges: EdgeOptions, console: Console) -> Template:
    """Return the template of that name, with another style, dialect and edges where they are given.

    Args:
        name: the template's name, or a file.
        style: whatever `get_style` takes.
        dialect: a dialect's name.
        edges: the options for the edges of texts.
        console: where to print notes.

    A tokenizer that is named without a style brings its own chat template.

    Raises:
        UnknownNameError: there is no template, style or dialect of a name.
        DefinitionError: the options of the edges contradict each other, or the dialect has no use for them.
    """
    template = get_template(name)
    if dialect:
        template = template.with_dialect(dialect)
    if style:
        found = find_style(style)
        loaded = found.load()
        template = template.with_style(loaded)
        for note in found.list_notes(loaded):
            console.print(Text(f"note: {one_line(note, 400)}"), soft_wrap=True)
    return _apply_edges(template, edges, console, names_style=bool(style))


def _apply_edges(template: Template, edges: EdgeOptions, console: Console, *, names_style: bool) -> Template:
    if edges.tokenizer is not None:
        if edges.bos or edges.eos:
            raise DefinitionError("--tokenizer decides about BOS and EOS; leave out --bos and --eos")
        tokenizer = read_tokenizer(edges.tokenizer)
        template = template.with_tokenizer(tokenizer)
        if names_style or not tokenizer.chat_template:
            return template
        own = Style.from_tokenizer(tokenizer)
        console.print(Text(f"style: the chat template of {one_line(edges.tokenizer, 200)}"), soft_wrap=True)
        return template.with_style(Style.of(own.layout, shorten_path(edges.tokenizer)))
    if edges.bos or edges.eos:
        return template.with_edges(bos=edges.bos or "keep", eos=edges.eos or "keep")
    return template


@lru_cache(maxsize=1)
def read_tokenizer(folder: str) -> Any:
    """Return the tokenizer in a folder, or of a model on the hub.

    Without transformers, a folder with a `tokenizer.json` is read as a `JsonTokenizer`, which needs `tokenizers`.

    Raises:
        FileError: it cannot be loaded.
        MissingPackageError: transformers is not installed, and the tokenizer is not such a folder.
    """
    is_folder = os.path.isdir(folder)
    if not is_folder and not is_hub_name(folder):
        raise FileError(f"there is no directory {folder}; a model on the hub is named OWNER/NAME")
    missing = FileError(f"{folder} has no tokenizer: there is no tokenizer.json, *.model or vocab.* in it")
    has_none = is_folder and lacks_tokenizer(Path(folder))
    if has_none and not os.path.isfile(os.path.join(folder, "tokenizer_config.json")):  # ByT5's has no other file
        raise missing
    has_json = os.path.isfile(os.path.join(folder, "tokenizer.json"))
    if has_json and find_spec("transformers") is None and find_spec("tokenizers") is not None:
        return JsonTokenizer.from_files(read_tokenizer_files(folder))
    transformers = import_extra("transformers", f"{folder} is a tokenizer's folder")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    except Exception as error:
        if has_none:
            raise missing from error
        reason = one_line(str(error), 200) if is_folder else explain_hub_error(error)
        raise FileError(f"{folder} cannot be loaded as a tokenizer: {reason}") from error
    if has_none and len(tokenizer.get_vocab().keys() - tokenizer.get_added_vocab().keys()) <= 1:
        raise missing  # it was made from the configuration, and has only special tokens and perhaps a space's mark
    return tokenizer
