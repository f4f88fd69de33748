"""The columns of media that rows of several layouts may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preftemplates.core.media import MEDIA_COLUMNS
from preftemplates.templates.row_types import RowModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preftemplates.templates.expressions import Field


class MediaColumns(RowModel):
    """Base class of a `Row` with columns of media: a list for each kind, or a single image.

    An item is a path, a URL, the bytes of a file with its path as in `datasets`, or an object of another library. The
    filter `show_media` puts the media into the messages.

    Example:
        >>> from preftemplates import Supervised, Template
        >>> class Captions(Template):
        ...     class Row(MediaColumns):
        ...         caption: str
        ...     supervised = Supervised(prompt="{{ 'Describe it.' | show_media(images) }}", completion="{{ caption }}")
        >>> Captions().extract({"images": ["pot.png"], "caption": "A pot."}, "supervised").prompt[0]["content"]
        [{'type': 'image', 'image': 'pot.png'}, {'type': 'text', 'text': 'Describe it.'}]
    """

    images: Any = None
    image: Any = None
    videos: Any = None
    audios: Any = None


_PARAMETERS = (*MEDIA_COLUMNS.values(), "image")
"""The parameters of `show_media`, in order."""


def list_media_columns(fields: Iterable[Field]) -> dict[str, frozenset[str]]:
    """Return the kinds of media that fields show, each with the Python names of the columns that hold it.

    >>> from preftemplates.templates.expressions import Field
    >>> list_media_columns([Field("{{ prompt | show_media(images, audios=recordings) }}")])["audios"]
    frozenset({'recordings'})
    """
    found: dict[str, set[str]] = {}
    for expression in (expression for field in fields for expression in field.expressions):
        for arguments, named in expression.list_calls("show_media"):
            for kind, argument in (*zip(_PARAMETERS, arguments, strict=False), *named.items()):
                found.setdefault(MEDIA_COLUMNS.get(kind, kind), set()).update(argument.names)
        for (kind_argument, argument), _ in expression.list_calls("after_media"):
            found.setdefault(MEDIA_COLUMNS.get(kind_argument.value, ""), set()).update(argument.names)
    return {kind: frozenset(names) for kind, names in found.items() if kind and names}
