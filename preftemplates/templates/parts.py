"""The parts of a template, and the facts about its dataset."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.templates.unread import check_ignored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preftemplates.dialects.dialect import Dialect
    from preftemplates.sandbox.limits import Limits
    from preftemplates.styles.style import Style
    from preftemplates.templates.declaration import Declaration, Ties
    from preftemplates.templates.derivations import Pairs
    from preftemplates.templates.extraction import Extractions
    from preftemplates.templates.text_edges import TextEdges


class About(NamedTuple):
    """Facts about a dataset apart from its columns.

    Attributes:
        example: an example row.
        dataset: the dataset's name on the hub.
        licence: the licence of its rows.
        verified: whether a real row was formatted.
        ignored: the paths of values that are deliberately not read, such as `id` or `answers[].model`.
    """

    example: Mapping[str, Any] | None = None
    dataset: str | None = None
    licence: str | None = None
    verified: bool = False
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """The parts of a template: a declaration, a style, a dialect, and the policies for pairs, ties and text edges.

    `keyed` are the parts of a sample for which every result has a key, even if a row does not fill them.

    `limits` apply to a template in a file; None for one declared in Python, which is trusted. They do not affect
    results.

    The facts about the dataset are not part of a template's identity. The filters are part of it by their source,
    which the declaration holds; the functions themselves are in `extractions`.
    """

    declaration: Declaration
    style: Style
    dialect: Dialect
    pairs: Pairs = "all"
    ties: Ties = "drop"
    edges: TextEdges | None = None
    keyed: tuple[str, ...] = ()
    limits: Limits | None = field(default=None, repr=False, compare=False)
    about: About = field(default_factory=About, repr=False, compare=False)
    extractions: Extractions = field(repr=False, compare=False, kw_only=True)

    def without_functions(self) -> Parts:
        """Return the parts without the filters' functions, which are pickled separately."""
        return replace(self, extractions=None)  # type: ignore[arg-type]


def read_about(cls: type[Any]) -> About:
    """Return the facts that a class declares about its dataset.

    A property under one of these names is `Template`'s own, so the class declares nothing there.
    """
    values = {name: getattr(cls, name, None) for name in About._fields}
    said = {name: value for name, value in values.items() if value is not None and not isinstance(value, property)}
    if "ignored" in said:
        said["ignored"] = check_ignored(said["ignored"], cls.__name__)
    return About(**said)
