"""The table of peers, which is printed behind the tests: what each read, and why it read otherwise."""

import pytest

TABLE = pytest.StashKey[list]()


@pytest.fixture
def table(request):
    """The lines of the table: peer, version, rows, equal rows, and the others by their reason."""
    return request.config.stash.setdefault(TABLE, [])


def pytest_terminal_summary(terminalreporter, config):
    """Print the table."""
    lines = config.stash.get(TABLE, [])
    if lines:
        terminalreporter.section("peers")
        lines = [("peer", "version", "rows", "equal", "otherwise"), *lines]
        for line in lines:
            name, version, rows, equal, said = line
            terminalreporter.write_line(f"{name:<15} {version:<9} {rows:>6} {equal:>6}  {said}".rstrip())
