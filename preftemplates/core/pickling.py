"""Functions and classes on their way to another process, which may not be able to import them."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from operator import attrgetter
from typing import Any, NamedTuple

from preftemplates.core.source_code import class_source, function_source


class Parcel(NamedTuple):
    """A function or class, packed: its name and source, and for what is not this package's own the thing itself."""

    module: str
    qualname: str
    source: str
    value: bytes | None

    def open(self) -> Any:
        """What was packed: imported if the name still means the same here, else made anew from the parcel."""
        with suppress(ImportError, AttributeError):
            found = attrgetter(self.qualname)(importlib.import_module(self.module))
            if self.value is None or _source_of(found) == self.source:
                return found
        if self.value is None:
            raise ImportError(f"{self.module}.{self.qualname} is not there")
        import cloudpickle

        return cloudpickle.loads(self.value)


def pack(item: Any) -> Parcel:
    """Pack a function or class by name and, unless it belongs to this package, by value."""
    return Parcel(item.__module__, item.__qualname__, _source_of(item), None if _is_ours(item) else _by_value(item))


def _source_of(item: Any) -> str:
    return class_source(item) if isinstance(item, type) else function_source(item)


def _is_ours(item: Any) -> bool:
    return str(item.__module__).startswith("preftemplates.")


def _by_value(item: Any) -> bytes:
    import cloudpickle

    module = sys.modules.get(item.__module__)
    if module is None or item.__module__ == "__main__":  # by value in any case
        return bytes(cloudpickle.dumps(item))
    cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(item))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
