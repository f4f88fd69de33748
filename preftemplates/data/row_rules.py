"""Rules on rows: one function per code for flagging a formatted sample."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, pairwise
from typing import TYPE_CHECKING, Any, cast

from preftemplates.core.digest import short_digest
from preftemplates.core.json_text import read_json_as
from preftemplates.core.messages import Message, list_message_texts
from preftemplates.core.provenance import plain
from preftemplates.core.samples import Preference, Ranked, Sample
from preftemplates.data.hash_table import HashTable
from preftemplates.data.normal_prompt import NormalPrompt, normalise_prompt
from preftemplates.errors import Code, preview
from preftemplates.styles.control_text import find_control_text
from preftemplates.styles.reasoning import THINKING_FIELDS
from preftemplates.templates.unread import is_context

if TYPE_CHECKING:
    from preftemplates.styles.style import Style
    from preftemplates.templates.unread import UnreadValue

RuleMemory = dict[Any, Any]
"""The memory of a rule about earlier rows."""


@dataclass(eq=False)
class AcceptedSample:
    """One formatted sample.

    Attributes:
        row: the row's number, from 0.
        sample: the sample with messages.
        style: the style of its texts; None if that is unknown.
        texts: the sample with texts in the style; None if it is not rendered.
        unread: the values of the row that the template does not read.
        special_tokens: the special tokens of the tokenizer that will be used; None if that is unknown.
    """

    row: int
    sample: Sample[list[Message]]
    style: Style | None
    texts: Sample[str] | None = None
    unread: tuple[UnreadValue, ...] = ()
    special_tokens: frozenset[str] | None = None

    @property
    def asked(self) -> list[Any]:
        """Return what is asked: the tools, the prompt, and unread values that belong to it."""
        return [self.sample.tools, self.sample.prompt, *filter(is_context, self.unread)]

    @cached_property
    def responses(self) -> list[list[Message]]:
        """Return the messages of each response."""
        return [*self.sample.responses.values()]

    @cached_property
    def messages(self) -> list[Message]:
        """Return all messages."""
        return [*chain(self.sample.prompt, *self.responses)]

    @cached_property
    def normal_prompt(self) -> NormalPrompt | None:
        """Return the prompt without case, punctuation and whitespace; None if it has no words."""
        return normalise_prompt(self.sample.prompt, self.sample.tools)

    @cached_property
    def contents(self) -> list[str]:
        """Return all texts of the messages."""
        return list_message_texts(self.messages)


RowRule = Callable[[AcceptedSample, RuleMemory], str | None]
"""Returns what should be looked at in a sample, or None."""

ROW_RULES: dict[Code, RowRule] = {}
"""The rules by code."""

REMEMBERING = (Code.DUPLICATE, Code.CONTRADICTION, Code.IN_TEST, Code.NEAR_DUPLICATE, Code.NEAR_TEST)
"""The rules that also look at other rows."""


def register_rule(code: Code) -> Callable[[RowRule], RowRule]:
    """Register a function as the rule of a code."""

    def enter(rule: RowRule) -> RowRule:
        ROW_RULES[code] = rule
        return rule

    return enter


@register_rule(Code.CONTROL_TEXT)
def _find_control_text(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find a content that spells what the style writes between turns."""
    text = find_control_text(accepted.messages, accepted.style) if accepted.style is not None else None
    return None if text is None else f"a message contains {preview(text)}"


@register_rule(Code.PREFIX_UNSTABLE)
def _find_unstable_prefix(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find an answer whose text in the style does not begin with the text of the prompt."""
    texts = accepted.texts
    if texts is None or texts.pieces or all(text.startswith(texts.prompt) for text in texts.responses.values()):
        return None
    return "the rendered conversation does not begin with the rendered prompt, so trainers lose the end of the prompt"


INVISIBLE_RANGES = (
    (0x00, 0x08), (0x0B, 0x0B), (0x0E, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x115F, 0x1160),
    (0x200B, 0x200B), (0x200E, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFEFF, 0xFEFF),
    (0xE0000, 0xE007F), (0xE000, 0xF8FF), (0xF0000, 0x10FFFF),
)  # fmt: skip
"""Characters that do not show, turn the direction of others, or are for private use.

They are ranges of code points. Joiners that emoji and scripts need are left out, and so are tabs and the ends of
lines and pages.
"""

_INVISIBLE = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in INVISIBLE_RANGES) + "]")


@register_rule(Code.INVISIBLE)
def _find_invisible(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find a content with invisible characters, or with characters that change the direction of others."""
    for text in accepted.contents:
        match = _INVISIBLE.search(text)
        if match:
            is_private = unicodedata.category(match[0]) == "Co"
            # control characters have no Unicode name
            name = "for private use" if is_private else unicodedata.name(match[0], "a control character").lower()
            return f"a message contains U+{ord(match[0]):04X} ({name})"
    return None


MAX_CHARACTERS = 100_000
"""The most characters of a text that is not long."""


@register_rule(Code.LONG_TEXT)
def _find_long_text(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find a very long content, or a conversation whose contents are very long together."""
    lengths = [*map(len, accepted.contents)]
    longest = max(lengths, default=0)
    if longest <= MAX_CHARACTERS < sum(lengths):
        return f"the messages have {sum(lengths):,} characters together"
    return f"a message has {longest:,} characters" if longest > MAX_CHARACTERS else None


@register_rule(Code.ODD_TURNS)
def _find_odd_turns(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find turns in an unusual order."""
    roles = [message["role"] for message in accepted.sample.prompt]
    if "system" in roles[1:]:
        return "a system message is not the first message" if roles.count("system") == 1 else "several system messages"
    turns = [role for role in roles if role not in ("system", "developer")]
    if len(turns) > 1 and turns[0] == "assistant":
        return "the prompt begins with an answer"
    # "" before the first role, so that a tool result in first place is found too
    if any(role == "tool" and before not in ("assistant", "tool") for before, role in pairwise(["", *roles])):
        return "a tool result has no call before it"
    if roles and roles[-1] == "assistant":
        return "the prompt ends with an answer"
    if roles and not {"user", "tool"} & set(roles):
        return "the prompt has no user turn"
    repeated = next((role for before, role in pairwise(roles) if before == role in ("user", "assistant")), None)
    return f"two {repeated} turns in a row" if repeated else None


MIN_REPEATED_PROMPT = 20
"""The least characters of a prompt that counts as repeated; a shorter one may well begin its answers."""


@register_rule(Code.PROMPT_REPEATED)
def _find_repeated_prompt(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find a prompt with which every answer begins."""
    prompt = "".join(list_message_texts(accepted.sample.prompt[-1:])).strip()
    if len(prompt) < MIN_REPEATED_PROMPT:
        return None
    answers = ["".join(list_message_texts(answer[:1])).lstrip() for answer in accepted.responses]
    if answers and all(answer.startswith(prompt) for answer in answers):
        return "every answer begins with the whole prompt"
    return None


_SPEAKER_KEYS = ("role", "from")
"""The keys of a turn that name its speaker."""


@register_rule(Code.JSON_TEXT)
def _find_json_text(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find a content that is the JSON text of turns, which a column of messages would parse; skip results of tools."""
    for message in accepted.messages:
        if is_json_text(message):
            return (
                f"the content {preview(message['content'])} is JSON text; choose a template whose columns are messages"
            )
    return None


def is_json_text(message: Message) -> bool:
    """Return whether a message's content is the JSON text of turns.

    >>> is_json_text({"role": "user", "content": '[{"role": "user", "content": "Hi"}]'})
    True
    """
    content = message.get("content")
    if message["role"] == "tool" or not isinstance(content, str) or content.lstrip()[:1] not in ("{", "["):
        return False
    return _spells_turns(content, message["role"])


def _spells_turns(content: str, role: str) -> bool:
    """Return whether a content is the JSON text of a turn, of turns or, for a user, of a list of texts."""
    if content.lstrip()[:1] == "{":
        value = read_json_as(plain(content), dict)
        return isinstance(value, dict) and _is_turn(value)
    items = read_json_as(plain(content), list)
    if isinstance(items, str) or not items:
        return False
    if role == "user" and all(isinstance(item, str) for item in items):
        return True
    return all(isinstance(item, dict) and _is_turn(item) for item in items)


def _is_turn(item: dict[str, Any]) -> bool:
    return any(isinstance(item.get(key), str) for key in _SPEAKER_KEYS) and len(item) > 1


_THINKING_TAG = re.compile(r"</?think>")


@register_rule(Code.UNBALANCED_THINKING)
def _find_unbalanced_thinking(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find an answer, earlier turns included, that opens or closes a thought without its counterpart."""
    answers = (message for message in accepted.messages if message["role"] == "assistant")
    return next(filter(None, map(_describe_unbalanced_thinking, answers)), None)


def _describe_unbalanced_thinking(message: Message) -> str | None:
    """Return what is wrong with the thinking tags in a message."""
    for key in THINKING_FIELDS:
        if _THINKING_TAG.search(str(message.get(key) or "")):
            return f"the {key} of an answer holds a thinking tag, but styles add the tags themselves"
    is_open = False
    for tag in _THINKING_TAG.findall("".join(list_message_texts([message]))):
        if is_open == (tag == "<think>"):  # an opening tag while one is open, or a closing one while none is
            return f"an answer holds a second {tag}" if is_open else f"an answer holds {tag} without <think>"
        is_open = not is_open
    return "an answer holds <think> without </think>" if is_open else None


MAX_REMEMBERED = 10_000_000
"""The most samples that are remembered; later ones are compared only with these."""

SEEN = "seen"
"""The key of a rule's memory of earlier samples."""


class SeenSamples:
    """The rows of samples by a hash of their content; only the first samples are remembered.

    Attributes:
        forgotten: how many samples arrived when the memory was full.
    """

    def __init__(self) -> None:
        self._rows, self._labels = HashTable(), HashTable()
        self.forgotten = 0

    def enter(self, content: object, row: int, labels: object = None) -> tuple[int | None, bool]:
        """Add a sample unless one with the same content is there.

        Returns:
            The row of the earlier sample, or None; and whether its labels are the same.
        """
        key, verdict = self._make_key(content), self._make_key(labels) & 0xFFFFFFFF  # `HashTable` holds 32 bits
        # a full memory still finds the samples that it has
        if len(self._rows) >= MAX_REMEMBERED and self._rows.get(key) is None:
            self.forgotten += 1
            return None, True
        return self._rows.setdefault(key, row), self._labels.setdefault(key, verdict) == verdict

    def get(self, content: object) -> int | None:
        """Return the row of the first sample with a content; None if there is none."""
        return self._rows.get(self._make_key(content))

    def _make_key(self, content: object) -> int:
        # two of 10 million samples share 64 bits with a probability of about 3 in a million (n**2 / 2**65)
        return int.from_bytes(short_digest(content)[:8], "little")


@register_rule(Code.DUPLICATE)
def _find_duplicate(accepted: AcceptedSample, memory: RuleMemory) -> str | None:
    """Find an earlier row with the same prompt and answers, and with labels that say the same about them.

    The order of a pair says which answer is better. How much better it is does not matter here.
    """
    sample = accepted.sample
    labels = {} if isinstance(sample, Preference) else sample.label_values
    content = [*accepted.asked, *sample.responses.values(), labels]
    # a row may give a sample twice, for example a ranking with two equal answers; that is not a copy of another row
    first, _ = memory.setdefault(SEEN, SeenSamples()).enter(content, accepted.row)
    return None if first in (None, accepted.row) else f"the same as row {first}"


@register_rule(Code.CONTRADICTION)
def _find_contradiction(accepted: AcceptedSample, memory: RuleMemory) -> str | None:
    """Find an earlier row that prefers the other of the same two answers, or labels the same answer differently."""
    sample, seen = accepted.sample, memory.setdefault(SEEN, SeenSamples())
    if not isinstance(sample, Preference | Ranked):
        content = [*accepted.asked, *sample.responses.values()]
        row, is_same = seen.enter(content, accepted.row, sample.label_values)
        return None if is_same else f"{name_other_row(row, accepted.row)} labels the same answer differently"
    opposite_row = None
    # by pairs, since two rankings may disagree about only two of their answers
    for better, worse in _preferred_pairs(sample):
        seen.enter([*accepted.asked, better, worse], accepted.row)
        opposite = seen.get([*accepted.asked, worse, better])
        opposite_row = opposite if opposite_row is None else opposite_row
    return None if opposite_row is None else f"{name_other_row(opposite_row, accepted.row)} prefers the other answer"


def name_other_row(row: int, own: int) -> str:
    """Return a row as the subject of a sentence; a ranking that holds an answer twice may contradict itself.

    >>> name_other_row(3, 5), name_other_row(5, 5)
    ('row 3', 'another place in this row')
    """
    return f"row {row}" if row != own else "another place in this row"


def _preferred_pairs(sample: Preference[list[Message]] | Ranked[list[Message]]) -> Iterator[tuple[Any, Any]]:
    """Yield the pairs of answers of which the first is better."""
    if isinstance(sample, Preference):
        if not sample.is_tie:
            yield sample.chosen, sample.rejected
        return
    ranked = zip(cast("list[float]", sample.ranks), sample.responses.values(), strict=True)
    for (first_rank, first), (second_rank, second) in combinations(ranked, 2):
        if first_rank != second_rank:
            yield (first, second) if first_rank < second_rank else (second, first)


@register_rule(Code.IN_TEST)
def _find_in_test(accepted: AcceptedSample, memory: RuleMemory) -> str | None:
    """Find the prompt in the test set; `memory` holds the prompts of the test set."""
    row = memory.get(short_digest(accepted.sample.prompt)) if accepted.sample.prompt else None
    return None if row is None else f"the prompt is the same as in row {row} of the test set"
