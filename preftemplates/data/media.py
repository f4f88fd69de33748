"""Media in many rows: which kinds a source has, and what a text file can hold of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from preftemplates.core.paths import spell_path
from preftemplates.dialects.media import find_kinds
from preftemplates.errors import Code, PrefTemplatesError, RowError, preview

if TYPE_CHECKING:
    from preftemplates.core.samples import Format
    from preftemplates.data.reading import RowSource
    from preftemplates.templates.template import Template


def find_first_media(template: Template, format: Format, rows: RowSource) -> tuple[str, ...]:
    """Return the kinds of media that the first row has columns for, or shows in its messages; no row is lost.

    Args:
        template: the template; a custom one has no media.
        format: the format's name.
        rows: the source, whose first record is read and put back.
    """
    first = next(rows.records, None)
    if first is None:
        return ()
    rows.records = chain([first], rows.records)
    if template.is_custom or not isinstance(first.cells, Mapping):
        return ()
    kinds = template.with_columns(first.cells).parts.media
    try:
        samples = template.extract_all(first.cells, format).samples
    except PrefTemplatesError:
        return kinds
    return tuple(dict.fromkeys((*kinds, *(kind for sample in samples for kind in find_kinds(sample)))))


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
