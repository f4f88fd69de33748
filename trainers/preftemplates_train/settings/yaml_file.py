"""Settings in a YAML file."""

from __future__ import annotations

from typing import Any

from preftemplates.errors import FileError, preview
from preftemplates.yaml_file import read_yaml
from preftemplates_train.errors import SetupError


def load(path: str) -> dict[Any, Any]:
    """The mapping in a YAML file.

    Raises:
        SetupError: it cannot be read, or is no mapping with each key once.
    """
    try:
        loaded = read_yaml(path).data
    except FileError as error:
        raise SetupError(error.message, **error.facts) from error
    if not isinstance(loaded, dict):
        raise SetupError(f"expected settings and their values, got {preview(loaded)}", file=path)
    return loaded
