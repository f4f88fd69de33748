"""Values that are written where there is none, in layouts whose keys must all be there."""

from typing import Any

from preftemplates import register_filter


@register_filter
def none_if(value: Any, placeholder: Any) -> Any:
    """Return a value, or None where it is the placeholder of a layout for no value.

    >>> none_if("5", ""), none_if("", "")
    ('5', None)
    """
    return None if value == placeholder else value
