"""Describe a wrong command line in one line, as the errors of this library do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from preftemplates.cli.terminal import escape_unsafe
from preftemplates.errors import did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 1000
"""How many characters of a message are shown; the longest list of choices has about half of them."""


def _describe_choice(match: re.Match[str]) -> str:
    choices = re.findall(r"'([^']*)'", match["choices"])
    if guess := did_you_mean(match["value"], choices):
        return f"{match['option']}: there is no {match['value']!r}.{guess}"
    return f"{match['option']}: expected one of {', '.join(choices)}; got {match['value']!r}."


def _describe_option(match: re.Match[str]) -> str:
    near = re.findall(r"-[\w-]+", match["near"] or "")
    return f"there is no option {match['option']}." + (f" Did you mean {' or '.join(near)}?" if near else "")


_FORMS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"Invalid value for '(?P<option>[^']*)'.*?: (?:Value error, )?'(?P<value>.*)' is not one of (?P<choices>.*)",
     _describe_choice),
    (r"No such option: (?P<option>\S+)(?: \(Possible options: (?P<near>.*)\))?", _describe_option),
    (r"No such option: (?P<option>\S+) Did you mean (?P<near>.*)\?", _describe_option),
    (r"No such command (?P<rest>.*)", lambda match: f"there is no command {match['rest'].replace(', ', ' or ')}"),
    (r"Missing (?P<kind>argument|option) '(?P<name>[^']*)'.*",
     lambda match: f"the {match['kind']} {match['name']} is missing."),
    (r"Invalid value for '(?P<option>[^']*)'.*?: Input should be a valid integer.*",
     lambda match: f"{match['option']}: expected a whole number."),
    (r"Invalid value for '(?P<option>[^']*)'.*?: Input should be a valid number.*",
     lambda match: f"{match['option']}: expected a number."),
    (r"Invalid value for '(?P<option>[^']*)'.*?: Input should be (?P<rest>.*)",
     lambda match: f"{match['option']}: expected a value {match['rest']}."),
    (r"Invalid value for '(?P<option>[^']*)'.*?: (?:Value error, )?(?P<rest>.*)",
     lambda match: f"{match['option']}: {match['rest']}"),
    (r"Got unexpected extra argument\S* \((?P<rest>.*)\)", lambda match: f"unexpected argument {match['rest']}."),
    (r"Option '(?P<option>[^']*)' requires an argument",
     lambda match: f"the option {match['option']} needs a value."),
    (r"Option '(?P<option>[^']*)' does not take a value",
     lambda match: f"the option {match['option']} takes no value."),
)  # fmt: skip
"""The messages of typer and pydantic as patterns, each with the words of this library."""


def describe_usage_error(error: Any) -> str:
    """Return one line about a wrong command line: what is wrong, the nearest name, and how to see the options.

    Args:
        error: a usage error of typer.
    """
    message = one_line(escape_unsafe(error.format_message()), _LONGEST).strip()
    for pattern, describe in _FORMS:
        if match := re.fullmatch(pattern, message.rstrip(".")):
            message = describe(match)
            break
    if message.endswith("?"):
        return message
    command = "" if error.ctx is None else error.ctx.command_path
    help_line = f"{command} --help shows the options" if command else "add --help to see the options"
    return f"{message.rstrip('.')}; {help_line}"
