"""The 786 real chat templates render as transformers renders them, and every answer's place is known.

What is found is written into docs/reference/real-chat-templates.md; PREFTEMPLATES_REWRITE_GOLDEN=1 writes it anew.
"""

import os
import re

import pytest
from real_templates import CONVERSATIONS, GENERATION, real_templates
from support import DOCS
from survey import MARKS, OTHERS, REBUILT, RENDERS, SPANS, Survey, survey

PAGE = DOCS / "reference" / "real-chat-templates.md"
OPENING = "<!-- What follows is written by tests/styles/test_every_real_chat_template.py. -->\n"


def judge(found: Survey) -> None:
    """Say whether each outcome is one that may be."""
    assert set(found.counts[RENDERS]) <= {"equal", "both raise an error", "only this library raises an error"}
    assert set(found.counts[SPANS]) <= {"exact", "not printed", "the layout changes with the answer"}
    assert "wrong" not in found.counts[OTHERS]


@pytest.mark.usefixtures("thought_aliases")
@pytest.mark.slow
def test_every_real_chat_template_renders_as_in_transformers_and_every_answer_has_its_place(capsys):
    found = survey(real_templates())
    with capsys.disabled():
        print("\n" + summary(found))
    judge(found)
    renders, spans, others = (found.counts[group] for group in (RENDERS, SPANS, OTHERS))
    assert renders["equal"] > 17_000
    assert len(found.templates(RENDERS, "only this library raises an error")) <= 0.01 * len(real_templates())
    assert spans["exact"] > 13_000
    assert others["exact"] > 20_000
    check_page(page(found))


@pytest.mark.usefixtures("thought_aliases")
def test_a_fifth_of_the_real_chat_templates_do_so_and_the_page_names_the_same():
    """All that the page names one by one, and every fifth of the others."""
    refused, rebuilt, lost, changing, marked = (named(title) for title in TITLES)
    special = {*refused, *rebuilt, *lost, *changing, *marked}
    others = [name for name in real_templates() if name not in special]
    chosen = {*sorted(special)[::5], *refused, *others[::5]}
    found = survey({name: source for name, source in real_templates().items() if name in chosen})
    judge(found)
    assert {*found.templates(RENDERS, "only this library raises an error")} == refused
    assert {*found.templates(OTHERS, REBUILT)} == rebuilt & chosen
    assert {*found.templates(SPANS, "not printed")} == lost & chosen
    assert {*found.templates(SPANS, "the layout changes with the answer")} == changing & chosen
    assert {name for name in chosen if GENERATION.search(real_templates()[name])} == marked & chosen
    assert found.counts[RENDERS]["equal"] > 17 * len(chosen)
    assert found.counts[SPANS]["exact"] > 13 * len(chosen)


TITLES = (
    "Templates that only transformers renders",
    "Templates that write the tags of thinking themselves",
    "Templates that do not print a text answer",
    "Templates whose layout changes with an empty answer",
    "Generation marks and the training region",
)


def named(title: str) -> set[str]:
    """The templates that a section of the page names."""
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    (section,) = [section for section in sections if section.startswith(title)]
    return {*re.findall(r"`([^`]+)`", section)} & {*real_templates()}


def summary(found: Survey) -> str:
    """A line a group."""
    lines = [f"{len(real_templates())} real chat templates, {len(CONVERSATIONS)} conversations:"]
    for group, counts in found.counts.items():
        counted = ", ".join(f"{outcome} {count:,}" for outcome, count in counts.most_common())
        lines.append(f"  {group}: {counted}")
    return "\n".join(lines)


def page(results: Survey) -> str:
    """The part of the page that is written here."""
    return "\n".join(
        [OPENING, *totals(results), *refused(results), *rebuilt(results), *lost(results), *marked(results)]
    )


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines] + [""]


def totals(results: Survey) -> list[str]:
    """All counts."""
    rows = [
        [group, outcome, f"{count:,}", str(len(results.templates(group, outcome)))]
        for group, counts in results.counts.items()
        for outcome, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return ["## The counts", "", *table(["of", "outcome", "cases", "templates"], rows)]


def refused(results: Survey) -> list[str]:
    """What transformers renders and we refuse."""
    rows = [
        [f"`{name}`", reason.replace("|", "\\|")]
        for name, reason in results.templates(RENDERS, "only this library raises an error").items()
    ]
    lines = table(["template", "the first reason"], rows) if rows else ["None.", ""]
    return ["## Templates that only transformers renders", "", *lines]


def rebuilt(results: Survey) -> list[str]:
    """Templates that print the parts of an answer apart."""
    names = [f"`{name}`" for name in results.templates(OTHERS, REBUILT)]
    return ["## Templates that write the tags of thinking themselves", "", listed(names), ""]


def lost(results: Survey) -> list[str]:
    """Templates without the answer's text."""
    lines = ["## Templates that do not print a text answer", ""]
    lines += [listed([f"`{name}`" for name in results.templates(SPANS, "not printed")]), ""]
    lines += ["## Templates whose layout changes with an empty answer", ""]
    changing = results.templates(SPANS, "the layout changes with the answer")
    assert all(case.endswith("''") for case in changing.values()), changing
    return [*lines, listed([f"`{name}`" for name in changing]), ""]


def marked(results: Survey) -> list[str]:
    """Templates with generation marks, and where these differ from our training region."""
    names = [name for name, source in real_templates().items() if GENERATION.search(source)]
    outcomes = sorted(results.counts[MARKS])
    rows = [
        [f"`{name}`", "; ".join(outcome for outcome in outcomes if name in results.templates(MARKS, outcome))]
        for name in names
    ]
    return ["## Generation marks and the training region", "", *table(["template", "over all conversations"], rows)]


def listed(names: list[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names) + "." if names else "None."


def check_page(text: str) -> None:
    """Compare with the page, or write it."""
    head, mark, _ = PAGE.read_text(encoding="utf-8").partition(OPENING)
    if os.environ.get("PREFTEMPLATES_REWRITE_GOLDEN"):
        PAGE.write_text(head + text, encoding="utf-8")
        pytest.skip(f"wrote {PAGE.name}")
    assert mark, f"{PAGE.name} has lost the line {OPENING!r}"
    assert head + text == PAGE.read_text(encoding="utf-8"), f"{PAGE.name} tells other figures"
