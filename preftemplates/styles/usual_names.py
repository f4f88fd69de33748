"""Usual names of models for which no bundled style is right."""

from __future__ import annotations

from preftemplates.core.registry import fold_name

_MISSING_FAMILIES = {
    "Gemma 4": ("gemma4", "gemma-4-thinking"),
    "Qwen3-Coder": ("qwen3-coder",),
}
"""Families of models, each with the names that people type. A bundled style that writes something else would be worse
than an error."""


def describe_missing_family(name: str) -> str | None:
    """Return the family of models that a name stands for and no bundled style writes; None for any other name.

    >>> describe_missing_family("gemma-4"), describe_missing_family("chatml")
    ('Gemma 4', None)
    """
    folded = fold_name(name)
    families = (family for family, names in _MISSING_FAMILIES.items() if folded in map(fold_name, names))
    return next(families, None)
