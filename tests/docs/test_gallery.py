"""Each bundled template, style, dialect and family of models has its page, without a list to keep."""

import re

import pytest
from registries import registries_restored
from support import DIALECT_NAMES, DOCS, STYLE_NAMES, TEMPLATE_NAMES, run

from preftemplates import get_dialect, get_style, get_template
from preftemplates.styles.style import STYLES
from preftemplates.templates.library import TEMPLATES


@pytest.fixture(scope="module")
def gallery():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        import gallery

        yield gallery


@pytest.fixture(scope="module")
def pages(gallery):
    return gallery.write_pages()


@pytest.fixture(scope="module")
def families(gallery):
    return gallery.list_model_families()


def outside_fences(page):
    """Return a page without its blocks of code."""
    return re.sub(r"^(`{3,}).*?^\1$", "", page, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_a_template_has_a_page_with_its_columns_and_its_example(name, pages):
    page, template = pages[f"gallery/templates/{name}.md"], get_template(name)
    assert page.startswith(f"# {name}\n")
    for format in template.formats:
        assert f"\n### {format}\n" in page
        for column in template.columns(format):
            assert f"| `{column}` |" in page
    others = re.findall(r"^### \w+ for \[(.+?)\]", page, flags=re.MULTILINE)
    main = re.search(r"convert rows\.jsonl --template \S+ --format (\w+)", page)[1]
    spell = [one for one in DIALECT_NAMES if main in get_dialect(one).formats and one != template.dialect.name]
    spell = [one for one in spell if get_dialect(one).table.consumer is None]  # others need a tokenizer
    assert set(others) <= set(spell)
    assert len(others) == (0 if template.is_custom else min(2, len(spell)))
    assert ("- Verified with real rows: yes" in page) == template.about.verified
    assert f"[{name}](templates/{name}.md)" in pages["gallery/templates.md"]


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_the_declaration_on_a_page_declares_the_template(name, pages):
    section = pages[f"gallery/templates/{name}.md"].partition("\n## Declaration\n\n")[2]
    source = re.match(r"(`{3,})python\n(.*?)^\1$", section, re.MULTILINE | re.DOTALL)[2]
    copy = re.sub(r",\s*aliases=\[[^]]*\]", "", source)
    copy = re.sub(r'(@register(?:_template)?\(\s*"[^"]+)"', r'\1-copy"', copy)
    with registries_restored():
        exec(compile(copy, f"{name}.py", "exec"), {"__name__": "a_copy"})
        assert get_template(f"{name}-copy") == get_template(name)


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_a_style_has_a_page_with_its_text_and_its_chat_template(name, pages):
    page = pages[f"gallery/styles/{name}.md"]
    for alias in STYLES.aliases(name):
        assert f"`{alias}`" in page.partition("## A conversation")[0]
    item = re.search(rf"^- \[{re.escape(name)}\]\(styles/.*\n.*", pages["gallery/styles.md"], re.M)[0]
    assert ", ".join(get_style(name).accepted_roles) in item
    assert "Does mint like shade?" in page or "raises an error" in page
    assert get_style(name).chat_template.rstrip("\n") in page
    for finding in get_style(name).findings:
        assert f"`{finding.code}`" in page


@pytest.mark.parametrize("name", DIALECT_NAMES)
def test_a_dialect_has_its_tables(name, pages):
    assert f"\n## {name}\n" in pages["gallery/dialects.md"]


def test_the_list_of_templates_has_a_section_for_each_file(pages):
    headings = re.findall(r"^## .* \{ #(.*) \}$", pages["gallery/templates.md"], flags=re.M)
    files = {TEMPLATES.get(name).__module__.rpartition(".")[2].replace("_", "-") for name in TEMPLATE_NAMES}
    assert sorted(headings) == sorted(files)
    assert all(len(line) < 70 for line in pages["gallery/templates.md"].split("\n") if line.startswith("## "))


def test_each_style_belongs_to_one_family_or_is_a_layout_of_none(families, pages):
    from site_pages.families import LAYOUTS  # the fixture has put the docs on the path

    names = [name for family in families for name in family.names]
    assert sorted([*names, *LAYOUTS]) == sorted(STYLE_NAMES)
    assert len({family.title for family in families}) == len(families)
    assert all(family.title != family.slug for family in families)  # each title is spelled in a docstring
    titles = {family.slug: (family.title, family.names) for family in families}
    assert titles["olmo"] == ("OLMo", ("olmo", "olmo2"))
    assert titles["deepseek"] == ("DeepSeek", ("deepseek-r1", "deepseek-v2", "deepseek-v3"))
    for family in families:
        assert f"[{family.title}]({family.slug}.md)" in pages["models/index.md"]


def test_a_family_has_its_styles_their_findings_and_commands(families, pages):
    for family in families:
        page = pages[f"models/{family.slug}.md"]
        assert page.startswith(f"# {family.title}\n")
        for name in family.names:
            section = outside_fences(page).partition(f"\n## {name}\n")[2].partition("\n## ")[0]
            assert all(f"`{finding.code}`" in section for finding in get_style(name).findings)
            assert re.search(r"^(Sources?|Layout): ", section, re.M), name
        assert re.search(r"preftemplates-train --train head .*\\\n> +--style (\S+)", page)[1] in family.names
    assert "- Qwen3-Coder: `qwen3-coder`" in pages["models/qwen.md"]


@pytest.mark.parametrize("slug", ["llama", "mistral", "qwen"])
def test_the_convert_commands_of_a_family_run(slug, pages, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "Two and two?", "chosen": "Four.", "rejected": "Five."}\n')
    commands = re.findall(r"^\$ preftemplates (convert .*\\\n> .*)", pages[f"models/{slug}.md"], flags=re.M)
    assert len(commands) == 2
    for command in commands:
        run(*command.replace("\\\n>", "").split(), cwd=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "rows.jsonl", "pairs.jsonl", "chat_template.jinja", "texts.jsonl"
    }  # fmt: skip


def test_tables_have_as_many_values_in_each_line_and_fences_are_closed(pages):
    for path, page in pages.items():
        assert len(re.findall(r"^`{3,}", page, flags=re.MULTILINE)) % 2 == 0, path
        for lines in re.findall(r"(?:^\|.*\|$\n?)+", outside_fences(page), flags=re.MULTILINE):
            counts = {line.count("|") for line in lines.strip().split("\n")}
            assert len(counts) == 1, f"{path}: {lines[:300]}"
