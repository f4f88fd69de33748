"""The library of templates: register a template, get one by its name or file, list all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar, cast

from preftemplates.core.python_files import run_file
from preftemplates.core.registry import Registry
from preftemplates.dialects.dialect import Dialect, get_dialect
from preftemplates.errors import DefinitionError, UnknownNameError, did_you_mean, preview
from preftemplates.styles.resolve import get_style
from preftemplates.styles.style import STYLES
from preftemplates.templates.custom import CustomTemplate
from preftemplates.templates.dataset_info import read_entry
from preftemplates.templates.template import CUSTOM_METHODS, Template
from preftemplates.templates.yaml_template import read_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from preftemplates.styles.style import Style

TemplateClass = TypeVar("TemplateClass", bound="type[Template]")

TEMPLATES: Registry[type[Template]] = Registry(
    "template", "preftemplates.templates.bundled", "preftemplates.templates"
)


def register_template(
    name: str,
    *,
    style: str | Style | None = None,
    dialect: str | Dialect | None = None,
    aliases: Iterable[str] = (),
) -> Callable[[TemplateClass], TemplateClass]:
    """Register a template class under a name.

    Args:
        name: the name, of A to Z, a to z, digits, `.`, `_` and `-`.
        style: the default style, named as for `get_style`; chatml if neither this call nor a parent class names one.
        dialect: the default dialect, likewise; trl if none is named.
        aliases: other names of the template.

    Raises:
        DefinitionError: another class has the name, or the class neither declares samples nor has methods of its own.
        UnknownNameError: there is no such style or dialect.
    """
    register = TEMPLATES.decorator(name, Template, aliases)

    def decorate(cls: TemplateClass) -> TemplateClass:
        if isinstance(cls, type) and issubclass(cls, Template):
            if cls.declaration is None and not issubclass(cls, CustomTemplate):
                raise DefinitionError(
                    f"{cls.__name__} declares no sample (such as preference = Preference(...)) and defines none of"
                    f" {', '.join(CUSTOM_METHODS)}"
                )
            if style is not None:
                get_style(style)  # an unknown name raises an error here, at registration
                cls.default_style = style
            if dialect is not None:
                get_dialect(dialect)
                cls.default_dialect = dialect
        return cast("TemplateClass", register(cls))

    return decorate


def get_template(name: str | Template) -> Template:
    """Return the template with a name, or in a file; a template is returned unchanged.

    Args:
        name: one of the following:

            - a registered name;
            - the name of a dataset on the hub, `Anthropic/hh-rlhf`, if exactly one template is for it;
            - the path of a `.py` file that registers one template, or of several with the name after a colon:
              `mine.py:Second`;
            - the path of a `.yaml` file that declares one;
            - an entry of LLaMA-Factory's `dataset_info.json`, with its name after a colon:
              `data/dataset_info.json:dpo_en_demo`.

    Raises:
        UnknownNameError: there is no such template; the message suggests the nearest name.
        FileError: the file cannot be read or run.
    """
    if isinstance(name, Template):
        return name
    if not isinstance(name, str | os.PathLike):
        return _instantiate(name)
    if str(name).endswith((".yaml", ".yml")):
        return read_template(str(name), Template)
    path, is_entry, entry_name = str(name).rpartition(".json:")
    if is_entry:
        return read_entry(f"{path}.json", entry_name, Template)
    path, is_file, rest = str(name).rpartition(".py")
    if is_file and (not rest or rest.startswith(":")):
        return _load_from_file(path + is_file, rest[1:])
    return _instantiate(_find_by_dataset(str(name)) if "/" in str(name) else name)


def _instantiate(name: str) -> Template:
    is_known = not isinstance(name, str) or TEMPLATES.find(name) is not None or STYLES.find(name) is not None
    if not is_known and os.path.isdir(name):
        raise UnknownNameError(
            f"{preview(name)} is a directory, not a template; use --style for a tokenizer's directory"
        )
    return TEMPLATES.get(name)()


def _find_by_dataset(dataset: str) -> str:
    """Return the name of the only template for a dataset."""
    folded = dataset.casefold()
    datasets = {name: str(get_template(name).about.dataset).casefold() for name in TEMPLATES.load_names()[0]}
    names = [name for name, of in datasets.items() if of == folded]
    if len(names) == 1:
        return names[0]
    if names:
        raise UnknownNameError(f"{dataset} has {len(names)} templates: {', '.join(names)}; name one of them")
    raise UnknownNameError(f"there is no template for the dataset {preview(dataset)}")


def _load_from_file(path: str, name: str) -> Template:
    """Return the template with a name in a Python file, or the only one if the name is empty."""
    names = TEMPLATES.names_from(run_file(path).__name__)
    if name and name not in names:
        raise UnknownNameError(f"{path} registers no template {name!r}." + did_you_mean(name, names))
    if not name and len(names) != 1:
        if not names:
            raise UnknownNameError(f'{path} registers no template; decorate a class with @register_template("NAME")')
        listed = f"{', '.join(names)}; name one of them, as in {path}:{names[0]}"
        raise UnknownNameError(f"{path} registers {len(names)} templates: {listed}")
    return _instantiate(name or names[0])


def list_templates() -> list[str]:
    """Return the names of all templates."""
    return TEMPLATES.names()
