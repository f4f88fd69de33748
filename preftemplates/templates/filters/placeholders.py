"""Values that stand for absent ones, in layouts whose keys must all be present."""

from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview


@register_filter
def none_if(value: Any, placeholder: Any) -> Any:
    """Return a value, or None if it is the layout's placeholder for an absent value.

    >>> none_if("5", ""), none_if("", "")
    ('5', None)
    """
    return None if value == placeholder else value


@register_filter
def either(value: Any, other: Any) -> Any:
    """Return the present one of two values, for layouts with two names for one value; None if both are absent.

    >>> either(None, "5"), either("5", ""), either(None, None)
    ('5', '5', None)

    Raises:
        RowError: `bad_label` if both are present and differ.
    """
    given = [one for one in (value, other) if one not in (None, "")]
    if len(given) == 2 and given[0] != given[1]:
        message = f"two columns for one value have {preview(given[0])} and {preview(given[1])}"
        raise RowError(message, code=Code.BAD_LABEL, value=given)
    return given[0] if given else None
