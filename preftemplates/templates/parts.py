"""What a template is made of, and what is known of its dataset."""

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
    """What is known of a dataset apart from its columns.

    Attributes:
        example: a row that shows what it looks like.
        dataset: its name on the hub.
        licence: the licence of its rows.
        verified: whether a real row of it was formatted.
        ignored: the paths of its values that are not read on purpose, such as `id` or `answers[].model`.
    """

    example: Mapping[str, Any] | None = None
    dataset: str | None = None
    licence: str | None = None
    verified: bool = False
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """What a template is: a declaration, a style, a dialect, and the policies for pairs, ties and the edges of texts.

    `keyed` are the parts of a sample for which every result has a key, though not every row fills them.

    `limits` are those of a template from a file; None for one that Python declares, which is trusted. Results are the
    same with any.

    What is known about the dataset is no part of its identity. The filters are in it by their source, which the
    declaration holds; the functions themselves are in `extractions`.
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
        """Return the same parts without the filters themselves, which are pickled in their own way."""
        return replace(self, extractions=None)  # type: ignore[arg-type]


def read_about(cls: type[Any]) -> About:
    """Return what a class says about its dataset.

    A property is what `Template` itself has under these names: the class says nothing there.
    """
    values = {name: getattr(cls, name, None) for name in About._fields}
    said = {name: value for name, value in values.items() if value is not None and not isinstance(value, property)}
    if "ignored" in said:
        said["ignored"] = check_ignored(said["ignored"], cls.__name__)
    return About(**said)
