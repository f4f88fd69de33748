"""Groups of what is bundled: templates by the family of their dataset, styles by the family of their models."""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from preftemplates import list_styles, list_templates
from preftemplates.core.registry import fold_name
from preftemplates.styles import usual_names
from preftemplates.styles.style import STYLES
from preftemplates.templates.library import TEMPLATES
from site_pages.markdown_text import read_paragraphs

if TYPE_CHECKING:
    from collections.abc import Iterable

LAYOUTS = ("beginning-of-conversation", "chatml", "human-assistant", "plain")
"""The styles that are not the layout of one family of models."""


MAX_TITLE = 40
"""So many characters fit on a line of the table of contents."""


class Family(NamedTuple):
    """A group of items: its title, its name in addresses, and the names of the items."""

    title: str
    slug: str
    names: tuple[str, ...]


def list_template_families() -> list[Family]:
    """Return the bundled templates, grouped by their files: each holds one family of datasets."""
    groups: dict[str, list[str]] = {}
    for name in list_templates():
        groups.setdefault(TEMPLATES.get(name).__module__, []).append(name)
    families = [
        Family(_read_title(module), module.rpartition(".")[2].replace("_", "-"), tuple(names))
        for module, names in groups.items()
    ]
    return _sort(families)


def _read_title(module: str) -> str:
    """Return the words before the first colon of a module's docstring, or its first clause; not more than fits."""
    first_line = (sys.modules[module].__doc__ or module).strip().partition("\n")[0]
    title = re.split(r":\s|[,.]\s|\.$", first_line)[0]
    return title if len(title) <= MAX_TITLE else re.split(r" (?:in|instead|that|with) ", title)[0]


@cache
def list_model_families() -> list[Family]:
    """Return the bundled styles, grouped by the name of their models without its version."""
    groups: dict[str, list[str]] = {}
    for name in list_styles():
        if name not in LAYOUTS:
            groups.setdefault(strip_version(name), []).append(name)
    return _sort([Family(_spell_family(key, names), key, tuple(names)) for key, names in groups.items()])


def _sort(families: Iterable[Family]) -> list[Family]:
    return sorted(families, key=lambda family: family.title.casefold())


def strip_version(name: str) -> str:
    """Return the name of a style without the version and what follows it.

    >>> [strip_version(name) for name in ("qwen2.5", "deepseek-r1", "mistral-v3-tekken", "command-r")]
    ['qwen', 'deepseek', 'mistral', 'command-r']
    """
    return re.sub(r"(-[a-z])?\d.*", "", name)


def _spell_family(key: str, names: Iterable[str]) -> str:
    """Return the name of a family as the docstrings of its styles spell it."""
    pattern = r"(?<![\w<|])" + "[ -]?".join(map(re.escape, key.replace("-", "")))
    for name in names:
        match = re.search(pattern, " ".join(read_paragraphs(STYLES.get(name))), re.IGNORECASE)
        if match:
            return match[0]
    return key


def list_missing_models(key: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the models of a family that no bundled style is for, each with the names that people type."""
    folded = fold_name(key)
    families = usual_names.MODEL_FAMILIES.items()
    return [(title, names) for title, names in families if any(fold_name(name).startswith(folded) for name in names)]
