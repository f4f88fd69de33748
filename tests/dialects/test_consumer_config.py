"""The configuration of a framework names the rows and the chat template, whatever their paths are."""

import ast
import json
import os
import subprocess

import pytest
import yaml
from support import DIALECT_NAMES

from preftemplates import ConsumerConfig, Dialect, get_dialect
from preftemplates.dialects.table import iter_sample_fields
from preftemplates.errors import DefinitionError, FileError

CONFIGURED = [
    (name, format)
    for name in DIALECT_NAMES
    if (config := get_dialect(name).table.config) is not None
    for format in config.texts
]


def strings_of(suffix, text, folder):
    """Every text in a configuration, as its own reader reads them."""
    if suffix == ".py":
        return [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    if suffix == ".sh":
        return run_script(text, folder)
    loaded = json.loads(text) if suffix == ".json" else yaml.safe_load(text)
    return list(inner_strings(loaded))


def run_script(text, folder):
    """The words with which a script calls a program, by programs that print theirs."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("python", "python3", "deepspeed", "torchrun", "rewardbench"):
        (programs / name).write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
        (programs / name).chmod(0o755)
    (folder / "run.sh").write_text(text, encoding="utf-8")
    (folder / "chat_template.jinja").write_text("{{ messages }}\n")
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", str(folder / "run.sh")], capture_output=True, text=True, check=True, env=environment
    )
    return [word for argument in done.stdout.split("\0") for word in (argument, argument.partition("=")[2])]


def inner_strings(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from inner_strings(item)
    else:
        yield value


@pytest.mark.parametrize(
    "rows",
    ["rows.jsonl", "my rows.jsonl", "rows \U0001f600.jsonl", "é'$x`.jsonl", 'say "hi" {{ x }}.jsonl', "#a: b.jsonl"],
)
@pytest.mark.parametrize(("name", "format"), CONFIGURED)
def test_a_configuration_names_the_rows_whatever_their_name(name, format, rows, tmp_path):
    dialect = get_dialect(name)
    config = tmp_path / f"run{dialect.table.config.suffix}"
    path = tmp_path / rows
    if ".jsonl" not in (dialect.table.config.row_suffixes or ".jsonl"):
        path = path.with_suffix(dialect.table.config.row_suffixes[0])
    text = dialect.configure(format, config=config, rows=path, chat_template=tmp_path / "chat_template.jinja")
    strings = [str(value) for value in strings_of(config.suffix, text, tmp_path)]
    assert [value for value in strings if value.endswith((str(path), path.name))]


@pytest.mark.parametrize("name", sorted({name for name, _ in CONFIGURED}))
def test_a_chat_template_is_named_or_the_user_is_asked_to_place_it(name):
    config = get_dialect(name).table.config
    for format in config.texts:
        paths = {"config": f"run{config.suffix}", "rows": f"rows{(*config.row_suffixes, '.jsonl')[0]}"}
        with_style = get_dialect(name).configure(format, chat_template="chat_template.jinja", **paths)
        without = get_dialect(name).configure(format, **paths)
        assert "chat_template.jinja" not in without
        fields = iter_sample_fields(get_dialect(name).shape(format))
        if any("messages" in field.view for field in fields) and not config.get_style_note(format):
            assert "chat_template.jinja" in with_style


def declare(**attributes):
    return type("Mine", (Dialect,), {"__module__": __name__, "preference": {"p": "prompt"}, **attributes})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("data: x", "Mine.config: expected ConsumerConfig"),
        (ConsumerConfig(".yaml", {"supervised": "x"}), "Mine.config: the dialect has no table for 'supervised'"),
    ],
)
def test_a_wrong_configuration_is_an_error_of_the_class(config, message):
    with pytest.raises(DefinitionError, match=message):
        declare(config=config)


def test_a_configuration_is_a_text_that_jinja_reads_and_has_an_ending():
    with pytest.raises(DefinitionError, match="the configuration of preference is not a Jinja template"):
        ConsumerConfig(".yaml", {"preference": "{{ x"})
    with pytest.raises(DefinitionError, match=r"suffix must be a file ending such as \.yaml, got 'yaml'"):
        ConsumerConfig("yaml", {})


def test_a_name_that_is_not_there_is_an_error_of_the_text():
    dialect = declare(config=ConsumerConfig(".yaml", {"preference": "{{ row }}"}))()
    with pytest.raises(DefinitionError, match="'row' is undefined"):
        dialect.configure("preference", config="a.yaml", rows="rows.jsonl")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("trl.py", r"trl\.py would be imported instead of trl; name it train_trl\.py"),
        ("my train.py", r"the name of a Python script may not have spaces or dashes, got my train\.py"),
        ("my-train.py", "the name of a Python script may not have spaces or dashes"),
    ],
)
def test_a_script_is_not_named_like_a_library(config, message):
    with pytest.raises(FileError, match=message):
        get_dialect("trl").configure("preference", config=config, rows="rows.jsonl")


def test_a_linked_folder_leads_to_the_rows(tmp_path):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep")
    dialect = declare(config=ConsumerConfig(".yaml", {"preference": "{{ rows_nearby }}"}))()
    made = dialect.configure("preference", config=tmp_path / "link" / "a.yaml", rows=tmp_path / "rows.jsonl")
    assert made == "../../rows.jsonl"


@pytest.mark.parametrize("name", ["verl", "llama-factory", "openrlhf", "ms-swift", "reward-bench"])
def test_rows_that_the_framework_does_not_read_are_an_error(name):
    config = get_dialect(name).table.config
    with pytest.raises(FileError, match="the framework reads rows in"):
        get_dialect(name).configure("preference", config=f"run{config.suffix}", rows="rows.jsonl.gz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": "a.py"}, r"the configuration of this dialect must be a \.yaml file, got a\.py"),
        ({"config": 'a"b.yaml'}, "the name of a configuration may have letters, digits, spaces"),
        ({"rows": "rows.csv"}, r"a configuration needs rows in \.jsonl, \.json, \.parquet, got rows\.csv"),
    ],
)
def test_a_wrong_path_is_one_line(arguments, message):
    dialect = declare(config=ConsumerConfig(".yaml", {"preference": "{{ rows }}"}))()
    paths = {"config": "a.yaml", "rows": "rows.jsonl"} | arguments
    with pytest.raises(FileError, match=message):
        dialect.configure("preference", **paths)


def test_a_dialect_without_a_configuration_says_which_have_one():
    with pytest.raises(DefinitionError, match=r"the dialect text has no configuration; these have one: .*trl"):
        get_dialect("text").configure("preference", config="a.py", rows="rows.jsonl")


def test_paths_are_given_as_they_were_and_from_the_configuration_s_folder():
    text = "{{ rows }} {{ rows_nearby }} {{ chat_template_nearby }} {{ name }} {{ loader }} {{ format }} {{ config }}"
    dialect = declare(config=ConsumerConfig(".yaml", {"preference": text}))()
    made = dialect.configure(
        "preference", config="runs/a.yaml", rows="data/pairs.json.gz", chat_template="data/chat_template.jinja"
    )
    assert made == (
        "data/pairs.json.gz ../data/pairs.json.gz ../data/chat_template.jinja pairs json preference a.yaml"
    )


def test_a_configuration_is_not_part_of_what_a_dialect_is():
    plain, configured = declare()(), declare(config=ConsumerConfig(".yaml", {"preference": "x"}))()
    assert plain == configured
    assert plain.digest == configured.digest


@pytest.mark.parametrize("format", ["supervised", "unpaired", "prompt_only"])
def test_a_dataset_type_without_a_configuration_is_refused_with_the_dialect_to_use(format):
    with pytest.raises(
        DefinitionError, match=r"also computes the loss on the prompt .*; use the dialect ms-swift-text"
    ):
        get_dialect("ms-swift").configure(format, config="run.yaml", rows="rows.jsonl")
    text = get_dialect("ms-swift-text").configure(format, config="run.yaml", rows="rows.jsonl")
    assert yaml.safe_load(text)["use_chat_template"] is False


def test_the_tools_of_the_rows_are_named_where_the_rows_have_them():
    for keys, named in ((["conversations"], False), (["conversations", "tools"], True)):
        text = get_dialect("llama-factory").configure(
            "supervised", config="dataset_info.json", rows="talks.jsonl", keys=keys
        )
        assert ("tools" in json.loads(text)["talks"]["columns"]) is named
