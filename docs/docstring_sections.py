"""Read the section titles of our docstrings that the parser of the reference does not know."""

import re
from typing import Any

from griffe import Extension, Object

TITLES = {"Example": "Examples", "Raises (while iterating)": "Raises"}
CLASS_ATTRIBUTES = re.compile(r"^(Class attributes:)\n((?: {4}.*\n?)+)", re.MULTILINE)


class DocstringSections(Extension):
    """Writes titles as the parser of Google docstrings expects them, and class attributes as a list."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            text = obj.docstring.value
            for ours, theirs in TITLES.items():
                text = re.sub(rf"^{re.escape(ours)}:$", f"{theirs}:", text, flags=re.MULTILINE)
            obj.docstring.value = CLASS_ATTRIBUTES.sub(_listed, text)


def _listed(match: re.Match[str]) -> str:
    """Return the class attributes as a list: each name as code, and its description."""
    items = re.sub(r"\n {8}", " ", match[2])
    return "**" + match[1] + "**\n\n" + re.sub(r"^ {4}([^:]+): ", r"- `\1` – ", items, flags=re.MULTILINE)
