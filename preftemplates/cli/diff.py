"""`preftemplates diff`: where two styles write a conversation differently."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from preftemplates.cli.open_style import OpenedStyle, open_style
from preftemplates.cli.options import STYLE_ARGUMENT_HELP, BosOption, EosOption, JsonOption
from preftemplates.cli.terminal import SafeConsole, print_json
from preftemplates.errors import DefinitionError, make_visible, one_line
from preftemplates.styles.lint.compare import Agreement, Difference, compare_styles
from preftemplates.styles.lint.conversations import CONVERSATIONS
from preftemplates.styles.resolve import is_style_file

AGREEMENT_WORDS = {
    Agreement.EQUAL: "equal",
    Agreement.DIFFERS: "differ",
    Agreement.ONLY_A: "rendered by the first only",
    Agreement.ONLY_B: "rendered by the second only",
    Agreement.BOTH_REFUSE: "rendered by neither",
}
"""How conversations with a status are counted in words."""

_CONTEXT_LINES = 2
"""Equal lines that are shown next to those that differ."""
_CONTEXT_CHARACTERS = 40
"""Equal characters that are shown next to those that differ; a line with more of them is cut."""
_MAX_LINE_LENGTH = 400
"""Characters of a line that are shown."""
_MAX_LINES = 400
"""Lines of a text that are compared: an untrusted template may write millions."""
_MAX_WORDS = 400
"""Words of a line that are compared one by one."""
_SIGN_COLOURS = {"-": "red", "+": "green", " ": "dim", "…": "cyan"}

_SignedLine = tuple[str, Text]
"""A sign, and the line after it."""


def command(
    style_a: Annotated[str, typer.Argument(metavar="STYLE_A", help=STYLE_ARGUMENT_HELP)],
    style_b: Annotated[str, typer.Argument(metavar="STYLE_B", help="The same.")],
    conversation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show this conversation only, even if it is equal.")
    ] = None,
    bos_token: BosOption = None,
    eos_token: EosOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare how two styles render a fixed set of conversations.

    Exit code 0 if all texts are equal, 1 if not, 2 if a style cannot be read.
    """
    if not (bos_token is eos_token is None or is_style_file(style_a) or is_style_file(style_b)):
        raise DefinitionError("registered styles have their own tokens; --bos-token and --eos-token are for files")
    a, b = (open_style(spec, *((bos_token, eos_token) if is_style_file(spec) else ())) for spec in (style_a, style_b))
    differences = compare_styles(a.style, b.style, CONVERSATIONS if conversation is None else [conversation])
    if as_json:
        items = [difference.as_json() for difference in differences]
        print_json({"a": a.name, "b": b.name, "conversations": items}, indent=2)
    else:
        _print_differences(differences, a, b, SafeConsole(), every=conversation is not None)
    if not all(difference.verdict.alike for difference in differences):
        raise typer.Exit(1)


def _print_differences(
    differences: Sequence[Difference], a: OpenedStyle, b: OpenedStyle, console: SafeConsole, every: bool
) -> None:
    """Print a summary, the two names, and each conversation that differs, or every one."""
    counts = Counter(difference.verdict for difference in differences)
    summary = ", ".join(f"{counts[verdict]} {words}" for verdict, words in AGREEMENT_WORDS.items() if counts[verdict])
    console.print(Text(f"{len(differences)} conversation{'' if len(differences) == 1 else 's'}: {summary}", "bold"))
    console.print(
        Text.assemble(("--- ", "red"), one_line(a.name, 300), "\n", ("+++ ", "green"), one_line(b.name, 300))
    )
    for name, note in {opened.name: opened.note for opened in (a, b) if opened.note}.items():
        console.print(Text(f"note: {one_line(name, 300)}: {one_line(note, 400)}", "dim"))
    for difference in differences:
        if every or not difference.verdict.alike:
            console.print(Text(f"\n{difference.name}", "bold underline"))
            console.print_table(_build_table(_iter_lines(difference)), indent=2)


def _build_table(lines: Iterable[_SignedLine]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for sign, text in lines:
        table.add_row(Text(sign, _SIGN_COLOURS[sign]), text)
    return table


def _iter_lines(difference: Difference) -> Iterator[_SignedLine]:
    """Yield the lines that differ, or why there are none."""
    if difference.a is None or difference.b is None:
        sides = (("-", "the first", difference.reason_a), ("+", "the second", difference.reason_b))
        yield from (_sign_line(sign, f"{which} raises an error: {reason}") for sign, which, reason in sides if reason)
    elif difference.verdict is Agreement.EQUAL:
        yield from (_sign_line(" ", _show_edge_spaces(line)) for line in _split_lines(difference.a)[:_MAX_LINES])
    else:
        yield from _diff_lines(_split_lines(difference.a), _split_lines(difference.b))


def _diff_lines(a: Sequence[str], b: Sequence[str]) -> Iterator[_SignedLine]:
    """Yield the lines that differ and their neighbours; longer runs of equal lines are cut."""
    left, right = a[:_MAX_LINES], b[:_MAX_LINES]
    if a == b:
        yield _sign_line("…", "the texts differ in characters that are shown alike; --json tells them apart")
        return
    end = 0
    for group in SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(_CONTEXT_LINES):
        if group[0][1] > end:
            yield _sign_line("…")
        for operation, start, end, start_b, end_b in group:
            if operation == "equal":
                yield from (_sign_line(" ", _show_edge_spaces(line)) for line in left[start:end])
            else:
                yield from _diff_changed_lines(left[start:end], right[start_b:end_b])
    if end < len(left):
        yield _sign_line("…")
    if max(len(a), len(b)) > _MAX_LINES:
        yield _sign_line("…", f"the texts have {len(a):,} and {len(b):,} lines; the first {_MAX_LINES:,} are compared")


def _diff_changed_lines(removed: Sequence[str], added: Sequence[str]) -> Iterator[_SignedLine]:
    """Lines of the first text, and those of the second; where there are as many of both, they are taken for pairs."""
    if len(removed) == len(added):
        pairs = [_diff_words(before, after) for before, after in zip(removed, added, strict=True)]
        yield from (("-", before) for before, _ in pairs)
        yield from (("+", after) for _, after in pairs)
    else:
        yield from (_sign_line("-", _show_edge_spaces(line)) for line in removed)
        yield from (_sign_line("+", _show_edge_spaces(line)) for line in added)


def _diff_words(a: str, b: str) -> tuple[Text, Text]:
    """Return two lines in which the words that differ are bold and their spaces visible."""
    words_a, words_b = re.findall(r"\w+|.", a), re.findall(r"\w+|.", b)
    if max(len(words_a), len(words_b)) > _MAX_WORDS or not {*words_a} & {*words_b}:
        return _sign_line("-", _show_edge_spaces(a))[1], _sign_line("+", _show_edge_spaces(b))[1]
    first, second = Text(style=_SIGN_COLOURS["-"]), Text(style=_SIGN_COLOURS["+"])
    matcher = SequenceMatcher(None, words_a, words_b, autojunk=False)
    for operation, start, end, start_b, end_b in matcher.get_opcodes():
        for text, words in ((first, words_a[start:end]), (second, words_b[start_b:end_b])):
            piece = "".join(words)
            if operation == "equal":
                text.append(_cut_equal_run(piece, start > 0, end < len(words_a)))
            else:
                text.append(_cut_line(piece.replace(" ", "·")), "bold")
    return first, second


def _cut_equal_run(text: str, before: bool, after: bool) -> str:
    """Return a run of equal characters, cut to those near a difference."""
    if len(text) <= _CONTEXT_CHARACTERS * (before + after):
        return text
    start, end = text[:_CONTEXT_CHARACTERS], text[-_CONTEXT_CHARACTERS:]
    return f"{start if before else ''}…{end if after else ''}"


def _sign_line(sign: str, text: str = "") -> _SignedLine:
    return sign, Text(_cut_line(text), _SIGN_COLOURS[sign])


def _cut_line(text: str) -> str:
    return text if len(text) <= _MAX_LINE_LENGTH else f"{text[:_MAX_LINE_LENGTH]}…"


def _split_lines(text: str) -> list[str]:
    """Return the lines with visible ends, and without control characters."""
    return [line for line in make_visible(text).split("\n") if line]


def _show_edge_spaces(line: str) -> str:
    """Return a line with visible spaces at its edges."""
    return re.sub(r"^ +| +(?=↵?$)", lambda blanks: "·" * len(blanks[0]), line)
