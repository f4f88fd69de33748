"""Pickle functions and classes for another process, which may not be able to import them."""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.source_code import class_source, function_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_REGISTRY_LOCK = threading.RLock()
"""Guards cloudpickle's registry, which is global; reentrant, as a class may hold templates that are packed with it."""


class PickledByFields:
    """A dataclass that pickles its fields only, without the values that it has computed from them and cached."""

    # otherwise use would change the pickle, by whose fingerprint `datasets` caches the results of `map`
    def __getstate__(self) -> dict[str, Any]:
        instance: Any = self
        return {field.name: getattr(self, field.name) for field in fields(instance)}


class PackedDefinition(NamedTuple):
    """A packed function or class: its name and source, and the pickled item unless this package defines it."""

    module: str
    qualname: str
    source: str
    value: bytes | None

    def unpack(self) -> Any:
        """Return the item: imported if its name still leads to the same source, otherwise unpickled."""
        with suppress(ImportError, AttributeError):
            # a qualname with `<locals>` in it raises AttributeError
            item = attrgetter(self.qualname)(importlib.import_module(self.module))
            if self.value is None or _read_source(item) == self.source:
                return item
        if self.value is None:
            raise ImportError(f"{self.module}.{self.qualname} does not exist")
        import cloudpickle

        return cloudpickle.loads(self.value)


def pack_definition(item: Any) -> PackedDefinition:
    """Pack a function or class by name and, unless it belongs to this package, by value."""
    return PackedDefinition(
        item.__module__, item.__qualname__, _read_source(item), None if _is_ours(item) else _pickle_by_value(item)
    )


def _read_source(item: Any) -> str:
    return class_source(item) if isinstance(item, type) else function_source(item)


def _is_ours(item: Any) -> bool:
    return str(item.__module__).startswith("preftemplates.")


def _pickle_by_value(item: Any) -> bytes:
    import cloudpickle

    module = sys.modules.get(item.__module__)
    if module is None or item.__module__ == "__main__":  # cloudpickle packs these by value without being asked
        return bytes(cloudpickle.dumps(item))
    # other processes may have no module of this name, or another version of it
    with _registered_by_value(module):
        return bytes(cloudpickle.dumps(item))


@contextmanager
def _registered_by_value(module: ModuleType) -> Iterator[None]:
    """Make cloudpickle pickle the definitions of a module by value, and leave its registry as it was."""
    import cloudpickle

    with _REGISTRY_LOCK:
        if module.__name__ in cloudpickle.list_registry_pickle_by_value():  # by the user, or by an outer call
            yield
            return
        cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            cloudpickle.unregister_pickle_by_value(module)
