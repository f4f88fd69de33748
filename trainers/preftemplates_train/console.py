"""Output of the commands: text without markup and control characters, and figures for JSON."""

from __future__ import annotations

import math
from typing import Any

from rich.text import Text

from preftemplates.errors import make_visible


def replace_non_finite(value: Any) -> Any:
    """Return the same with None for each float that is not finite: a single pair has no standard error."""
    if isinstance(value, dict):
        return {name: replace_non_finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [replace_non_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def escape_text(text: str, style: str = "") -> Text:
    """Return the text for rich without markup, and with control characters other than line ends escaped."""
    return Text("\n".join(map(make_visible, text.split("\n"))), style)
