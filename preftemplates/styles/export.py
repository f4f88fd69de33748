"""The comment in which an exported chat template says of which style it is.

It is believed only where exporting that style gives the same template again, so an edited one is read as any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from preftemplates.errors import PrefTemplatesError
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.environment import names_in
from preftemplates.styles.fragments import Fragment, Fragments, check_literal

LABEL = re.compile(r"\{#- preftemplates: (\{.*\}) -#\}\n")

Layout = Fragments | ChatTemplate


def labelled(layout: Layout) -> str:
    """The layout as a chat template that begins with its label."""
    template = layout.chat_template
    facts = {name: fact for name, fact in asdict(layout).items() if name not in ("limits", "isolate")}
    if isinstance(layout, ChatTemplate):
        start = template.rfind(layout.source)
        # where the end of the source had to be written in another way, or cannot see all: it is read as any other
        if start < 0 or not _sees_all(layout):
            return template
        facts = {**facts, "source": [start, start + len(layout.source)]}
    told = json.dumps(facts).replace("#", "\\u0023")  # so that no end of a comment stands in it
    return f"{{#- preftemplates: {told} -#}}\n{template}"


def _sees_all(layout: ChatTemplate) -> bool:
    """Whether the source finds a variable that an export sets in front of it as it finds one that is handed over.

    Not so where it hides it from a scope inside, see `Names`; and then it may hide what the export reads, too.
    """
    read, hidden = names_in(layout.source)
    return not hidden & {*READ, *read.intersection(layout.variables)}


READ = ("messages", "add_generation_prompt", "raise_exception")
"""What is read by that which an export writes in front of a source, or set by it."""


def read_label(source: str, limits: Limits, given: Collection[str] = ()) -> Layout | None:
    """The layout that a chat template was exported from.

    None if it has no label, is no longer what that says, or reads one of the variables that are given beside it.
    """
    label = LABEL.match(source) if len(source) <= limits.source else None
    if label is None:
        return None
    try:
        layout = _layout(json.loads(label[1]), source[label.end() :], limits)
        exact = labelled(layout) == source and not names_in(source).read.intersection(given)
        return layout if exact else None
    except (PrefTemplatesError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _layout(facts: dict[str, Any], template: str, limits: Limits) -> Layout:
    if "turns" in facts:
        return Fragments(**{**facts, "turns": tuple(Fragment(*turn) for turn in facts["turns"])})
    start, end = facts["source"]
    defaults = {name: json.loads(value) for name, value in facts["defaults"]}
    tokens = facts["bos_token"], facts["eos_token"]
    layout = ChatTemplate.read(
        template[start:end], *tokens, defaults, facts["reasoning"], limits, roles=facts["roles"]
    )
    for part in ("opening", "closing"):
        check_literal(part, facts[part])
    return layout.between(facts["opening"], facts["closing"])
