"""Every file of real rows, written for a peer, is read by the peer's own loader as it should be.

`make peers` makes an environment a peer and runs this; a peer without one is skipped, and the table says so.
"""

from collections import Counter

import pytest
from environments import NOT_INSTALLED
from support import DATA
from written import ENVIRONMENTS, PEERS, difference

pytestmark = pytest.mark.peers

DIFFERENT = {
    # TRL asks one key of a row, as Python's hash seed has it, whether it holds messages; an empty list makes it fail
    "trl": {"no question stands before the answer": 19},
    "llama-factory": {"no question stands before the answer": 38},
    "openrlhf": {"no question stands before the answer": 19, "the newline behind the stop is cut off": 2798},
    "axolotl": {"no question stands before the answer": 19, "the newline behind the stop is cut off": 1975},
    "torchtune": {"no question stands before the answer": 19},
    "reward-bench": {
        "a file with a system text is refused whole (fault 13)": 610,
        "no question stands before the answer": 19,
    },
}
"""Rows that a peer reads otherwise, by the reason; all other rows are read as they should be."""


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_reads_what_we_write_for_it(peer, tmp_path, table):
    if not DATA.exists():
        pytest.skip("no real rows here")
    if not peer.python.exists() or (ENVIRONMENTS / f"{peer.name}.error").exists():
        error = ENVIRONMENTS / f"{peer.name}.error"
        reason = error.read_text().strip() if error.exists() else "make peers has not run"
        table.append((peer.name, "skipped", "", "", reason))
        pytest.skip(f"{peer.name} is not installed: {reason}")
    files = peer.write()
    version = peer.read(files, tmp_path)
    equal, different, unexplained = 0, Counter(), []
    for file in files:
        for number, expected in enumerate(file.expected):
            if file.read[number : number + 1] == [expected]:
                equal += 1
            elif (reason := difference(peer.name, file, number)) is not None:
                different[reason] += 1
            else:
                unexplained.append((file.name, file.format, number, file.error))
    rows = sum(len(file.written) for file in files)
    said = "; ".join(f"{count} {reason}" for reason, count in sorted(different.items()))
    table.append(
        (peer.name, version, str(rows), str(equal), said + f"; {len(unexplained)} others" * bool(unexplained))
    )
    assert unexplained == []
    assert [file.name for file in files if len(file.read) > len(file.written)] == []
    assert different == DIFFERENT.get(peer.name, {})
    assert equal + different.total() == rows > 1000


@pytest.mark.parametrize("peer", NOT_INSTALLED)
def test_a_peer_that_no_registry_has_is_skipped_by_name(peer, table):
    table.append((peer, "skipped", "", "", NOT_INSTALLED[peer]))
    pytest.skip(f"{peer}: {NOT_INSTALLED[peer]}")
