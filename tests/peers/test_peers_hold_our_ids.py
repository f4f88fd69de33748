"""Each peer's own trainer or dataset holds the ids that `tokenize` gives, up to the last end of turn.

`make peers` makes an environment for each peer and runs this; a peer without one is skipped, and the table says so.
What is written is what `convert --consumer-config` writes; the peer is configured by nothing else.
"""

from collections import Counter

import pytest
from environments import NOT_INSTALLED
from peer_runs import ENVIRONMENTS, FINE, PEERS, explain, judge, list_files, read

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_holds_our_ids(peer, tmp_path, table):
    error = ENVIRONMENTS / f"{peer.name}.error"
    if not peer.python.exists() or error.exists():
        reason = error.read_text().strip() if error.exists() else "make peers has not run"
        table.skip(peer.name, reason)
        pytest.skip(f"{peer.name} is not installed: {reason}")
    files = list_files(peer)
    version = read(peer, files, tmp_path)
    unexplained, too_many = [], []
    for file in files:
        verdicts = Counter()
        for number in range(len(file.rows)):
            verdict = judge(file, number)
            if verdict not in FINE:
                reason = explain(peer, file, number, verdict)
                if reason is None:
                    unexplained.append((*file.key, number, verdict))
                verdict = reason or verdict
            verdicts[verdict] += 1
        if len(file.read) > len(file.rows):
            too_many.append((file.name, file.dialect, file.format))
        table.add(peer.name, version, file, verdicts)
    assert unexplained == []
    assert too_many == []
    assert [line for line in table.lines_of(peer.name) if not line.is_mostly_fine] == []


@pytest.mark.parametrize("peer", NOT_INSTALLED)
def test_a_peer_that_no_registry_has_is_skipped_by_name(peer, table):
    table.skip(peer, NOT_INSTALLED[peer])
    pytest.skip(f"{peer}: {NOT_INSTALLED[peer]}")
