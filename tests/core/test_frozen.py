"""Templates, styles and dialects are what they hold: frozen, and compared, hashed and pickled by it."""

import copy
import json
import pickle
from itertools import combinations

import pytest
from support import DIALECT_NAMES, STYLE_NAMES, TEMPLATE_NAMES, in_new_process

from preftemplates import (
    Dialect,
    Preference,
    RowModel,
    Style,
    Template,
    get_dialect,
    get_style,
    get_template,
)
from preftemplates.dialects.dialect import DIALECTS
from preftemplates.errors import DefinitionError

EVERY = [
    *map(get_template, TEMPLATE_NAMES),
    *map(get_style, STYLE_NAMES),
    *map(get_dialect, DIALECT_NAMES),
    Style.from_chat_template("{{ bos_token }}x", bos_token="<s>", flags=["a", {"b": True}]),
    get_template("HH").with_style("llama3").with_dialect("trl"),
]
ids = [f"{thing!r}" for thing in EVERY]


class Row(RowModel):
    a: str


def a_template(answer: str = "{{ a }}", example: dict | None = None) -> Template:
    class Mine(Template):
        Row = Row
        preference = Preference(prompt="{{ a }}", chosen=answer, rejected="no")

    Mine.example = example
    return Mine()


@pytest.mark.parametrize("thing", EVERY, ids=ids)
def test_nothing_of_it_can_be_changed(thing):
    thing = copy.copy(thing)  # where it can be, the other tests should not see it
    held = thing.held
    for name in ("name", thing.holds, "anything", "digest"):
        with pytest.raises(AttributeError):
            setattr(thing, name, "x")
    for name in ("name", thing.holds):
        with pytest.raises(AttributeError):
            delattr(thing, name)
    assert thing.held is held


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
@pytest.mark.parametrize("thing", EVERY, ids=ids)
def test_a_copy_is_equal_and_has_the_same_hash_digest_and_name(thing, twin):
    again = twin(thing)
    assert again == thing
    assert (hash(again), again.digest, again.name) == (hash(thing), thing.digest, thing.name)


def test_two_of_them_are_equal_if_they_share_a_digest_as_templates_of_the_same_columns_do():
    for one, other in combinations(EVERY, 2):
        assert (one == other) == (one.digest == other.digest)
    assert len(set(EVERY)) == len({thing.digest for thing in EVERY}) > len(EVERY) * 0.8


def test_a_new_process_loads_equal_objects_with_equal_digests_and_formats_alike():
    templates = [thing for thing in EVERY if isinstance(thing, Template) and thing.example]
    code = """
from preftemplates import Template
things, templates = payload
answer = [[thing.digest for thing in things], [hash(thing) % 2**61 for thing in things]]
answer.append([[t.format(t.example, format) for format in t.formats] for t in templates])
"""
    digests, hashes, results = in_new_process(code, (EVERY, templates))
    assert digests == [thing.digest for thing in EVERY]
    assert hashes == [hash(thing) % 2**61 for thing in EVERY]
    assert results == json.loads(
        json.dumps([[t.format(t.example, format) for format in t.formats] for t in templates])
    )


# --- equality ------------------------------------------------------------------------------------------------------


class SameAsPlain(Style):
    system = "{{ content }}"
    user = "{{ content }}"
    assistant = "{{ content }}"


class SameAsTRL(Dialect):
    locals().update(DIALECTS.get("text").declared)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SameAsPlain(), get_style("plain")),
        (SameAsTRL(), get_dialect("text")),
        (a_template(), a_template()),
        (a_template(example={"a": "x"}), a_template(example={"a": "y"})),
        (a_template().with_style("plain"), a_template().with_style(SameAsPlain())),
        (a_template().with_dialect("text"), a_template().with_dialect(SameAsTRL())),
        (a_template().with_style("llama3").with_style("plain"), a_template().with_style("plain")),
        (Style.from_chat_template("x", a=1, b=2), Style.from_chat_template("x", b=2, a=1)),
    ],
)
def test_what_holds_the_same_is_equal_and_hashes_equal_whatever_its_name_and_wherever_it_stands(one, other):
    assert one == other
    assert hash(one) == hash(other)
    assert one.digest == other.digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (a_template(), a_template("{{ a }}!")),
        (a_template("{{ a }}é"), a_template("{{ a }}è")),
        (a_template().with_style("chatml"), a_template().with_style("zephyr")),
        (a_template().with_dialect("text"), a_template().with_dialect("align-anything")),
        (
            a_template().with_style(Style.from_chat_template("x")),
            a_template().with_style(Style.from_chat_template("y")),
        ),
        (Style.from_chat_template("x"), Style.from_chat_template("x", bos_token="<s>")),
        (Style.from_chat_template("x", a=1), Style.from_chat_template("x", a=2)),
        (get_style("plain"), get_dialect("text")),
        (get_style("plain"), get_style("plain").layout),
    ],
)
def test_what_holds_something_else_is_not_equal_and_has_another_digest(one, other):
    assert one != other
    assert one.digest != getattr(other, "digest", None)


def test_the_style_a_template_writes_in_is_part_of_its_digest_even_under_one_name():
    class Mine(Style):
        assistant = "one {{ content }}"

    first = Mine()

    class Mine(Style):
        assistant = "two {{ content }}"

    assert first.name == Mine().name
    assert a_template().with_style(first).digest != a_template().with_style(Mine()).digest


def test_use_changes_neither_hash_nor_pickle():
    template = get_template("HH")
    before = (hash(template), pickle.dumps(get_template("HH")))
    template.format(template.example, "preference")
    template.render(template.example, "preference").chosen.spans
    assert (hash(template), pickle.dumps(template)) == before


def test_the_cache_of_datasets_sees_equal_templates_as_one_and_others_as_others():
    from datasets.fingerprint import Hasher

    template = get_template("PKUSafeRLHF")
    before = Hasher.hash(template.format_preference_sample)
    template.format(template.example, "preference")
    assert Hasher.hash(template.format_preference_sample) == before
    assert Hasher.hash(get_template("PKUSafeRLHF").format_preference_sample) == before
    assert Hasher.hash(template.with_style("chatml").format_preference_sample) != before
    assert Hasher.hash(get_template("PKUSafeRLHF-safer").format_preference_sample) != before


@pytest.mark.parametrize("base", [Template, Style, Dialect])
def test_a_base_declares_nothing_and_makes_nothing(base):
    with pytest.raises(DefinitionError, match=r"declares nothing; get a .* by its name, or write your own class"):
        base()


@pytest.mark.parametrize("thing", EVERY, ids=ids)
def test_it_is_shown_by_kind_and_name(thing):
    kind = next(base.__name__ for base in (Template, Style, Dialect) if isinstance(thing, base))
    assert repr(thing) == f"<{kind} {thing.name}>"
