"""`preftemplates diff`: where two styles write a conversation differently."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from preftemplates.cli.check_style import STYLE, BosOption, EosOption, Opened, open_style
from preftemplates.errors import DefinitionError, one_line, visible
from preftemplates.styles.lint.compare import Agreement, Difference, compare_styles
from preftemplates.styles.lint.conversations import CONVERSATIONS
from preftemplates.styles.tokenizer_files import is_style_file

WORDS = {
    Agreement.EQUAL: "equal",
    Agreement.DIFFERS: "differ",
    Agreement.ONLY_A: "rendered by the first only",
    Agreement.ONLY_B: "rendered by the second only",
    Agreement.BOTH_REFUSE: "refused by both",
}
"""How a verdict is said of several conversations."""

AROUND = 2
"""Equal lines that are shown beside those that differ."""
NEAR = 40
"""Equal characters that are shown beside those that differ; a line with more of them is cut."""
LONGEST_LINE = 400
"""Characters of a line that are shown."""
MOST_LINES = 400
"""Lines of a text that are compared: a template of a stranger may write millions."""
MOST_WORDS = 400
"""Words of a line that are compared one by one."""
COLOURS = {"-": "red", "+": "green", " ": "dim", "…": "cyan"}

Line = tuple[str, Text]
"""A sign in front, and what stands behind it."""


def command(
    style_a: Annotated[str, typer.Argument(metavar="STYLE_A", help=STYLE)],
    style_b: Annotated[str, typer.Argument(metavar="STYLE_B", help="The same.")],
    conversation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show this conversation only, even if it is equal.")
    ] = None,
    bos_token: BosOption = None,
    eos_token: EosOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare what two styles make of a fixed set of conversations.

    Exit code 0 if they write all of them alike, 1 if not, 2 if a style cannot be read.
    """
    if not (bos_token is eos_token is None or is_style_file(style_a) or is_style_file(style_b)):
        raise DefinitionError("a registered style has its own tokens; others are for the template of a file")
    a, b = (open_style(spec, *((bos_token, eos_token) if is_style_file(spec) else ())) for spec in (style_a, style_b))
    found = compare_styles(a.style, b.style, CONVERSATIONS if conversation is None else [conversation])
    if as_json:
        told = [difference.as_json() for difference in found]
        print(json.dumps({"a": a.name, "b": b.name, "conversations": told}, indent=2))
    else:
        _print(found, a, b, Console(), every=conversation is not None)
    if not all(difference.verdict.alike for difference in found):
        raise typer.Exit(1)


def _print(found: Sequence[Difference], a: Opened, b: Opened, console: Console, every: bool) -> None:
    """A line that sums up, the two names, and each conversation that is not alike, or every one."""
    counts = Counter(difference.verdict for difference in found)
    told = ", ".join(f"{counts[verdict]} {words}" for verdict, words in WORDS.items() if counts[verdict])
    console.print(Text(f"{len(found)} conversation{'' if len(found) == 1 else 's'}: {told}", "bold"))
    console.print(
        Text.assemble(("--- ", "red"), one_line(a.name, 300), "\n", ("+++ ", "green"), one_line(b.name, 300))
    )
    for name, note in {opened.name: opened.note for opened in (a, b) if opened.note}.items():
        console.print(Text(f"note: {one_line(name, 300)}: {one_line(note, 400)}", "dim"))
    for difference in found:
        if every or not difference.verdict.alike:
            console.print(Text(f"\n{difference.name}", "bold underline"))
            console.print(Padding(_table(_shown(difference)), (0, 0, 0, 2), expand=False))


def _table(lines: Iterable[Line]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for sign, text in lines:
        table.add_row(Text(sign, COLOURS[sign]), text)
    return table


def _shown(difference: Difference) -> Iterator[Line]:
    """The lines that differ, or why there are none."""
    if difference.a is None or difference.b is None:
        sides = (("-", "the first", difference.reason_a), ("+", "the second", difference.reason_b))
        yield from (_line(sign, f"{which} refuses: {reason}") for sign, which, reason in sides if reason)
    elif difference.verdict is Agreement.EQUAL:
        yield from (_line(" ", _dotted(line)) for line in _lines(difference.a)[:MOST_LINES])
    else:
        yield from _diff(_lines(difference.a), _lines(difference.b))


def _diff(a: Sequence[str], b: Sequence[str]) -> Iterator[Line]:
    """The lines that differ and those around them; a run of equal lines between them is cut."""
    left, right = a[:MOST_LINES], b[:MOST_LINES]
    if a == b:
        yield _line("…", "the texts differ in characters that are shown alike; --json tells them apart")
        return
    end = 0
    for group in SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(AROUND):
        if group[0][1] > end:
            yield _line("…")
        for what, start, end, start_b, end_b in group:
            if what == "equal":
                yield from (_line(" ", _dotted(line)) for line in left[start:end])
            else:
                yield from _changed(left[start:end], right[start_b:end_b])
    if end < len(left):
        yield _line("…")
    if max(len(a), len(b)) > MOST_LINES:
        yield _line("…", f"the texts have {len(a):,} and {len(b):,} lines; the first {MOST_LINES:,} are compared")


def _changed(removed: Sequence[str], added: Sequence[str]) -> Iterator[Line]:
    """Lines of the first text, and those of the second; where there are as many of both, they are taken for pairs."""
    if len(removed) == len(added):
        pairs = [_pair(before, after) for before, after in zip(removed, added, strict=True)]
        yield from (("-", before) for before, _ in pairs)
        yield from (("+", after) for _, after in pairs)
    else:
        yield from (_line("-", _dotted(line)) for line in removed)
        yield from (_line("+", _dotted(line)) for line in added)


def _pair(a: str, b: str) -> tuple[Text, Text]:
    """Two lines, in which the words that differ are bold and their blanks visible."""
    words_a, words_b = re.findall(r"\w+|.", a), re.findall(r"\w+|.", b)
    if max(len(words_a), len(words_b)) > MOST_WORDS or not {*words_a} & {*words_b}:
        return _line("-", _dotted(a))[1], _line("+", _dotted(b))[1]
    first, second = Text(style=COLOURS["-"]), Text(style=COLOURS["+"])
    for what, start, end, start_b, end_b in SequenceMatcher(None, words_a, words_b, autojunk=False).get_opcodes():
        for text, words in ((first, words_a[start:end]), (second, words_b[start_b:end_b])):
            piece = "".join(words)
            if what == "equal":
                text.append(_middle(piece, start > 0, end < len(words_a)))
            else:
                text.append(_cut(piece.replace(" ", "·")), "bold")
    return first, second


def _middle(text: str, before: bool, after: bool) -> str:
    """A run of equal characters, cut to those near a difference before or after it."""
    if len(text) <= NEAR * (before + after):
        return text
    return f"{text[:NEAR] if before else ''}…{text[-NEAR:] if after else ''}"


def _line(sign: str, text: str = "") -> Line:
    return sign, Text(_cut(text), COLOURS[sign])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…"


def _lines(text: str) -> list[str]:
    """The lines, with their ends made visible and nothing that a terminal would act on."""
    return [line for line in visible(text).split("\n") if line]


def _dotted(line: str) -> str:
    """A line in which the blanks at its edges are visible."""
    return re.sub(r"^ +| +(?=↵?$)", lambda blanks: "·" * len(blanks[0]), line)
