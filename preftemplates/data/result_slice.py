"""The results of several rows at once, and the options of the columnar path that makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from preftemplates.core.samples import Format
    from preftemplates.data.convert_report import ConversionReport
    from preftemplates.data.reading import Record
    from preftemplates.styles.style import Style
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.template import Template
    from preftemplates.templates.unread import UnreadValue


@dataclass
class ResultSlice:
    """The results of a slice.

    Attributes:
        columns: the results of plans, as an Arrow batch; None if there are none.
        places: the place of each of these among all results of the slice.
        others: the other results, each with its place.
    """

    columns: Any = None
    places: list[int] = field(default_factory=list)
    others: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.places) + len(self.others)

    def list_keys(self) -> Iterator[str]:
        """Yield the keys of the results, possibly with repetitions."""
        if self.columns is not None:
            yield from self.columns.schema.names
        for _, result in self.others:
            yield from result

    def results(self) -> Iterator[Mapping[str, Any]]:
        """Yield the results in order."""
        if self.columns is None:
            yield from (result for _, result in self.others)
            return
        from preftemplates.data.arrow import read_results

        numbered = [*zip(self.places, read_results(self.columns), strict=True), *self.others]
        yield from (result for _, result in sorted(numbered, key=lambda item: item[0]))


class SliceOptions(NamedTuple):
    """The options of the columnar path.

    Attributes:
        template: the template.
        format: the format's name.
        style: the style in which messages will be rendered, if known.
        special_tokens: the special tokens of the tokenizer that will be used; None for those of common tokenizers.
    """

    template: Template
    format: Format
    style: Style | None
    special_tokens: frozenset[str] | None


class RowAcceptor(Protocol):
    """A conversion that counts its rows, slice by slice."""

    report: ConversionReport

    def accept(self, record: Record) -> list[Formatted]:
        """Return the samples of one row that are kept, and count the row."""

    def find_unread(self, cells: Any, touched: frozenset[str] | None = None) -> tuple[UnreadValue, ...]:
        """Return the values of a row that the template does not read."""
