"""Findings: the surprising behaviours of a style, with one code each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from preftemplates.errors import CodeWithMeaning


class FindingCode(CodeWithMeaning):
    """A behaviour of a style that a person should know about before training with it."""

    # prompt and answer
    PREFIX_UNSTABLE = "prefix_unstable", "The text of a prompt is not the beginning of the text with its answer."
    NO_GENERATION_PROMPT = "no_generation_prompt", "A prompt ends before the assistant's turn begins."
    NO_STOP = "no_stop", "No token follows the last answer, so a model cannot learn where to stop."
    UNEVEN_STOP = "uneven_stop", "An answer in the middle does not end as the last one does."
    SAME_TEXT = "same_text", "Two different answers give the same text."

    # what the style does not print
    DROPS_ANSWER = "drops_answer", "The style does not print an answer."
    DROPS_SYSTEM = "drops_system", "The style does not print the system message, and does not raise an error."
    DROPS_MESSAGE = "drops_message", "The style does not print a message of another role, and does not raise an error."
    DROPS_REASONING = "drops_reasoning", "The style does not print the thinking of the last answer."
    DROPS_HISTORY_REASONING = "drops_history_reasoning", "The style does not print the thinking of an earlier answer."
    DROPS_TOOL_CALLS = "drops_tool_calls", "The style does not print a tool call."
    DROPS_TOOLS = "drops_tools", "The style does not print the tools of a conversation."

    # what the style prints differently
    REWRITES_REASONING = (
        "rewrites_reasoning",
        "The style prints the thinking of the last answer in other tags or whitespace.",
    )
    TRIMS_CONTENT = "trims_content", "The style does not print whitespace at the ends of a content."
    REWRITES_CONTENT = (
        "rewrites_content",
        "The style prints a content with other characters, or prints only a part of it.",
    )
    REPEATS_CONTENT = "repeats_content", "The style prints a content more than once."
    REORDERS_CONTENT = "reorders_content", "The style prints contents in another order than the messages."
    MERGES_ROLES = "merges_roles", "The style prints a message exactly like a part of another role's turn."
    PRINTS_REPR = (
        "prints_repr",
        "The style prints a value in Python's syntax: a mapping, None, or the address of a method.",
    )
    PRINTS_PARTS = "prints_parts", "The style prints the typed parts of a content as a Python list."
    PRINTS_UNDEFINED = "prints_undefined", "An everyday conversation would print an undefined value."

    # what raises an error
    REFUSES_CONVERSATION = "refuses_conversation", "An everyday conversation raises an error."
    REFUSES_ROLE = "refuses_role", "A message of this role raises an error."
    REFUSES_TOOL_CALLS = "refuses_tool_calls", "A tool call raises an error."
    OVER_LIMIT = "over_limit", "An everyday conversation needs more time or memory than the limits allow."

    # what the style adds
    WRITES_BOS = "writes_bos", "The style writes the BOS token, so a tokenizer must not add another one."
    DEFAULT_SYSTEM = "default_system", "The style adds a default text to a conversation without a system message."
    DEPENDS_ON_DATE = "depends_on_date", "The text is different on another day."
    UNSTABLE = "unstable", "One conversation gives two texts if it is rendered twice."

    # the source of the template
    CONTENT_BRANCH = "content_branch", "The text depends on words in a content."
    CONTENT_REPLACED = "content_replaced", "The template replaces words of a content."
    CONTENT_CUT = "content_cut", "The template cuts a content at certain words or places."
    CONTENT_LOOKED_UP = "content_looked_up", "The template looks up a content in a table, and may print another text."
    LENGTH_BRANCH = "length_branch", "The text depends on the length of a content, or on the number of messages."
    UNKNOWN_FIELD = "unknown_field", "The template reads a field that no message has."
    HIDDEN_CHARACTERS = "hidden_characters", "The template has characters that are invisible, or look like others."


FINDING_GROUPS: dict[str, tuple[FindingCode, ...]] = {
    "prompt and answer": (
        FindingCode.PREFIX_UNSTABLE,
        FindingCode.NO_GENERATION_PROMPT,
        FindingCode.NO_STOP,
        FindingCode.UNEVEN_STOP,
        FindingCode.SAME_TEXT,
    ),
    "what the style does not print": (
        FindingCode.DROPS_ANSWER,
        FindingCode.DROPS_SYSTEM,
        FindingCode.DROPS_MESSAGE,
        FindingCode.DROPS_REASONING,
        FindingCode.DROPS_HISTORY_REASONING,
        FindingCode.DROPS_TOOL_CALLS,
        FindingCode.DROPS_TOOLS,
    ),
    "what the style prints differently": (
        FindingCode.REWRITES_REASONING,
        FindingCode.TRIMS_CONTENT,
        FindingCode.REWRITES_CONTENT,
        FindingCode.REPEATS_CONTENT,
        FindingCode.REORDERS_CONTENT,
        FindingCode.MERGES_ROLES,
        FindingCode.PRINTS_REPR,
        FindingCode.PRINTS_PARTS,
        FindingCode.PRINTS_UNDEFINED,
    ),
    "what raises an error": (
        FindingCode.REFUSES_CONVERSATION,
        FindingCode.REFUSES_ROLE,
        FindingCode.REFUSES_TOOL_CALLS,
        FindingCode.OVER_LIMIT,
    ),
    "what the style adds": (
        FindingCode.WRITES_BOS,
        FindingCode.DEFAULT_SYSTEM,
        FindingCode.DEPENDS_ON_DATE,
        FindingCode.UNSTABLE,
    ),
    "the source of the template": (
        FindingCode.CONTENT_BRANCH,
        FindingCode.CONTENT_REPLACED,
        FindingCode.CONTENT_CUT,
        FindingCode.CONTENT_LOOKED_UP,
        FindingCode.LENGTH_BRANCH,
        FindingCode.UNKNOWN_FIELD,
        FindingCode.HIDDEN_CHARACTERS,
    ),
}
"""The codes by subject."""


@dataclass(frozen=True)
class StyleFinding:
    """One finding about a style.

    Attributes:
        code: the kind of finding, as a word that programs can count.
        message: a sentence that describes it; text from the template is escaped.
        line: the line of the chat template, if it is known.
        role: the role of the message concerned.
        field: the field of the message concerned.
    """

    code: FindingCode
    message: str
    line: int | None = None
    role: str | None = None
    field: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain data, without absent values."""
        facts = {name: fact for name, fact in asdict(self).items() if fact is not None}
        return {**facts, "code": str(self.code)}

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.message} [{self.code}]"
