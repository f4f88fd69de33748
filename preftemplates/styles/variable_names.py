"""The names that a variable of a chat template may have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from preftemplates.errors import DefinitionError, preview
from preftemplates.sandbox.allowlist import ALLOWED_GLOBALS

_OPERATOR_WORDS = frozenset(
    ("and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "or", "true", "True")
)
"""Names that Jinja reads as constants or operators."""

_RESERVED_NAMES = frozenset({"messages", "add_generation_prompt", "loop", "self"}) | ALLOWED_GLOBALS | _OPERATOR_WORDS
"""Names with a fixed meaning in every chat template."""


def is_variable_name(name: Any) -> bool:
    """Return whether a default or a tokenizer's token may have this name, so that a template can read and set it.

    >>> [is_variable_name(name) for name in ("enable_thinking", "a-b", "true", "messages")]
    [True, False, False, False]
    """
    return isinstance(name, str) and name.isascii() and name.isidentifier() and name not in _RESERVED_NAMES


def freeze_variables(variables: Any) -> tuple[tuple[str, str], ...]:
    """Return the variables of a chat template by name, each as JSON.

    Raises:
        DefinitionError: they are not a mapping, a name is not that of a variable, or a value is not JSON.
    """
    if not isinstance(variables, Mapping):
        raise DefinitionError(f"defaults must map the names of variables to values, got {preview(variables)}")
    for name in variables:
        if not is_variable_name(name):
            raise DefinitionError(
                f"a default must have the name of a variable that a chat template can set, got {preview(name)}"
            )
    try:
        return tuple(sorted((name, json.dumps(value, allow_nan=False)) for name, value in variables.items()))
    except (TypeError, ValueError, RecursionError) as error:
        raise DefinitionError(f"a default must be text, a number or other JSON: {error}") from error
