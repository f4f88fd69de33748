"""The lowest versions that are declared, which `make test-floors` installs."""

from collections import defaultdict

from floors import PINNED, list_requirements, name_of, pin_floor, read_project


def test_a_package_has_one_floor_in_the_extras_and_the_tests():
    declared = defaultdict(set)
    for requirement in list_requirements(read_project()):
        declared[name_of(requirement)].add(requirement)
    assert [sorted(several) for several in declared.values() if len(several) > 1] == []


def test_every_requirement_has_a_floor_that_can_be_installed():
    floors = [pin_floor(requirement) for requirement in list_requirements(read_project())]
    assert [floor for floor in floors if "==" not in floor or "<" in floor] == []


def test_the_packages_whose_floor_is_not_tested_are_pinned_by_the_project():
    assert {name_of(pin) for pin in read_project()["tool"]["uv"]["constraint-dependencies"]} == set(PINNED)
