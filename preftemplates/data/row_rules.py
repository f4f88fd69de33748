"""Rules: what rows that come through should be looked at for, a function each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations, pairwise
from typing import Any, NamedTuple, cast

from preftemplates.core.digest import short_digest
from preftemplates.core.messages import CONTENT_KEYS, Message, message_texts
from preftemplates.core.samples import Preference, Ranked, Sample
from preftemplates.errors import Code, preview
from preftemplates.styles.control_text import find_control_text
from preftemplates.styles.style import Style
from preftemplates.templates.declaration import Ties
from preftemplates.templates.template import Formatted, has_equal

Memory = dict[Any, Any]
"""What a rule remembers of the rows before."""


class Seen(NamedTuple):
    """One sample that came through.

    Attributes:
        row: the row's number, from 0.
        sample: the sample with messages.
        style: the style that its texts are written in; None where the dialect holds messages only.
    """

    row: int
    sample: Sample[list[Message]]
    style: Style | None

    @property
    def messages(self) -> Iterator[Message]:
        """All messages."""
        return chain(self.sample.prompt, *self.sample.responses.values())


Rule = Callable[[Seen, Memory], str | None]
"""Says what is to be looked at in a sample, or None."""

RULES: dict[Code, Rule] = {}
"""The rules by code."""


def rule(code: Code) -> Callable[[Rule], Rule]:
    """Enter a function as the rule of a code."""

    def enter(function: Rule) -> Rule:
        RULES[code] = function
        return function

    return enter


@rule(Code.CONTROL_TEXT)
def control_text(seen: Seen, memory: Memory) -> str | None:
    """A content spells what the style writes between turns."""
    text = find_control_text(seen.messages, seen.style) if seen.style is not None else None
    return None if text is None else f"a content spells {preview(text)}"


INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\U000e0000-\U000e007f]"
)
"""Characters that do not show, or turn the direction of others; joiners that emoji and scripts need are left out.

Of control characters, tabs and the ends of lines and pages are what texts are made of.
"""


@rule(Code.INVISIBLE)
def invisible(seen: Seen, memory: Memory) -> str | None:
    """A content holds characters that do not show, or that turn the direction of others."""
    for text in message_texts(seen.messages):
        found = INVISIBLE.search(text)
        if found:
            name = unicodedata.name(found[0], "a control character").lower()
            return f"a content holds U+{ord(found[0]):04X} ({name})"
    return None


LONG = 100_000
"""Texts of more characters are long."""


@rule(Code.LONG_TEXT)
def long_text(seen: Seen, memory: Memory) -> str | None:
    """A content is very long."""
    longest = max(map(len, message_texts(seen.messages)), default=0)
    return f"a content has {longest:,} characters" if longest > LONG else None


@rule(Code.ODD_TURNS)
def odd_turns(seen: Seen, memory: Memory) -> str | None:
    """The turns stand in an unusual order."""
    prompt = [message["role"] for message in seen.sample.prompt]
    if "system" in prompt[1:]:
        return "a system message does not stand first" if prompt.count("system") == 1 else "two system messages"
    asked = [role for role in prompt if role not in ("system", "developer")]
    if len(asked) > 1 and asked[0] == "assistant":
        return "the prompt begins with an answer"
    if any(other == "tool" and one not in ("assistant", "tool") for one, other in pairwise(["", *prompt])):
        return "a tool answers that was not called"
    if prompt and prompt[-1] == "assistant":
        return "the prompt ends with an answer"
    if prompt and not {"user", "tool"} & set(prompt):
        return "the prompt asks nothing: it has no turn of a user"
    twice = next((one for one, other in pairwise(prompt) if one == other and one in ("user", "assistant")), None)
    return f"two turns of {twice} in a row" if twice else None


@rule(Code.PROMPT_REPEATED)
def prompt_repeated(seen: Seen, memory: Memory) -> str | None:
    """Every answer begins with the whole prompt."""
    prompt = "".join(message_texts(seen.sample.prompt[-1:])).strip()
    answers = ["".join(message_texts(own[:1])).lstrip() for own in seen.sample.responses.values()]
    if len(prompt) >= REPEATED and answers and all(answer.startswith(prompt) for answer in answers):
        return "every answer begins with the whole prompt"
    return None


REPEATED = 20
"""A prompt of fewer characters may well open its answers."""


@rule(Code.DUPLICATE)
def duplicate(seen: Seen, memory: Memory) -> str | None:
    """The same prompt and answers stood in a row before, and its labels say the same of them.

    The order of a pair says which is better; by how much is no other verdict.
    """
    sample = seen.sample
    labels = {} if isinstance(sample, Preference) else sample.label_values
    first = memory.setdefault(
        short_digest([sample.tools, sample.prompt, *sample.responses.values(), labels]), seen.row
    )
    return None if first == seen.row else f"the same as row {first}"


@rule(Code.CONTRADICTION)
def contradiction(seen: Seen, memory: Memory) -> str | None:
    """A row before preferred the other of the same two answers, or judged the same answer in another way."""
    sample = seen.sample
    if not isinstance(sample, Preference | Ranked):
        said = short_digest([sample.tools, sample.prompt, *sample.responses.values()])
        skip_reason = {name: value for name, value in sample.label_values.items() if name != "tools"}
        row, labels = memory.setdefault(said, (seen.row, skip_reason))
        return None if labels == skip_reason else f"row {row} judges the same in another way"
    found = None
    for better, worse in _preferred(sample):
        memory.setdefault(short_digest([sample.tools, sample.prompt, better, worse]), seen.row)
        first = memory.get(short_digest([sample.tools, sample.prompt, worse, better]))
        found = first if found is None else found
    return None if found is None else f"row {found} prefers the other answer"


def _preferred(sample: Preference[list[Message]] | Ranked[list[Message]]) -> Iterator[tuple[Any, Any]]:
    """The pairs of answers of which the first is the better one."""
    if isinstance(sample, Preference):
        if not sample.is_tie:
            yield sample.chosen, sample.rejected
        return
    ranked = zip(cast("list[float]", sample.ranks), sample.responses.values(), strict=True)
    for one, other in combinations(ranked, 2):
        if one[0] != other[0]:
            yield (one[1], other[1]) if one[0] < other[0] else (other[1], one[1])


@rule(Code.IN_TEST)
def in_test(seen: Seen, memory: Memory) -> str | None:
    """The prompt stands in the test set too; `memory` holds its prompts."""
    row = memory.get(short_digest(seen.sample.prompt)) if seen.sample.prompt else None
    return None if row is None else f"the prompt is that of row {row} of the test set"


BLANK = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*")
"""White space, and characters that take no room."""


def skip_reason(formatted: Formatted, ties: Ties = "drop") -> Code | None:
    """Why a sample should not be trained on, though it can be formatted; None if there is no reason.

    A prompt of no messages at all is no empty prompt: some datasets have none.
    """
    messages = formatted.messages
    if messages is None:
        return _custom_skip_reason(formatted)
    if any(is_blank(own) for own in messages.responses.values()) or (messages.prompt and is_blank(messages.prompt)):
        return Code.EMPTY
    if has_equal(messages) or (formatted.texts is not None and has_equal(formatted.texts)):
        return Code.EQUAL
    return Code.TIE if ties == "drop" and messages.is_tie else None


def is_blank(messages: Sequence[Message]) -> bool:
    """Whether no message says anything."""
    return all(_says_nothing(message) for message in messages)


def _says_nothing(message: Message) -> bool:
    content = message.get("content")
    if any(message.get(key) for key in CONTENT_KEYS):
        return False
    return BLANK.fullmatch(content) is not None if isinstance(content, str) else not content


def _custom_skip_reason(formatted: Formatted) -> Code | None:
    """For a template that formats by hand: only the result can be looked at."""
    values = list(formatted.result.values())
    if any(isinstance(value, str) and BLANK.fullmatch(value) for value in values):
        return Code.EMPTY
    alike = len(values) > 1 and all(value == values[0] for value in values)
    return Code.EQUAL if alike or formatted.equal else None
