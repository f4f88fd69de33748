"""Slices: convert several rows at once, as columns where a plan fits them and otherwise one by one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from preftemplates.data.result_slice import ResultSlice, RowAcceptor, SliceOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates.data.reading import Record


class SliceConverter(Protocol):
    """Converts the rows of slices."""

    def cut(self, records: Iterator[Record]) -> Iterator[list[Record]]:
        """Yield the rows of one slice after another."""

    def convert(self, records: list[Record]) -> ResultSlice:
        """Return the results of some rows."""


class RowSliceConverter:
    """Converts the rows of slices one by one."""

    def __init__(self, conversion: RowAcceptor) -> None:
        self._conversion = conversion

    def cut(self, records: Iterator[Record]) -> Iterator[list[Record]]:
        """Yield the rows of one slice after another; each slice is one row, so that no result waits for others."""
        return ([record] for record in records)

    def convert(self, records: list[Record]) -> ResultSlice:
        """Return the results of some rows."""
        results = [sample.result for record in records for sample in self._conversion.accept(record)]
        return ResultSlice(others=list(enumerate(results)))


def make_slice_converter(conversion: RowAcceptor, options: SliceOptions | None) -> SliceConverter:
    """Build the converter of slices: by plans if pyarrow is installed and a plan can be made."""
    if options is not None and find_spec("pyarrow") and find_spec("numpy"):
        from preftemplates.data.columnar.conversion import ColumnarSliceConverter

        converter = ColumnarSliceConverter(conversion, options)
        if not converter.reason:
            return converter
    return RowSliceConverter(conversion)
