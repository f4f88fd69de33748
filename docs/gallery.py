"""A hook of mkdocs that adds the generated pages: the gallery and the models."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from site_pages.dialect_page import write_dialects_page
from site_pages.families import list_model_families
from site_pages.model_pages import write_model_page, write_models_page
from site_pages.style_pages import write_style_page, write_styles_page
from site_pages.template_pages import write_template_page, write_templates_page

from preftemplates import list_styles, list_templates

if TYPE_CHECKING:
    from collections.abc import Mapping


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to the site; mkdocs calls this."""
    from mkdocs.structure.files import File

    for path, text in write_pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_nav(nav: Any, files: Any, **_: Any) -> Any:
    """Link the generated pages of each list in order, from one to the next; mkdocs calls this."""
    for paths in _list_chains():
        pages = [files.get_file_from_path(path).page for path in paths]
        for previous, following in pairwise(pages):
            previous.next_page, following.previous_page = following, previous
    return nav


def _list_chains() -> list[list[str]]:
    """Return the paths of the pages in the order of each list; the lists themselves keep their places in the nav."""
    names: Mapping[str, list[str]] = {
        "gallery/templates": list_templates(),
        "gallery/styles": list_styles(),
        "models": [family.slug for family in list_model_families()],
    }
    return [[f"{folder}/{name}.md" for name in each] for folder, each in names.items()]


def write_pages() -> dict[str, str]:
    """Return the text of the generated pages by their paths in the docs."""
    pages = {
        "gallery/templates.md": write_templates_page(),
        "gallery/styles.md": write_styles_page(),
        "gallery/dialects.md": write_dialects_page(),
        "models/index.md": write_models_page(),
    }
    pages |= {f"gallery/templates/{name}.md": write_template_page(name) for name in list_templates()}
    pages |= {f"gallery/styles/{name}.md": write_style_page(name) for name in list_styles()}
    return pages | {f"models/{family.slug}.md": write_model_page(family) for family in list_model_families()}
