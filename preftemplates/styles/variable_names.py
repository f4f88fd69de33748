"""The names that a variable of a chat template may have."""

from __future__ import annotations

from typing import Any

from preftemplates.sandbox.allowlist import ALLOWED_GLOBALS

_OPERATOR_WORDS = frozenset(
    ("and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "or", "true", "True")
)
"""What Jinja reads as a constant or an operator."""

_RESERVED_NAMES = frozenset({"messages", "add_generation_prompt", "loop", "self"}) | ALLOWED_GLOBALS | _OPERATOR_WORDS
"""Names that mean something else in every chat template."""


def is_variable_name(name: Any) -> bool:
    """Whether a default, or a tokenizer's token, may have this name: a template can read and set it.

    >>> [is_variable_name(name) for name in ("enable_thinking", "a-b", "true", "messages")]
    [True, False, False, False]
    """
    return isinstance(name, str) and name.isascii() and name.isidentifier() and name not in _RESERVED_NAMES
