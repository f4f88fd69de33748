"""Read, group, check, convert and write many rows, and count every one."""

from preftemplates.data.convert import Conversion
from preftemplates.data.convert_report import ConversionReport
from preftemplates.data.copies import CopyFinder
from preftemplates.data.grouping import group_rows
from preftemplates.data.issues import RowIssue
from preftemplates.data.reading import Record, RowSource, open_rows
from preftemplates.data.writing import open_writer

__all__ = [
    "Conversion",
    "ConversionReport",
    "CopyFinder",
    "Record",
    "RowIssue",
    "RowSource",
    "group_rows",
    "open_rows",
    "open_writer",
]
