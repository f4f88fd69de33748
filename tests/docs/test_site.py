"""The site shows every token of its pages, works from disk, and has a Markdown copy of each page."""

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from support import DOCS, STYLE_NAMES

from preftemplates.styles.style import STYLES

markdown = pytest.importorskip("markdown")
pytest.importorskip("pymdownx")

ROOT = DOCS.parent
HTML = {
    *(
        "a",
        "abbr",
        "admonition",
        "blockquote",
        "br",
        "button",
        "code",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
    ),
    *("h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "input", "label", "li", "ol", "p", "pre", "span", "strong"),
    *("summary", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
"""The tags that Markdown and its extensions write; `<s>` is a token here, and no page strikes text out."""


class Page(HTMLParser):
    """The tags, the links and the text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.resources, self.ids, self.classes, self.texts = [], [], [], set(), [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.ids.add(values.get("id"))
        self.classes.append(values.get("class") or "")
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        is_resource = tag in ("script", "img", "iframe") or (tag == "link" and values.get("rel") == "stylesheet")
        if is_resource:
            self.resources.append(values.get("src") or values.get("href") or "")

    def handle_endtag(self, tag):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    @property
    def unknown_tags(self):
        return sorted(set(self.tags) - HTML)


def convert(text):
    """Return a page as Python-Markdown renders it with the extensions of the site."""
    extensions, options = [], {}
    for each in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["markdown_extensions"]:
        name, settings = next(iter(each.items())) if isinstance(each, dict) else (each, {})
        extensions.append(name)
        options[name] = settings
    return Page(markdown.markdown(text, extensions=extensions, extension_configs=options))


@pytest.fixture(scope="module")
def docs():
    """The modules that generate pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        import gallery
        import text_copies
        from site_pages import families, markdown_text, model_pages

        yield SimpleNamespace(
            gallery=gallery,
            copies=text_copies,
            modules=[gallery, text_copies, families, markdown_text, model_pages],
            text=markdown_text,
        )


@pytest.fixture(scope="module")
def generated(docs):
    return {path: convert(text) for path, text in docs.gallery.write_pages().items()}


# --- generated pages -------------------------------------------------------------------------------------------------


def test_no_generated_page_has_an_unknown_tag(generated):
    assert {path: page.unknown_tags for path, page in generated.items() if page.unknown_tags} == {}


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_no_page_has_an_unknown_tag(path):
    assert convert(path.read_text(encoding="utf-8")).unknown_tags == []


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_the_page_of_a_style_shows_each_character_of_its_docstrings(name, docs, generated):
    text = generated[f"gallery/styles/{name}.md"].text
    for paragraph in docs.text.read_paragraphs(STYLES.get(name)):
        shown = re.sub(r"^[-*] ", "", paragraph, flags=re.MULTILINE).replace("`", "")
        assert " ".join(shown.split()) in text


def test_a_table_shows_pipes_and_tokens(docs):
    rows = [["`<|im_end|>`", docs.text.escape_prose("<s>a|b</s> 1 < 2"), docs.text.write_code("a`|b\n")]]
    page = convert("\n".join(docs.text.write_table(["a", "b", "c"], rows)))
    assert "<|im_end|>" in page.text
    assert "<s>a|b</s> 1 < 2" in page.text
    assert "\\|" not in page.text
    assert page.tags.count("td") == 6
    assert page.unknown_tags == []


@pytest.mark.parametrize("text", ["It ends with <s>.", "<think> comes first", "a <start_of_turn> b"])
def test_a_planted_token_is_found(text):
    assert convert(text).unknown_tags


def test_prose_is_not_read_as_markdown(docs):
    prose = "# not a heading, *not* _emphasis_, &lt; and [INST] a_b, 1 \\< 2"
    page = convert(docs.text.write_paragraph(prose))
    assert page.text == prose
    assert set(page.tags) == {"p"}


def test_json_breaks_what_does_not_fit_on_a_line(docs):
    turns = [{"role": "user", "content": letter * 40} for letter in "xy"]
    value = {"short": [1, 2], "long": turns, "none": []}
    ticks, *lines, _ = docs.text.write_json(value)
    assert ticks == "```json"
    assert json.loads("\n".join(lines)) == value
    assert '  "short": [1, 2],' in "\n".join(lines).split("\n")
    assert max(map(len, "\n".join(lines).split("\n"))) <= 88


def test_the_examples_in_the_docstrings_hold(docs):
    assert sum(doctest.testmod(module).attempted for module in docs.modules) >= 4
    assert sum(doctest.testmod(module).failed for module in docs.modules) == 0


@pytest.mark.parametrize("path", sorted((DOCS / "assets").glob("*.svg")), ids=lambda path: path.stem)
def test_a_figure_follows_the_colours_of_the_page(path):
    figure = path.read_text(encoding="utf-8")
    assert "@media (prefers-color-scheme: dark)" in figure
    assert "currentColor" in figure
    assert not re.search(r"style=\"[^\"]*#(000000|ffffff)", figure)


def test_a_console_block_has_the_class_that_its_copy_button_needs(generated):
    assert "language-console" in " ".join(generated["models/qwen.md"].classes)


# --- copies ----------------------------------------------------------------------------------------------------------


def test_a_copy_has_no_hidden_part_and_keeps_its_code(docs):
    hidden = '<!--- invisible-code-block: python\nx = 1\n--->\n\n<div class="filter-box"></div>\n\n'
    block = "```text\n<!-- kept -->\n::: x\n```\n"
    assert docs.copies.clean_page(f"A\n\n{hidden}{block}") == f"A\n\n{block}"


def test_a_copy_has_the_docstrings_that_the_page_shows(docs):
    page = '::: preftemplates.get_style\n\n::: preftemplates.Style\n    options:\n      members: ["render"]\n'
    copy = docs.copies.clean_page(page)
    assert ":::" not in copy
    assert "### `get_style`" in copy
    assert "#### `Style.render`" in copy
    assert "#### `Style.parse`" not in copy
    assert "add_generation_prompt" in copy


# --- the built site --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1_800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def built(site):
    return {str(path.relative_to(site)): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def article(path):
    """Return the content of a built page."""
    return Page(re.search(r"<article.*?</article>", path.read_text(encoding="utf-8"), re.DOTALL)[0])


@pytest.mark.slow
def test_no_built_page_has_an_unknown_tag(site):
    extra = {"article", "b", "svg", "path", "nav", "form", "section", "small"}  # those of the theme and the reference
    found = {str(path): article(path).unknown_tags for path in site.rglob("*.html") if path.name != "404.html"}
    assert {path: set(tags) - extra for path, tags in found.items() if set(tags) - extra} == {}


@pytest.mark.slow
def test_each_link_of_the_built_site_leads_to_a_page_and_a_heading(site, built):
    addresses = [(name, urlsplit(link)) for name, page in built.items() if name != "404.html" for link in page.links]
    missing = []
    for name, address in addresses:
        target = (site / name).parent / unquote(address.path) if address.path else site / name
        target = target / "index.html" if target.is_dir() else target
        page = built.get(os.path.relpath(target, site))
        is_found = target.exists() and (page is None or unquote(address.fragment) in {"", *page.ids})
        if not address.scheme and not is_found:
            missing.append((name, address.geturl()))
    assert missing == []


@pytest.mark.slow
def test_the_built_site_loads_nothing_from_another_host(built):
    remote = {(name, each) for name, page in built.items() for each in page.resources if urlsplit(each).netloc}
    assert remote == set()


@pytest.mark.slow
def test_each_built_page_has_a_copy_that_the_list_names(site):
    pages = {str(path.relative_to(site).with_suffix("")) for path in site.rglob("*.html")} - {"404"}
    text = (site / "llms.txt").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[.+?\]\((.+?)\.md\)", text, flags=re.MULTILINE)
    assert sorted(listed) == sorted(pages)
    assert all((site / f"{name}.md").is_file() for name in listed)
    assert text.startswith("# preftemplates\n\n> ")
    assert text.index("## Get started") < text.index("## Optional")


@pytest.mark.slow
def test_no_generated_cache_is_in_the_built_site(site):
    assert [path for path in site.rglob("*") if path.suffix in (".py", ".pyc")] == []


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dump(site):
    """Return a function that opens a page of the site from disk, and returns its document."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")

    def open_page(address):
        command = [chromium, "--headless", "--no-sandbox", "--virtual-time-budget=20000", "--dump-dom"]
        url = f"{site.as_uri()}/{address}"
        return subprocess.run([*command, url], capture_output=True, text=True, timeout=600, check=True).stdout

    return open_page


@pytest.mark.slow
@pytest.mark.browser
def test_the_filter_box_hides_what_lacks_a_word(dump):
    page = dump("gallery/templates.html?filter=helpsteer%20preference")
    article = re.search(r"<article.*</article>", page, re.DOTALL)[0]
    items = re.findall(r"<li( hidden=\"\")?>\s*<a href=\"templates/(.*?)\.html\"", article)
    shown = [name for is_hidden, name in items if not is_hidden]
    assert shown
    assert len(shown) < len(items) / 4
    assert all("helpsteer" in name.casefold() for name in shown)
    assert f"{len(shown)} of {len(items)}" in article


@pytest.mark.slow
@pytest.mark.browser
def test_a_console_block_copies_its_commands(dump):
    copied = re.findall(r'data-copy="([^"]*)"', dump("models/qwen.html"))
    assert any(text.startswith("preftemplates convert") for text in copied)
    assert all("\n" in text and not re.search(r"^(\$|&gt;) ", text, re.M) for text in copied)


@pytest.mark.slow
@pytest.mark.browser
def test_the_search_finds_words_from_disk(dump):
    page = dump("index.html?q=nectar")
    assert re.search(r"<li class=\"md-search-result__item\">", page)
    assert "gallery/templates/Nectar.html" in page
