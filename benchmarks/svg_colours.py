"""Colours of figures that follow the reader's colour scheme, light or dark."""

from __future__ import annotations

import re

DARK = {"#3f51b5": "#9fa8da", "#b26a00": "#ffb74d", "#9e9e9e": "#757575"}
"""The colours that figures draw with, and what they are on a dark page."""

_TEXT = {"light": "#212121", "dark": "#e0e0e0"}
_OLD_STYLE = '<style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>'


def follow_colour_scheme(svg: str) -> str:
    """Return a figure of matplotlib with a transparent background, and with lighter colours on a dark page.

    Text and axes are black in matplotlib's figure. They take the colour of the page's text here.
    """
    svg = re.sub(r"fill: #ffffff\b", "fill: none", svg)
    svg = re.sub(r"(fill|stroke): #000000\b", r"\1: currentColor", svg)
    return svg.replace(_OLD_STYLE, f'<style type="text/css">{write_style()}</style>', 1)


def write_style() -> str:
    """Return the style sheet of a figure: attribute selectors find the colours that matplotlib writes inline."""
    swaps = [
        f'[style*="{name}: {light}"] {{{name}: {dark} !important}}'
        for light, dark in DARK.items()
        for name in ("fill", "stroke")
    ]
    lines = [
        "* {stroke-linejoin: round; stroke-linecap: butt}",
        f"svg {{color: {_TEXT['light']}; fill: currentColor}}",
        "@media (prefers-color-scheme: dark) {",
        f"svg {{color: {_TEXT['dark']}}}",
        *swaps,
        "}",
    ]
    return "\n".join(lines)
