"""Keep the phrases that read like a translation out of pages, help texts, errors, docstrings and comments."""

import ast
import io
import re
import tokenize

import pytest
from support import DOCS

ROOT = DOCS.parent
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
MODULES = sorted([*(ROOT / "preftemplates").rglob("*.py"), *(ROOT / "trainers").rglob("*.py")])
TEMPLATES = sorted((ROOT / "trainers").rglob("*.jinja"))

PHRASES = {
    r"(?<![Tt]here )\b(?:is|are|was|were) no\b(?! (?:longer|more|less|fewer|different|better|worse|larger|smaller))": (
        "is not"
    ),
    r"\bbehind\b": "after",
    r"\bbeside\b": "next to",
    r"\bin front of\b": "before",
    r"\bin the place of\b|\bin place of\b": "instead of",
    r"\bblanks?\b(?! line)": "whitespace",
    r"\bletters\b(?!,? (?:and |or )?digits?\b)": "characters",
    r"\b(?:what|nothing) becomes of\b|\bmakes? of (?:it|them|a|an|the)\b": "how it is handled",
    r"\bby hand\b": "custom, or yourself",
    r"\btold\b": "reported, documented, given",
    r"\b(?:is|are|was|were) said\b|\bsays of\b|\bsaid of\b": "reported, documented",
    r"\bunasked\b": "automatic",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bas ever\b": "as usual",
    r"\bstands? (?:in|where|there|alone|next|at|on|before|after)\b|\bas it stands\b": "is, means",
    r"\b(?:lies|lie) (?:in|on|at|where|anywhere|next|there|flat)\b": "is",
    r"\bgo(?:es|ing)? on\b(?! a\b)": "continue",
    r"\bstrangers?\b": "untrusted",
    r"\bverdicts?\b": "status",
    r"\brefus(?:e|es|ed|ing|als?)\b": "rejected, or raise an error",
    r"\b(?:come|comes|came) through\b": "formatted",
    r"\bwhose each\b": "for each of whose",
    r"\b[Oo]ut (?:comes|come|go|goes)\b": "subject, verb, object",
    r"\bcells?\b": "value",
    r"\bthe one into the other\b": "name both",
    r"\bsounds?\b(?! like)": "audio",
    r"(?:^|[.:;!?]\s+)What\s(?![^.?!]*\?)": "no clause with 'what' as a subject",
}


def prose_of_page(text):
    """Blank fenced code, inline code, HTML comments and link targets, and keep the lines."""

    def keep_lines(match):
        return "\n" * match[0].count("\n")

    text = re.sub(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$", keep_lines, text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", keep_lines, text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)\s]*\)", "]", text)
    return re.sub(r"`[^`]*`", "`…`", text)


def prose_of_module(source):
    """Yield the docstrings, comments and texts of several words in a module, with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in _walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") >= 2:
            text = re.sub(r"^\s*(?:>>>|\.\.\.) .*$", "", node.value, flags=re.MULTILINE)
            text = re.sub(r"^ +[\w, ]+: ", " ", text, flags=re.MULTILINE)  # the names of arguments and attributes
            yield node.lineno, re.sub(r"`[^`]*`", "`…`", text)


def _walk(node):
    """Yield the nodes of a module, without example rows and the source of chat templates."""
    if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "example" for target in node.targets):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "{%" in node.value:
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)


def find_phrases(text):
    """Yield each listed phrase in a text, with its line and the advice."""
    for pattern, advice in PHRASES.items():
        for match in re.finditer(pattern, text, flags=re.MULTILINE):
            yield text.count("\n", 0, match.start()) + 1, match[0].strip(), advice


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", [*PAGES, *TEMPLATES], ids=name_of)
def test_a_page_has_none_of_the_listed_phrases(page):
    phrases = find_phrases(prose_of_page(page.read_text()))
    found = [f"{name_of(page)}:{line}: {phrase!r}: say {advice}" for line, phrase, advice in phrases]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_has_none_of_the_listed_phrases(module):
    found = [
        f"{name_of(module)}:{line + at - 1}: {phrase!r}: say {advice}"
        for line, text in prose_of_module(module.read_text())
        for at, phrase, advice in find_phrases(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "A space is no content.",
        "The mark stands before the text.",
        "Rows that are refused are counted.",
        "It is so. What has no place is counted.",
        "The tail behind the answer",
    ],
)
def test_a_listed_phrase_is_found(text):
    assert list(find_phrases(text))


@pytest.mark.parametrize(
    "text",
    ["There is no style of this name.", "What is a style? It is a chat template.", "It is no longer read.", "`is no`"],
)
def test_usual_english_passes(text):
    assert not list(find_phrases(prose_of_page(text)))
