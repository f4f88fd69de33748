"""Reports that are written for tests, and read back."""

import pytest
from preftemplates_train.reports.html import write_report
from report_support import DRAWN, PLAIN, Page


@pytest.fixture
def written(tmp_path):
    """Writes a report that differs from one without figures as told, and reads it."""

    def write(**changes):
        write_report(tmp_path / "report.html", **{**PLAIN, **changes})
        return Page(tmp_path / "report.html")

    return write


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with all its figures."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, **{**PLAIN, **DRAWN})
    return Page(path)
