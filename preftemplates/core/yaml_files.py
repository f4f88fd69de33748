"""Read YAML files: plain values only, each key once, with the line of every value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preftemplates.errors import FileError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1 << 20
"""The most bytes that are read from a file; PyYAML takes three seconds for as many."""

KeyPath = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""


@dataclass(frozen=True)
class Document:
    """The data of a YAML file, and where each part of it is.

    Attributes:
        path: the file.
        data: its value.
        lines: for each value, the line of its key or list item, counted from 1.
    """

    path: str
    data: Any
    lines: dict[KeyPath, int]

    def line(self, keys: KeyPath) -> int | None:
        """Return the line of a value, or of the nearest value that holds it."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys)


_PLAIN_FAULTS = {
    "unhashable key": 'text with {{ ... }} needs quotes, as in "{{ question }}"',
    "expected <block end>, but found '<block mapping start>'": "the key is not indented like the keys above it",
    r"found character '\t' that cannot start any token": "a tab where YAML expects spaces",
    "mapping values are not allowed here": "text with a colon and a space needs quotes, or the key is too far right",
}
"""Words of PyYAML's errors for frequent mistakes, and the mistake."""


def read_yaml(path: str | Path) -> Document:
    """Read a YAML file.

    Raises:
        FileError: it cannot be read, is not YAML, repeats a key or holds a value that is not plain; with the line.
    """
    import yaml  # type: ignore[import-untyped]

    path = str(path)
    loader = None
    try:
        loader = _make_loader(yaml)(_read_text(path))
        node = loader.get_single_node()
        lines = dict(_list_lines(node, ())) if node is not None else {}
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        reason = ", ".join(words for words in (error.context, error.problem) if words)
        reason = next((plain for words, plain in _PLAIN_FAULTS.items() if words in reason), reason)
        raise FileError(one_line(reason, 200), file=path, line=line) from error
    except FileError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        fault = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise FileError(f"{one_line(path, 200)} cannot be read: {fault}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = one_line(str(error).partition("\n")[0], 200)
        raise FileError(f"this is not YAML: {reason}", file=path) from error
    finally:
        if loader is not None:
            loader.dispose()
    return Document(path, data, lines)


def _read_text(path: str) -> str:
    with Path(path).open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise FileError(f"the file has more than {MAX_BYTES:,} bytes, the limit for templates and settings", file=path)
    return content.decode("utf-8")


def _list_lines(node: Any, keys: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    """Yield the values below a node, each with its line."""
    kind = type(node).__name__
    if kind == "MappingNode":
        for key, value in node.value:
            inner = (*keys, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _list_lines(value, inner)
    elif kind == "SequenceNode":
        for index, item in enumerate(node.value):
            yield (*keys, index), item.start_mark.line + 1
            yield from _list_lines(item, (*keys, index))


def _make_loader(yaml: Any) -> Any:
    """Return a safe loader that rejects repeated keys and aliases, and reads numbers as YAML 1.2 does."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.constructor.ConstructorError(None, None, "aliases are not supported", mark)
            return super().compose_node(parent, index)

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            keys = set()
            for key, _ in node.value:
                if (key.tag, str(key.value)) in keys:
                    fault = f"the key {key.value} is repeated"
                    raise yaml.constructor.ConstructorError(None, None, fault, key.start_mark)
                keys.add((key.tag, str(key.value)))
            return node

    # YAML 1.2 and JSON read these as numbers; PyYAML reads them as text
    number = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789"))
    for kind in ("int", "float"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", _make_number_reader(Loader, kind))
    return Loader


def _make_number_reader(loader: Any, kind: str) -> Any:
    """Return a constructor that reads `1:30` as text, as YAML 1.2 does.

    PyYAML reads 90, and takes minutes for a long `1:1:1...`.
    """
    read_number = getattr(loader, f"construct_yaml_{kind}")

    def read(self: Any, node: Any) -> Any:
        is_text = isinstance(node.value, str) and ":" in node.value
        return node.value if is_text else read_number(self, node)

    return read
