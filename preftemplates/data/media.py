"""Parts that only some rows have, such as images, tools or a margin: find them in a source, and check the output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, get_origin

from preftemplates.core.paths import spell_path
from preftemplates.dialects.media import find_kinds
from preftemplates.errors import Code, PrefTemplatesError, RowError, preview

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from preftemplates.core.samples import Format, Sample
    from preftemplates.data.reading import Record, RowSource
    from preftemplates.templates.template import Template


_LOOKED_AT = 1000
"""How many rows are inspected before the first one is written."""

_MAX_HELD = 64 << 20
"""How many characters and bytes of rows are held for that, since images may be large."""


def find_first_parts(template: Template, format: Format, rows: RowSource) -> tuple[str, ...]:
    """Return the media, tools and optional labels in a source's first rows, without consuming the rows.

    Args:
        template: the template; a custom one has no such parts.
        format: the format's name.
        rows: the source, of which the first 1,000 records, or 64 MiB of them, are read and put back.
    """
    optional = () if template.is_custom else template.optional_parts(format)
    if template.is_custom or not (optional or _may_show_media(template)):
        return ()
    first: list[Record] = []
    parts: dict[str, None] = {}
    size = 0
    for record in islice(rows.records, _LOOKED_AT):
        first.append(record)
        if isinstance(record.cells, Mapping):
            with suppress(PrefTemplatesError):  # the conversion reports what is wrong with the row
                samples = template.extract_all(record.cells, format).samples
                parts |= dict.fromkeys(part for sample in samples for part in _find_parts(sample, optional))
            size += _count_characters(record.cells)
        if size > _MAX_HELD:
            break
    rows.records = chain(first, rows.records)
    return tuple(parts)


def _may_show_media(template: Template) -> bool:
    """Return whether a column may hold more than a string, a number or a bool."""
    kinds = (info.annotation for info in template.row_type.model_fields.values())
    return not all(kind in (str, int, float, bool) or get_origin(kind) is Literal for kind in kinds)


def _find_parts(sample: Sample[Any], optional: Collection[str]) -> Iterator[str]:
    yield from find_kinds(sample)
    yield from (part for part in optional if getattr(sample, part) is not None)


def _count_characters(value: Any) -> int:
    """Return how many characters and bytes a value of a row holds."""
    if isinstance(value, str | bytes):
        return len(value)
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return sum(map(_count_characters, items))


class CSVCheck:
    """Raises an error for results that a CSV cannot hold: other keys than those of the first result, and bytes."""

    def __init__(self) -> None:
        self._keys: list[str] | None = None

    def __call__(self, result: Mapping[str, Any]) -> None:
        """Raise an error if a CSV cannot hold the result.

        Raises:
            RowError: `unsupported_content`.
        """
        check_fits_json(result)
        self._keys = list(result) if self._keys is None else self._keys
        if list(result) != self._keys:
            raise RowError(
                f"got the columns {list(result)}, expected those of the first row of the CSV, {self._keys};"
                " write .jsonl",
                code=Code.UNSUPPORTED_CONTENT, value=list(result),
            )  # fmt: skip


_IMAGE_KEYS = ("image", "images", "rejected_images")
"""The keys for whose bytes a table has a place."""


def check_fits_json(result: Mapping[str, Any]) -> None:
    """Raise an error for a result that no text file can hold, such as the bytes of an image.

    >>> check_fits_json({"images": [{"bytes": b"1", "path": None}]})
    Traceback (most recent call last):
    preftemplates.errors.RowError: images: JSON cannot hold {'bytes': b'1', 'path': None}; write .parquet [unsupported_content]

    Raises:
        RowError: `unsupported_content`, with the key.
    """  # noqa: E501
    for key, value in result.items():
        if not isinstance(value, str) and not _is_text_alone(value) and not _is_json(value):
            odd = next((item for item in value if not _is_json(item)), value) if isinstance(value, list) else value
            fix = "; write .parquet" if key in _IMAGE_KEYS else ""
            raise RowError(
                f"{spell_path((key,))}: JSON cannot hold {preview(odd)}{fix}",
                code=Code.UNSUPPORTED_CONTENT, value=odd,
            )  # fmt: skip


def _is_text_alone(value: Any) -> bool:
    """Return whether a value is a list of messages of texts, as most are; it then needs no further checks."""
    return isinstance(value, list) and all(
        isinstance(item, dict) and all(isinstance(inner, str) for inner in item.values()) for item in value
    )


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
