"""Places: find out whether the rows of a file show which of two answers they list first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.data.convert import Conversion
from preftemplates.data.shortcuts import is_first_listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preftemplates import Format, Template
    from preftemplates.data.reading import Record


NO_PLACE = "in no row does a label say which of two listed answers is better"

SAME_PLACE = "the better answer is in the same place in every row"


def explain_no_places(rows: Iterable[Record], template: Template, format: Format) -> str | None:
    """Return why the place of an answer in its row carries no information, in words; None if it does.

    Rows are read until two have their better answer in different places.

    Args:
        rows: the rows.
        template: the template that reads them.
        format: preference or ranked.

    >>> from preftemplates import get_template
    >>> from preftemplates.data.reading import Record
    >>> template = get_template("PKUSafeRLHF")
    >>> rows = [Record(number, None, {**template.example, "better_response_id": number}) for number in (0, 1)]
    >>> explain_no_places(rows, template, "preference") is None
    True
    """
    if template.is_custom:
        return f"{template.name} is a custom template, which does not show where in a row its answers are"
    if format != "preference":
        return f"{template.name} reads rankings, but this rule is for pairs"
    conversion = Conversion(rows, template.adapted(dialect="trl"), format, on_error="skip", flag=False, traced=True)
    columns = template.known_columns(format) or ()
    seen: set[bool | None] = set()
    for _, formatted in conversion.accepted():
        seen.add(is_first_listed(formatted, columns))
        if {True, False} <= seen:
            return None
    return SAME_PLACE if seen - {None} else NO_PLACE
