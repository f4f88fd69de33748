"""Registries that forget what a test, a page of the docs or a docstring registered."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from preftemplates.core.python_files import MODULE_PREFIX
from preftemplates.core.samples import SAMPLE_TYPES
from preftemplates.dialects.dialect import DIALECTS
from preftemplates.styles.style import STYLES
from preftemplates.templates.expressions import ENVIRONMENT, FILTERS
from preftemplates.templates.library import TEMPLATES
from preftemplates.tokens.engines.engine import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator


def restore_registries() -> Iterator[None]:
    """Let the registries forget what is registered between the two halves of this generator."""
    registries = (TEMPLATES, STYLES, DIALECTS, FILTERS, SAMPLE_TYPES, ENGINES)
    for registry in registries:
        registry.names()
    mappings = [value for registry in registries for value in vars(registry).values() if isinstance(value, dict)]
    mappings += [ENVIRONMENT.filters]
    before = [dict(mapping) for mapping in mappings]
    modules = set(sys.modules)
    try:
        yield
    finally:
        for mapping, old in zip(mappings, before, strict=True):
            mapping.clear()
            mapping.update(old)
        for name in set(sys.modules) - modules:
            if name.startswith(MODULE_PREFIX):  # else the file would count as run, and what it registered is missing
                del sys.modules[name]


registries_restored = contextmanager(restore_registries)
