"""`preftemplates list`: every name, in lines or as JSON, and a search."""

import json

from support import run, run_process

from preftemplates import list_dialects, list_styles, list_templates


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
    assert not [line for line in lines if "system, developer" in line]
    templates = json.loads(run("list", "templates", "--json", "--search", "PKU safer_response_id").stdout)["templates"]
    assert [item["name"] for item in templates] == ["PKUSafeRLHF-safer", "PKUSafeRLHF-safety"]
    assert templates[0]["verified"] is True
    assert templates[0]["licence"] == "CC-BY-NC-4.0"
    assert templates[0]["origin"].startswith("preftemplates.templates.bundled.pku_safe_rlhf.PKUSafeRLHFSafer")
    assert "nothing has 'no such word'" in run("list", "--search", "no such word", code=1).stderr
