"""Reimport: reading an exported chat template back as its original style, if it has not been edited."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from preftemplates.errors import PrefTemplatesError
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.environment import find_names
from preftemplates.styles.export import EXPORT_HEADER
from preftemplates.styles.fragments import Fragment, Fragments, check_plain_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from preftemplates.sandbox.limits import Limits
    from preftemplates.styles.layout import Layout


def read_header(source: str, limits: Limits, given_names: Collection[str] = ()) -> Layout | None:
    """Return the layout that a chat template was exported from.

    Args:
        source: the text of the template.
        limits: the resources that the template may use.
        given_names: variables that the caller sets; a template that reads one of them is read like any other.

    Returns:
        None if the template has no header, or no longer matches it.
    """
    header = EXPORT_HEADER.match(source) if len(source) <= limits.source else None
    if header is None:
        return None
    try:
        layout = _read_layout(json.loads(header[1]), source[header.end() :], limits)
        # the header is untrusted too: it counts only if its layout exports to exactly this text
        exact = layout.export() == source and not find_names(source).read.intersection(given_names)
        return layout if exact else None
    except (PrefTemplatesError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _read_layout(facts: dict[str, Any], template: str, limits: Limits) -> Layout:
    if "turns" in facts:
        return Fragments(**{**facts, "turns": tuple(Fragment(*turn) for turn in facts["turns"])})
    start, end = facts["source"]
    defaults = {name: json.loads(value) for name, value in facts["defaults"]}
    tokens = facts["bos_token"], facts["eos_token"]
    layout = ChatTemplate.read(
        template[start:end], *tokens, defaults, facts["reasoning"], limits, roles=facts["roles"]
    )
    for part in ("opening", "closing"):
        check_plain_text(part, facts[part])
    return layout.between(facts["opening"], facts["closing"])
