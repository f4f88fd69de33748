"""Rules on contents: special tokens, changes by a style, and unread columns that contradict the pair."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from preftemplates.core.messages import CONTENT_TOKENS, list_message_texts
from preftemplates.core.paths import split_path
from preftemplates.core.samples import Preference
from preftemplates.data.row_rules import REMEMBERING, ROW_RULES, AcceptedSample, RuleMemory, register_rule
from preftemplates.errors import Code, preview
from preftemplates.styles.control_text import list_control_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.templates.unread import UnreadValue

_BRACKETED = (
    "INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|MODEL_SETTINGS|THINK|ARGS|CALL_ID|IMG"
    "|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|CLS|SEP|PAD|MASK|UNK|BOS|EOS|gMASK|sMASK"
)
_NAMED = (
    "s|bos|eos|pad|unk|mask|sop|eop|image_soft_token|fake_token_around_image|global-img|row_[0-9]+_col_[0-9]+"
    "|(?:start|end|begin)_of_[a-z_]+|extra_id_[0-9]+|unused[0-9]+|reserved_[0-9]+|SPECIAL_[0-9]+"
)
SPECIAL_TOKEN_PATTERN = (
    rf"<\|[^\s|<>]{{1,40}}\|>|<｜[^\s｜<>]{{1,40}}｜>|\[/?(?:{_BRACKETED})\]|</?(?:{_NAMED})>|<</?SYS>>"
)
"""The special tokens of common tokenizers, by spelling."""

_SPECIAL_TOKEN = re.compile(SPECIAL_TOKEN_PATTERN)


@register_rule(Code.SPECIAL_TOKEN)
def _find_special_token(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find a content that spells a special token of the tokenizer, or a common one, that is not the style's own."""
    own = () if accepted.style is None else list_control_texts(accepted.style)
    for text in accepted.contents:
        if accepted.special_tokens is None and "<" not in text and "[" not in text:
            continue
        for token in _list_special_tokens(text, accepted.special_tokens):
            if token not in own and token not in CONTENT_TOKENS:
                return f"a message contains {preview(token)}"
    return None


def _list_special_tokens(text: str, known: Collection[str] | None) -> Iterable[str]:
    if known is None:
        return (match[0] for match in _SPECIAL_TOKEN.finditer(text))
    return (token for token in known if token in text)


@register_rule(Code.CONTENT_CHANGED)
def _find_changed_content(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find a content that the style cuts, drops or changes, other than by trimming it."""
    style, texts, sample = accepted.style, accepted.texts, accepted.sample
    if style is None or texts is None or sample.pieces:
        return None
    for response, text in zip(accepted.responses, texts.responses.values(), strict=True):
        messages = [*sample.prompt, *response]
        if _holds_in_order(text, messages):
            continue
        rendered = style.with_tools(cast("str | None", sample.tools)).render_normal(messages, False)
        for change in rendered.changes:
            if change.what != "trimmed" and split_path(change.field)[0] == "content":
                return f"the style has {change.what} the {change.field} of message {change.message} ({change.role})"
    return None


def _holds_in_order(text: str, messages: Sequence[Message]) -> bool:
    """Return whether a text holds all contents in full and in order, so that none was changed."""
    at = 0
    for content in list_message_texts(messages):
        trimmed = content.strip()
        found = text.find(trimmed, at)
        if found < 0:
            return False
        at = found + len(trimmed)
    return True


_SCORE = re.compile(r"score|rating|reward|preference|quality", re.IGNORECASE)
_SIDES = {"rejected": "chosen", "worse": "better", "loser": "winner"}


@register_rule(Code.SCORE_CONTRADICTION)
def _find_score_contradiction(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find scores in unread columns by which the rejected answer is the better one."""
    if not accepted.unread or not isinstance(accepted.sample, Preference):
        return None
    numbers: dict[str, Any] = {
        unread.path: unread.value
        for unread in accepted.unread
        if isinstance(unread.value, int | float) and not isinstance(unread.value, bool) and _SCORE.search(unread.path)
    }
    for path, value in numbers.items():
        for worse, better in _SIDES.items():
            other = path.replace(worse, better)
            if worse in path and other in numbers and value > numbers[other]:
                return f"{path} is {preview(value)}, but {other} is {preview(numbers[other])}"
    return None


@register_rule(Code.OWN_CHAT_TEMPLATE)
def _find_own_chat_template(accepted: AcceptedSample, _: RuleMemory) -> str | None:
    """Find a chat template in the row, which is not used."""
    for unread in accepted.unread:
        if unread.key in _CHAT_TEMPLATE_KEYS and isinstance(unread.value, str | dict | list):
            return f"{unread.path} is a chat template, which is not used"
    return None


def reads_unread_value(unread: UnreadValue) -> bool:
    """Return whether a rule may find something in an unread value."""
    return _SCORE.search(unread.path) is not None or unread.key in _CHAT_TEMPLATE_KEYS


_CHAT_TEMPLATE_KEYS = ("chat_template", "chat_templates")


def read_special_tokens(tokenizer: Any) -> frozenset[str]:
    """Return the control tokens of a transformers tokenizer: its named tokens, and those marked special."""
    marked = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
    return frozenset(chain(map(str, tokenizer.all_special_tokens), marked))


SINGLE_ROW_RULES = {code: rule for code, rule in ROW_RULES.items() if code not in REMEMBERING}
"""All rules that look at a single row; rows are flagged by them during conversion."""
