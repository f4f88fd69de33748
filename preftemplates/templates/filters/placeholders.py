"""Values that are written where there is none, in layouts whose keys must all be there."""

from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview


@register_filter
def none_if(value: Any, placeholder: Any) -> Any:
    """Return a value, or None where it is the placeholder of a layout for no value.

    >>> none_if("5", ""), none_if("", "")
    ('5', None)
    """
    return None if value == placeholder else value


@register_filter
def either(value: Any, other: Any) -> Any:
    """Return the one of two values that is there, where a layout has two names for one value; None where neither is.

    >>> either(None, "5"), either("5", ""), either(None, None)
    ('5', '5', None)

    Raises:
        RowError: `bad_label` where both are there and differ.
    """
    given = [one for one in (value, other) if one not in (None, "")]
    if len(given) == 2 and given[0] != given[1]:
        message = f"two columns for one value have {preview(given[0])} and {preview(given[1])}"
        raise RowError(message, code=Code.BAD_LABEL, value=given)
    return given[0] if given else None
