"""Calls with drawn arguments succeed or end in an error of ours: a slice of `make fuzz`."""

import os

import fuzzing
import pytest
from registries import restore_registries

CALLS = {"batch": 20, "command": 8, "findings": 20}
"""How many of a kind are made here; of others, 300."""


@pytest.fixture(autouse=True)
def _restored():
    yield from restore_registries()


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # of the code of trusted templates
@pytest.mark.parametrize("kind", fuzzing.CALLS)
def test_every_call_succeeds_or_ends_in_an_error_of_ours(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzzing, "make_folder", lambda: tmp_path)
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    outcomes = {fuzzing.make_call(0, number, kind)[1] for number in range(CALLS.get(kind, 300))}
    assert "ok" in outcomes or kind in ("dataset_info", "yaml template")


def test_a_foreign_error_is_counted_with_its_place(monkeypatch, capsys):
    def fail(_random):
        raise TypeError("planted")

    monkeypatch.setitem(fuzzing.CALLS, "name", (1, fail))
    assert fuzzing.run(3, 0, 0, "name") == 3
    printed = capsys.readouterr().out
    assert "TypeError at " in printed
    assert "3 calls with seed 0, from 0: 3 end in a foreign error" in printed


def test_a_call_is_made_again_by_its_number():
    assert [fuzzing.make_call(5, number) for number in range(40)] == [
        fuzzing.make_call(5, number) for number in range(40)
    ]
