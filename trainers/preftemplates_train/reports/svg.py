"""Render a matplotlib figure as SVG inside a page: small, without clashing ids, in the page's colours."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.figure import Figure

PLOT_COLOURS = {
    "chosen": "#0072b2",
    "rejected": "#d55e00",
    "held-out": "#00795c",
    "training": "#8b919b",
    "ink": "#4b5260",
    "rule": "#dfe2e7",
}
"""The role of each colour, with the colour that matplotlib draws; the page replaces it in light and dark mode."""


def render_svg(figure: Figure, name: str, label: str) -> Markup:
    """Return the picture for use inside a page: without XML declarations and unused ids, with colours by role.

    Args:
        figure: the figure.
        name: the prefix of its ids.
        label: a description of the picture for screen readers.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue().decode()
    root = ElementTree.fromstring(text)
    for definitions in root.findall("{*}defs"):  # styles, which would apply to the whole page, and unused clip paths
        root.remove(definitions)
    used_ids = set(re.findall(r'"#([^"]+)"', text))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = dict(_clean_attributes(element.attrib, name, used_ids))
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # ElementTree escapes


def _clean_attributes(attributes: Mapping[str, str], name: str, used_ids: set[str]) -> Iterator[tuple[str, str]]:
    for qualified_key, value in attributes.items():
        key = qualified_key.rpartition("}")[2]
        if key == "href":
            yield key, f"#{name}-{value[1:]}"
        elif key == "id" and value in used_ids:
            yield key, f"{name}-{value}"
        elif key == "id" and value.startswith(f"{name}-"):
            yield key, value
        elif key not in ("id", "clip-path") and not value.startswith("rotate(-0 "):
            yield key, _shorten_value(value)


def _shorten_value(value: str) -> str:
    """Return an attribute with two decimals, which is finer than the eye can see, and with the page's colours."""
    value = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", value)
    for role, colour in PLOT_COLOURS.items():
        value = value.replace(colour, f"var(--{role})")
    return value.replace("\n", " ").strip()
