"""Media in many rows: which kinds a source has, and what a text file can hold of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from preftemplates.core.media import MEDIA_COLUMNS, read_medium
from preftemplates.core.paths import spell_path
from preftemplates.errors import Code, RowError, preview
from preftemplates.templates.unread import has_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates.data.reading import RowSource
    from preftemplates.templates.template import Template


_LOOKED_AT = 1000
"""How many rows are looked at for media before the first one is written."""


def find_first_media(template: Template, rows: RowSource) -> tuple[str, ...]:
    """Return the kinds of media that the first rows of a source have; no row is lost.

    Args:
        template: the template; a custom one has no media.
        rows: the source, whose first 1,000 records are read and put back.
    """
    if template.is_custom:
        return ()
    first = list(islice(rows.records, _LOOKED_AT))
    rows.records = chain(first, rows.records)
    kinds: dict[str, None] = {}
    for record in first:
        if isinstance(record.cells, Mapping):
            filled = [column for column, cell in record.cells.items() if has_value(cell)]
            kinds |= dict.fromkeys((*template.with_columns(filled).parts.media, *_iter_kinds(record.cells)))
    return tuple(kinds)


def _iter_kinds(value: Any) -> Iterator[str]:
    """Yield the kinds of media that typed parts within a value show, as columns name them."""
    if isinstance(value, Mapping):
        medium = read_medium(value)
        if medium is not None:
            yield MEDIA_COLUMNS[medium.kind]
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        yield from _iter_kinds(item)


def check_fits_json(result: Mapping[str, Any]) -> None:
    """Refuse a result that no text file can hold, such as the bytes of an image.

    >>> check_fits_json({"images": [{"bytes": b"1", "path": None}]})
    Traceback (most recent call last):
    preftemplates.errors.RowError: images: JSON has no place for {'bytes': b'1', 'path': None}; write .parquet [unsupported_content]

    Raises:
        RowError: `unsupported_content`, with the key.
    """  # noqa: E501
    for key, value in result.items():
        if not isinstance(value, str) and not _is_text_alone(value) and not _is_json(value):
            odd = next((item for item in value if not _is_json(item)), value) if isinstance(value, list) else value
            raise RowError(
                f"{spell_path((key,))}: JSON has no place for {preview(odd)}; write .parquet",
                code=Code.UNSUPPORTED_CONTENT, value=odd,
            )  # fmt: skip


def _is_text_alone(value: Any) -> bool:
    """Whether it is a list of messages of texts, as most are: no more need be asked of it."""
    return isinstance(value, list) and all(
        isinstance(item, dict) and all(isinstance(inner, str) for inner in item.values()) for item in value
    )


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
