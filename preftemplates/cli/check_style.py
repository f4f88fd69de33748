"""`preftemplates check-style`: find what a style loses, changes and adds, before you train with it."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from preftemplates.cli.open_style import OpenedStyle, get_template_line, open_style
from preftemplates.cli.options import STYLE_ARGUMENT_HELP, BosOption, EosOption, JsonOption
from preftemplates.cli.terminal import SafeConsole, print_json
from preftemplates.errors import one_line
from preftemplates.styles.lint.findings import FINDING_GROUPS, FindingCode, StyleFinding


def command(
    style: Annotated[str, typer.Argument(metavar="STYLE", help=STYLE_ARGUMENT_HELP)],
    bos_token: BosOption = None,
    eos_token: EosOption = None,
    allow: Annotated[
        list[FindingCode] | None, typer.Option(metavar="CODE", help="Ignore findings with this code. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find what a style loses, changes and adds, by rendering a few conversations.

    Exit code 0 without findings, 1 with findings, 2 if the style cannot be read.
    """
    opened = open_style(style, bos_token, eos_token)
    findings = [finding for finding in opened.style.findings if finding.code not in (allow or ())]
    if as_json:
        print_json(_convert_to_json(opened, findings), indent=2)
    else:
        _print_findings(opened, findings, SafeConsole())
    if findings:
        raise typer.Exit(1)


def _convert_to_json(opened: OpenedStyle, findings: Sequence[StyleFinding]) -> dict[str, Any]:
    items = [{**finding.as_json(), "meaning": finding.code.meaning} for finding in findings]
    return {"style": opened.name, **({"note": opened.note} if opened.note else {}), "findings": items}


def _print_findings(opened: OpenedStyle, findings: Sequence[StyleFinding], console: SafeConsole) -> None:
    """Print the findings in words, by what they are about, with the template's lines."""
    if opened.note:
        console.print(Text(f"note: {one_line(opened.note, 400)}", "dim"))
    for group, codes in FINDING_GROUPS.items():
        group_findings = [finding for finding in findings if finding.code in codes]
        if group_findings:
            console.print(Text(group, "bold underline"))
        for code in dict.fromkeys(finding.code for finding in group_findings):
            console.print_indented(Text(code, "bold yellow"), 2)
            for finding in group_findings:
                if finding.code is code:
                    _print_finding(finding, opened.source, console)
    count = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}" if findings else "no findings"
    console.print(Text(f"{one_line(opened.name, 300)}: {count}", "bold" if findings else "bold green"))


def _print_finding(finding: StyleFinding, source: str | None, console: SafeConsole) -> None:
    console.print_indented(Text(one_line(finding.message, 400)), 4)
    line = get_template_line(source, finding.line).strip() if finding.line and source is not None else ""
    if line:
        numbered = Text(f"line {finding.line} | {line}", "dim", no_wrap=True, overflow="ellipsis")
        console.print_indented(numbered, 6)
