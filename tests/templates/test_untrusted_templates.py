"""A template from a file stays within limits, and ends in our errors; one that Python declares is trusted."""

import json
import pickle
import tracemalloc

import pytest

from preftemplates import Limits, get_template, register_filter
from preftemplates.core.yaml_files import MAX_BYTES
from preftemplates.errors import Code, DefinitionError, FileError, PrefTemplatesError, RowError
from preftemplates.templates.expression_environment import FILE_LIMITS
from preftemplates.templates.expressions import Field
from preftemplates.templates.untrusted_fields import check_constants
from preftemplates.templates.yaml_template import MAX_DECLARED_COLUMNS, MAX_TYPE_CHARACTERS

ROW = {
    "prompt": "When do I sow?",
    "count": 14,
    "bed": {"herb": "mint"},
    "turns": [{"role": "user", "content": "Hi"}],
    "chosen": "In April.",
    "rejected": "Never.",
}
HEAD = "row: {prompt: str, count: int, bed: {herb: str}, turns: 'list[Message]', chosen: str, rejected: str}\n"


def write(folder, prompt, more=""):
    """Return the path of a template whose prompt is this."""
    path = folder / "t.yaml"
    sample = {"prompt": prompt, "chosen": "{{ chosen }}", "rejected": "{{ rejected }}"}
    path.write_text(f"{HEAD}{more}preference: {json.dumps(sample)}\n", encoding="utf-8")
    return str(path)


def error_of(function, *args):
    with pytest.raises(PrefTemplatesError) as caught:
        function(*args)
    return caught.value


CONSTANTS = (
    "8 ** (9 ** 10)",
    "8 ** (7 ** 8)",
    "prompt ~ 8 ** (9 ** 10)",
    "prompt if true else 'a' * 10 ** 12",
    "'x' | slice(1000000000) | list",
    "1.5 | round(-999999999)",
    "('9' * 100000) | int",
    "9" * 5000,
    "1e999",
    "[[[['a'] * 1000] * 1000] * 1000] * 1000",
    "('ab' * 8000000) | unique | list",
    "('a,' * 8000000).split(',')",
    "prompt" + " ~ prompt" * 1000,
    "prompt" + " | upper" * 3000,
    "-" * 300 + "count",
)  # fmt: skip


@pytest.mark.parametrize("expression", CONSTANTS, ids=[expression[:40] for expression in CONSTANTS])
def test_a_fault_that_needs_no_row_is_found_before_the_first_with_its_line(expression, tmp_path):
    error = error_of(get_template, write(tmp_path, f"{{{{ {expression} }}}}"))
    assert isinstance(error, DefinitionError)
    assert (error.file, error.line) == (str(tmp_path / "t.yaml"), 2)
    assert error.message.startswith("preference.prompt: ")


ON_ROWS = (
    "count ** (7 ** 9)",
    "prompt * 300000000",
    "prompt * 1000000000000",
    "([prompt] * 10000000) | join",
    "([prompt] * 100000) | join(prompt * 1000)",
    "[[[prompt] * 1000] * 1000] * 1000",
    "prompt | replace('', prompt * 100000) | replace('', prompt * 10000)",
    "'%0999999999d' % count",
    "'{:>999999999}'.format(count)",
    "count | round(999999999)",
    "(turns * 1000000) | map('upper') | list",
    "turns | tojson(999999999)",
    "turns | tojson(indent=999999999)",
    "prompt | slice(100000000) | list",
    "(turns * 300000) | sort",
    "(prompt * 1000000) | list | reverse | list",
    "2 ** count ** count ** count",
    "(turns * 3000000) | answered",
)  # fmt: skip


@pytest.mark.parametrize("expression", ON_ROWS)
def test_what_a_row_makes_endless_is_over_limit_before_memory_is_taken(expression, tmp_path):
    template = get_template(write(tmp_path, f"{{{{ {expression} }}}}"))
    tracemalloc.start()
    try:
        error = error_of(template.format, ROW, "preference")
        assert tracemalloc.get_traced_memory()[1] < FILE_LIMITS.work
    finally:
        tracemalloc.stop()
    assert isinstance(error, RowError)
    assert error.code is Code.OVER_LIMIT


def test_the_samples_of_a_row_spend_from_one_budget(tmp_path):
    each = "each: {part: '{{ [1] * 200000 }}'}\n"
    error = error_of(get_template(write(tmp_path, "{{ prompt * 100 }}", each)).extract_all, ROW, "preference")
    assert error.code is Code.OVER_LIMIT
    many_turns = get_template(write(tmp_path, ["{{ prompt * 500000 }}"] * 100))
    assert error_of(many_turns.format, ROW, "preference").code is Code.OVER_LIMIT


def test_copies_of_one_text_are_counted_although_they_need_no_memory_yet(tmp_path):
    template = get_template(write(tmp_path, ["{{ prompt }}"] * 1000))
    assert error_of(template.format, {**ROW, "prompt": "a" * 2**20}, "preference").code is Code.OVER_LIMIT
    assert len(template.extract(ROW, "preference").prompt) == 1000


CLOSED = (
    "bed.model_dump()",
    "bed ~ ''",
    "prompt.zfill(9)",
    "prompt.encode()",
    "prompt['__class__']",
    "{{}: 1}|default(1)",
)


@pytest.mark.parametrize("expression", CLOSED)
def test_what_no_file_may_do_is_an_error_of_the_row(expression, tmp_path):
    error = error_of(get_template(write(tmp_path, f"{{{{ {expression} }}}}")).format, ROW, "preference")
    assert error.code is Code.BAD_EXPRESSION


def test_limits_stay_with_copies_and_in_pickles_and_change_no_value(tmp_path):
    template = get_template(write(tmp_path, "{{ prompt * 300000000 }}"))
    for other in (pickle.loads(pickle.dumps(template)), template.with_style("zephyr"), template.with_ties("keep")):
        assert error_of(other.format, ROW, "preference").code is Code.OVER_LIMIT
    sound = get_template(write(tmp_path, "{{ prompt | upper }} {{ bed.herb }}"))
    assert sound.extract(ROW, "preference").prompt[0]["content"] == "WHEN DO I SOW? mint"


@register_filter
def repeat_for_this_test(text, times):
    return text * times


def test_what_a_registered_filter_is_given_and_gives_is_counted():
    field = Field("{{ prompt | repeat_for_this_test(times) }}", limits=Limits(work=2**20))
    assert field.evaluate({"prompt": "ab", "times": 2}) == "abab"
    for values in ({"prompt": "ab", "times": 2**20}, {"prompt": "a" * 2**21, "times": 0}):
        assert error_of(field.evaluate, values).code is Code.OVER_LIMIT


def test_a_filter_in_a_file_is_checked_as_in_a_class(tmp_path):
    assert "uses an unknown filter 'shoutt'" in str(error_of(get_template, write(tmp_path, "{{ prompt | shoutt }}")))
    assert "uses an unknown test 'filter'" in str(
        error_of(get_template, write(tmp_path, "{{ prompt is filter('x') }}"))
    )


def test_a_template_that_python_declares_has_no_limits():
    assert get_template("PKUSafeRLHF").parts.limits is None
    assert Field("{{ 2 ** 300 }}").evaluate({}) == 2**300
    assert error_of(check_constants, "{{ 2 ** 300 }}", Limits()).message.endswith(
        "makes a number of more than 256 bits"
    )


def test_an_entry_of_dataset_info_has_limits(tmp_path):
    path = tmp_path / "dataset_info.json"
    path.write_text(json.dumps({"e": {"formatting": "sharegpt", "columns": {"messages": "c"}}}))
    assert get_template(f"{path}:e").parts.limits == FILE_LIMITS


FILES = {
    "many columns": "row:\n" + "".join(f"  c{index}: str\n" for index in range(60_000)),
    "many columns in an object": "row: {a: {" + ", ".join(f"c{index}: str" for index in range(1000)) + "}}",
    "a long type": "row: {a: '" + "list[" * 390 + "str" + "]" * 390 + "'}",
    "a deep type": "row: {a: '" + "list[" * 300 + "str" + "]" * 300 + "'}",
    "brackets": "row: {a: '" + "(" * 990 + "str" + ")" * 990 + "'}",
    "an infinite bound": "row: {a: 'int(ge=1e999)'}",
    "signs": "row: {a: 'int(ge=" + "-" * 1900 + "1)'}",
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "depth in brackets": "row: " + "[" * 5000 + "]" * 5000,
    "depth in blocks": "\n".join(" " * index + "a:" for index in range(1000)),
    "a number in base 60": "row: 1" + ":1" * 400_000,
    "a number in base 16": "row: 0x" + "f" * 900_000,
    "digits": "row: " + "9" * 900_000,
    "bytes": "row: !!binary aGk=",
    "Python": "row: !!python/object/apply:os.getcwd []",
    "dates": "row: {a: 2020-01-01}",
    "a list as key": "? [a, b]\n: c",
    "a long key": "? " + "a" * 900_000 + "\n: str",
    "size": "#" * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_ends_in_one_line(name, tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(FILES[name], encoding="utf-8")
    message = str(error_of(get_template, str(path)))
    assert message.startswith("t.yaml")
    assert message.isprintable()
    assert len(message) < 400


def test_the_limits_of_a_file_are_named_where_they_are_exceeded(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(FILES["many columns"], encoding="utf-8")
    assert (
        str(error_of(get_template, str(path)))
        == f"t.yaml line 1: row: 60,000 columns; {MAX_DECLARED_COLUMNS:,} are allowed"
    )
    path.write_text(FILES["a long type"], encoding="utf-8")
    assert str(error_of(get_template, str(path))).endswith(f"{MAX_TYPE_CHARACTERS:,} are allowed")
    path.write_text(FILES["size"], encoding="utf-8")
    assert isinstance(error_of(get_template, str(path)), FileError)
