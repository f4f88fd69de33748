"""The table of peers, which is printed after the tests and written into the docs."""

import pytest
from peer_table import Table, write_table

TABLE = pytest.StashKey[Table]()


@pytest.fixture
def table(request):
    """The table of this run."""
    return request.config.stash.setdefault(TABLE, Table())


def pytest_terminal_summary(terminalreporter, config):
    """Print the table, and write it into the docs where every peer was read."""
    table = config.stash.get(TABLE, None)
    if table is None:
        return
    terminalreporter.section("peers")
    for line in table.as_markdown():
        terminalreporter.write_line(line)
    if table.is_complete:
        write_table(table)


def pytest_sessionfinish(session):
    """Fail where every peer was skipped."""
    table = session.config.stash.get(TABLE, None)
    if table is not None and not table.lines and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nevery peer was skipped: run make peers")
