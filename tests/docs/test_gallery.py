"""Each bundled template, style and dialect has its entry in the gallery, unasked."""

import importlib.util
import re

import pytest
from support import DIALECT_NAMES, STYLE_NAMES, TEMPLATE_NAMES, TESTS

from preftemplates import get_dialect, get_style, get_template
from preftemplates.styles.style import STYLES


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("gallery", TESTS.parent / "docs" / "gallery.py")
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    return gallery.pages()


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_a_template_has_a_page_with_its_columns_and_its_example(name, pages):
    page, template = pages[f"gallery/templates/{name}.md"], get_template(name)
    assert page.startswith(f"# {name}\n")
    for format in template.formats:
        assert f"\n### {format}\n" in page
        for column in template.columns(format):
            assert f"| `{column}` |" in page
    others = re.findall(r"^### \w+ for \[(.+?)\]", page, flags=re.MULTILINE)
    main = re.search(r"--format (\w+) --out", page)[1]
    spell = [one for one in DIALECT_NAMES if main in get_dialect(one).formats and one != template.dialect.name]
    spell = [one for one in spell if get_dialect(one).table.consumer is None]  # others need a tokenizer
    assert set(others) <= set(spell)
    assert len(others) == (0 if template.is_custom else min(2, len(spell)))
    assert ("by real rows" in page) == template.about.verified
    assert f"[{name}](templates/{name}.md)" in pages["gallery/templates.md"]


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_a_style_has_a_page_with_its_text_and_its_chat_template(name, pages):
    page = pages[f"gallery/styles/{name}.md"]
    for alias in STYLES.aliases(name):
        assert f"`{alias}`" in page.partition("## A conversation")[0]
    line = next(line for line in pages["gallery/styles.md"].split("\n") if f"(styles/{name}.md)" in line)
    assert line.endswith("|")
    assert ", ".join(get_style(name).accepted_roles) in line
    assert "Does mint like shade?" in page or "Refused" in page
    assert get_style(name).chat_template.rstrip("\n") in page
    for finding in get_style(name).findings:
        assert f"`{finding.code}`" in page


@pytest.mark.parametrize("name", DIALECT_NAMES)
def test_a_dialect_has_its_tables(name, pages):
    assert f"\n## {name}\n" in pages["gallery/dialects.md"]


def test_tables_have_as_many_cells_in_each_line_and_fences_are_closed(pages):
    for path, page in pages.items():
        assert len(re.findall(r"^`{3,}", page, flags=re.MULTILINE)) % 2 == 0, path
        outside = re.sub(r"^(`{3,}).*?^\1$", "", page, flags=re.MULTILINE | re.DOTALL)
        for lines in re.findall(r"(?:^\|.*\|$\n?)+", outside, flags=re.MULTILINE):
            counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines.strip().split("\n")}
            assert len(counts) == 1, f"{path}: {lines[:300]}"
