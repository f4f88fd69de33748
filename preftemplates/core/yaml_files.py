"""Reading YAML: plain values alone, each key once, and the line on which each stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preftemplates.errors import FileError, one_line

Place = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""


@dataclass(frozen=True)
class Document:
    """What a YAML file holds.

    Attributes:
        path: the file.
        data: its value.
        lines: for each place, the line from 1 on which its key, or the item of a list, stands.
    """

    path: str
    data: Any
    lines: dict[Place, int]

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest place around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def read_yaml(path: str | Path) -> Document:
    """Read a YAML file.

    Raises:
        FileError: it cannot be read, is no YAML, names a key twice or holds what is no plain value; with the line.
    """
    import yaml  # type: ignore[import-untyped]

    path = str(path)
    loader = None
    try:
        loader = _loader(yaml)(Path(path).read_text(encoding="utf-8"))
        node = loader.get_single_node()
        lines = dict(_lines(node, ())) if node is not None else {}
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        reason = ", ".join(words for words in (error.context, error.problem) if words)
        reason += "; {{ ... }} is written in quotes" if "unhashable key" in reason else ""
        raise FileError(one_line(reason, 200), file=path, line=line) from error
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise FileError(f"{one_line(path, 200)} cannot be read: {said}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        said = one_line(str(error).partition("\n")[0], 200)
        raise FileError(f"this is not YAML: {said}", file=path) from error
    finally:
        if loader is not None:
            loader.dispose()
    return Document(path, data, lines)


def _lines(node: Any, place: Place) -> Iterator[tuple[Place, int]]:
    """The places below a node, each with its line."""
    kind = type(node).__name__
    if kind == "MappingNode":
        for key, value in node.value:
            inner = (*place, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif kind == "SequenceNode":
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _lines(item, (*place, index))


def _loader(yaml: Any) -> Any:
    """A safe loader that refuses a key that is there twice and an alias, and reads numbers as YAML 1.2 does."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.constructor.ConstructorError(None, None, "aliases are not read", mark)
            return super().compose_node(parent, index)

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            seen = set()
            for key, _ in node.value:
                if (key.tag, str(key.value)) in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value} is named twice", key.start_mark)
                seen.add((key.tag, str(key.value)))
            return node

    # a number in YAML 1.2, and in JSON; PyYAML would read text
    number = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789"))
    return Loader
