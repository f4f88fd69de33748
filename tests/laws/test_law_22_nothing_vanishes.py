"""Law 22: every value of a row is read by the template, ignored on purpose, or reported as unread."""

import re
from collections.abc import Mapping
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_TEMPLATES
from support import at_least

from preftemplates import RowModel, Supervised, Template, get_template
from preftemplates.core.paths import spell_path
from preftemplates.errors import RowError
from preftemplates.templates.unread import UnreadFinder, _walk_keys, has_value, is_ignored

KEYS = st.sampled_from(["system", "pictures", "id", "a.b", "Score-A", "", "0", "naïve key"])
"""Names that no bundled template declares; two of them need quotes in a path."""

VALUES = st.sampled_from([0, False, "x", [1], {"k": None}, 2.5])
SHOWN = [name for name in BUNDLED_TEMPLATES if get_template(name).example]


def list_objects(value, steps=()):
    """The steps to each object of a row."""
    if isinstance(value, Mapping):
        yield steps, value
        for key, item in value.items():
            yield from list_objects(item, (*steps, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from list_objects(item, (*steps, index))


def spell(steps, key):
    return re.sub(r"\[\d+\]", "[]", spell_path((*steps, key)))


def is_declared_object(template, row, steps):
    """Whether a template declares the keys of an object: then an odd key changes nothing that it makes."""
    changed = deepcopy(row)
    inner = changed
    for step in steps:
        inner = inner[step]
    inner["zz unknown zz"] = "zz value zz"
    for format in template.formats:
        try:
            if "zz value zz" in repr(template.formatted(changed, format).samples):
                return False
        except RowError:  # an odd key makes two histories differ
            return False
    return True


def nothing_vanishes(template, row, plants):
    """The law, for values that are planted in a row: each is in a result, or reported under its path."""
    objects = list(list_objects(row))
    changed = deepcopy(row)
    planted = {}
    for place, key, value in plants:
        steps, _ = objects[place % len(objects)]
        inner = changed
        for step in steps:
            inner = inner[step]
        if key not in inner:
            inner[key] = value
            planted[spell(steps, key)] = (steps, value)
    reported = {unread.path for unread in template.find_unread(changed)}
    known = {unread.path for unread in template.find_unread(row)}
    expected = {path for path, (steps, _) in planted.items() if not steps or is_declared_object(template, row, steps)}
    ignored = {path for path in expected if is_ignored(path, frozenset(template.about.ignored))}
    assert expected - ignored <= reported, f"{template.name} loses {expected - ignored - reported}"
    assert reported <= known | planted.keys()


@at_least(60)
@given(st.sampled_from(SHOWN), st.lists(st.tuples(st.integers(0, 40), KEYS, VALUES), max_size=4))
def test_every_value_of_a_row_is_read_or_reported(name, plants):
    template = get_template(name)
    nothing_vanishes(template, deepcopy(template.example), plants)


def test_a_declared_column_that_no_format_reads_is_reported():
    class Unused(Template):
        class Row(RowModel):
            a: str
            context: str

        supervised = Supervised(prompt="q", completion="{{ a }}")

    assert [unread.path for unread in Unused().find_unread({"a": "x", "context": "c"})] == ["context"]


# --- planted faults ------------------------------------------------------------------------------------------------


class OnlyColumns(UnreadFinder):
    """Looks at columns alone."""

    def find(self, row):
        return (unread for unread in super().find(row) if "." not in unread.path and "[" not in unread.path)


class OnlyTruth(UnreadFinder):
    """Takes 0 and False for nothing."""

    def find(self, row):
        return (unread for unread in super().find(row) if unread.value)


class OnlyFirst(UnreadFinder):
    """Looks at the first item of a list alone."""

    def find(self, row):
        first = {key: value[:1] if isinstance(value, list) else value for key, value in row.items()}
        return super().find(first)


PLANTS = {
    OnlyColumns: [(1, "id", 1)],
    OnlyTruth: [(0, "id", 0)],
    OnlyFirst: [(2, "id", 1)],
}


@pytest.mark.parametrize("finder", PLANTS)
def test_planted_finders_are_found(finder, monkeypatch):
    template = get_template("ShareGPT")
    assert isinstance(template, Template)
    monkeypatch.setattr("preftemplates.templates.schema.UnreadFinder", finder)
    faulty = template.with_style("zephyr")
    with pytest.raises(AssertionError, match=r"loses|set"):
        nothing_vanishes(faulty, deepcopy(template.example), PLANTS[finder])


def test_the_walk_itself_takes_no_mapping_for_a_leaf():
    assert not list(_walk_keys("text", "", {}))
    assert has_value({"k": None})
