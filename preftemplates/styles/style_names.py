"""The names of styles that are not registered: the name of a folder or file, but never a local path."""

from __future__ import annotations

import os
import re
from pathlib import Path

from preftemplates.errors import one_line

_USUAL_FILES = frozenset(
    ("chat_template.jinja", "chat_template.json", "tokenizer_config.json", "processor_config.json")
)
"""Files that have the same name in every folder, so that the folder's name is more informative."""

_MAX_LENGTH = 80


def shorten_path(path: str) -> str:
    """Return a short name for a file, a folder or a hub name; empty for an empty path.

    >>> [shorten_path(path) for path in ("models/ada/", "ada/chat_template.jinja", "brief.jinja", "ada/beth-1B")]
    ['ada', 'ada', 'brief', 'beth-1B']
    """
    if not path:
        return ""
    parts = Path(os.path.abspath(path)).parts
    if parts[-1] in _USUAL_FILES:
        parts = parts[:-1]
    if len(parts) > 2 and parts[-2] == "snapshots":  # the hub's cache: models--OWNER--NAME/snapshots/COMMIT
        parts = (*parts[:-2], parts[-3].rpartition("--")[2]) if "--" in parts[-3] else parts
    name = re.sub(r"\.(jinja|json)\Z", "", parts[-1]).strip(os.sep)
    return one_line(name, _MAX_LENGTH)
