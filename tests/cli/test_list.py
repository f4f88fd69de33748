"""`preftemplates list`: every name, in lines or as JSON, and a search."""

import json
import re

import pytest
from support import run, run_process

from preftemplates import get_template, list_dialects, list_styles, list_templates
from preftemplates.cli.list import _build_table
from preftemplates.cli.options import complete_dialects, complete_styles, complete_templates
from preftemplates.cli.terminal import SafeConsole
from preftemplates.templates.yaml_template import make_json_schema


def test_list_names_everything_bundled():
    listed = json.loads(run_process("list", "--json").stdout)
    assert {kind: [item["name"] for item in items] for kind, items in listed.items()} == {
        "templates": list_templates(),
        "styles": list_styles(),
        "dialects": list_dialects(),
    }
    pku = next(item for item in listed["templates"] if item["name"] == "PKUSafeRLHF")
    assert pku["formats"]["preference"] == ["prompt", "response_0", "response_1", "better_response_id"]
    text = run("list", "styles", "--long").stdout
    assert "<|im_end|>" in text
    assert "PKUSafeRLHF" not in text


def test_list_has_a_line_for_each_and_finds_what_has_all_words():
    lines = run("list", "styles").stdout.split("\n")
    assert [line for line in lines if line.startswith("  chatml ")]
    assert "styles: user, assistant, system" in lines
    templates = json.loads(run("list", "templates", "--json", "--search", "PKU safer_response_id").stdout)["templates"]
    assert [item["name"] for item in templates] == ["PKUSafeRLHF-safer", "PKUSafeRLHF-safety"]
    assert templates[0]["verified"] is True
    assert templates[0]["licence"] == "CC-BY-NC-4.0"
    assert templates[0]["origin"].startswith("preftemplates.templates.bundled.pku_safe_rlhf.PKUSafeRLHFSafer")
    assert (
        "no template, style or dialect contains 'no such word'"
        in run("list", "--search", "no such word", code=1).stderr
    )


def test_templates_are_grouped_by_dataset_type_and_listed_once():
    blocks = re.split(r"^templates: (\w+)$", run("list", "templates").stdout, flags=re.MULTILINE)[1:]
    names = {kind: re.findall(r"^  (\S+)", block, flags=re.MULTILINE) for kind, block in batched_pairs(blocks)}
    assert next(iter(names)) == "preference"
    assert sorted(name for group in names.values() for name in group) == sorted(list_templates())
    assert all(kind in get_template(name).formats for kind, group in names.items() for name in group)


def batched_pairs(items):
    return zip(items[::2], items[1::2], strict=True)


@pytest.mark.parametrize("width", [60, 100])
def test_a_terminal_cuts_each_line_and_a_pipe_gets_it_whole(width, capsys):
    items = [{"name": "Garden", "summary": "word " * 40}, {"name": "Kitchen-rows", "summary": "a pot"}]
    # a name is never cut
    SafeConsole(force_terminal=True, color_system=None, width=width).print_table(_build_table(items), indent=2)
    first, second = capsys.readouterr().out.splitlines()
    assert len(first) == width
    assert first.endswith("…")
    assert second.startswith("  Kitchen-rows  a pot")
    SafeConsole(width=width).print_table(_build_table(items), indent=2)
    assert capsys.readouterr().out == f"  Garden        {'word ' * 39}word\n  Kitchen-rows  a pot\n"


def test_the_shell_completes_names():
    assert "PKUSafeRLHF" in complete_templates("pku")
    assert complete_styles("chatm") == ["chatml"]
    assert complete_dialects("trl") == [name for name in list_dialects() if name.startswith("trl")]
    assert complete_templates("rows.js") == []


def test_the_schema_is_printed():
    assert json.loads(run("schema").stdout) == make_json_schema()
