"""Bad settings, folders and files: one clear line and the right exit code, and nothing is written."""

from collections import Counter

import pytest
from bad_files import BAD_FILES
from bad_folders import BAD_FOLDERS
from bad_inputs import CommandServer, list_files, make_place
from bad_settings import BAD_SETTINGS
from trainer_support import command

GROUPS = {"settings": BAD_SETTINGS, "folders": BAD_FOLDERS, "files": BAD_FILES}
ALL = [case for cases in GROUPS.values() for case in cases]


@pytest.fixture
def place(tmp_path, base_model, checkpoint, monkeypatch):
    """A folder to run in, with a model, a reward model and rows."""
    make_place(tmp_path, base_model("decoder with BOS"), checkpoint("decoder with BOS"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def find_fault(case, result):
    """What is wrong with the answer to a bad input; None if it is one clear line and the right code."""
    if "Traceback" in result.err:
        return f"an exception: {result.err.strip().splitlines()[-1]}"
    if (result.code, result.out) != (case.code, ""):
        return f"exit code {result.code}, and {result.out[:200]!r} is printed; {result.err[-300:]!r}"
    lines = result.err.splitlines()
    if len(lines) != 1 or not lines[0].startswith("error: ") or not lines[0].isprintable():
        return f"{len(lines)} lines: {result.err[:500]!r}"
    return None if case.message in lines[0] else f"it says {lines[0]!r}"


def test_every_case_has_a_name_of_its_own():
    assert [name for name, count in Counter(map(str, ALL)).items() if count > 1] == []


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_bad_input_is_one_clear_line(case, place):
    if case.prepare is not None:
        case.prepare(place)
    before = list_files(place)
    code, out, err = command(*case.words)
    assert "Traceback" not in err
    assert (code, out, len(err.splitlines())) == (case.code, "", 1), err
    assert err.startswith("error: ")
    assert err[:-1].isprintable()
    assert case.message in err
    assert list_files(place) == before


@pytest.mark.faults
def test_no_bad_input_ends_in_an_exception_of_another_library(tmp_path, base_model, checkpoint):
    """Each in a process of its own, so that whatever any library writes is seen."""
    faults = {}
    with CommandServer() as server:
        for number, case in enumerate(ALL):
            place = tmp_path / str(number)
            place.mkdir()
            make_place(place, base_model("decoder with BOS"), checkpoint("decoder with BOS"))
            if case.prepare is not None:
                case.prepare(place)
            before = list_files(place)
            fault = find_fault(case, server.run(case.words, place))
            if fault is None and list_files(place) != before:
                fault = f"it left {sorted(list_files(place) - before)}"
            if fault is not None:
                faults[case.name] = fault
    exceptions = sum("an exception" in fault for fault in faults.values())
    counts = ", ".join(f"{len(cases)} {group}" for group, cases in GROUPS.items())
    print(f"{len(ALL)} bad inputs ({counts}): {exceptions} exceptions of other libraries, {len(faults)} faults in all")
    assert faults == {}
