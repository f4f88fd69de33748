"""Findings: the surprising behaviours of a style, with one code each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from preftemplates.errors import CodeWithMeaning


class FindingCode(CodeWithMeaning):
    """A behaviour of a style that a person should know about before training with it."""

    # prompt and answer
    PREFIX_UNSTABLE = "prefix_unstable", "The text of a prompt does not open the text of the prompt with its answer."
    NO_GENERATION_PROMPT = "no_generation_prompt", "A prompt ends before the assistant's turn is opened."
    NO_STOP = "no_stop", "Nothing stands behind the last answer, so a model cannot learn where to end."
    UNEVEN_STOP = "uneven_stop", "An answer in the middle does not end as the last one does."
    SAME_TEXT = "same_text", "Two different answers give the same text."

    # what is not printed
    DROPS_ANSWER = "drops_answer", "An answer is not printed."
    DROPS_SYSTEM = "drops_system", "The system message is not printed, and nothing says so."
    DROPS_MESSAGE = "drops_message", "A message of another role is not printed, and nothing says so."
    DROPS_REASONING = "drops_reasoning", "The thinking of the last answer is not printed."
    DROPS_HISTORY_REASONING = "drops_history_reasoning", "The thinking of an earlier answer is not printed."
    DROPS_TOOL_CALLS = "drops_tool_calls", "A tool call is not printed."
    DROPS_TOOLS = "drops_tools", "The tools that a conversation offers are not printed."

    # what is printed otherwise
    REWRITES_REASONING = "rewrites_reasoning", "The thinking of the last answer is printed in other tags or blanks."
    TRIMS_CONTENT = "trims_content", "Blanks at the ends of a content are not printed."
    REWRITES_CONTENT = "rewrites_content", "A content is printed in other characters, or in part."
    REPEATS_CONTENT = "repeats_content", "A content is printed more than once."
    REORDERS_CONTENT = "reorders_content", "Contents are not printed in the order of the messages."
    MERGES_ROLES = "merges_roles", "A message is printed exactly as a part of another role's turn would be."
    PRINTS_REPR = "prints_repr", "A value is printed as Python shows it: a mapping, None, or a method's address."
    PRINTS_PARTS = "prints_parts", "Typed parts of a content are printed as Python shows a list."
    PRINTS_UNDEFINED = "prints_undefined", "An everyday conversation would print a value that is not defined."

    # what is rejected
    REFUSES_CONVERSATION = "refuses_conversation", "An everyday conversation raises an error."
    REFUSES_ROLE = "refuses_role", "A message of this role raises an error."
    REFUSES_TOOL_CALLS = "refuses_tool_calls", "A tool call raises an error."
    OVER_LIMIT = "over_limit", "An everyday conversation needs more time or memory than the limits allow."

    # the style's own words
    WRITES_BOS = "writes_bos", "The style writes the BOS token, so a tokenizer must not add another."
    DEFAULT_SYSTEM = "default_system", "Where there is no system message, the style writes words of its own."
    DEPENDS_ON_DATE = "depends_on_date", "The text is another one on another day."
    UNSTABLE = "unstable", "Rendered twice, one conversation gives two texts."

    # the template's source
    CONTENT_BRANCH = "content_branch", "What the style writes depends on words in a content."
    CONTENT_REPLACED = "content_replaced", "Words of a content are replaced by others."
    CONTENT_CUT = "content_cut", "A content is cut at words or places that the template names."
    CONTENT_LOOKED_UP = "content_looked_up", "A content is looked up in a table, and may be printed as another one."
    LENGTH_BRANCH = (
        "length_branch",
        "What the style writes depends on the length of a content, or on the number of messages.",
    )
    UNKNOWN_FIELD = "unknown_field", "A field of a message is read that no message has."
    HIDDEN_CHARACTERS = "hidden_characters", "The template holds characters that do not show, or look like others."


FINDING_GROUPS: dict[str, tuple[FindingCode, ...]] = {
    "prompt and answer": (
        FindingCode.PREFIX_UNSTABLE,
        FindingCode.NO_GENERATION_PROMPT,
        FindingCode.NO_STOP,
        FindingCode.UNEVEN_STOP,
        FindingCode.SAME_TEXT,
    ),
    "what is not printed": (
        FindingCode.DROPS_ANSWER,
        FindingCode.DROPS_SYSTEM,
        FindingCode.DROPS_MESSAGE,
        FindingCode.DROPS_REASONING,
        FindingCode.DROPS_HISTORY_REASONING,
        FindingCode.DROPS_TOOL_CALLS,
        FindingCode.DROPS_TOOLS,
    ),
    "what is printed otherwise": (
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
    "what is refused": (
        FindingCode.REFUSES_CONVERSATION,
        FindingCode.REFUSES_ROLE,
        FindingCode.REFUSES_TOOL_CALLS,
        FindingCode.OVER_LIMIT,
    ),
    "the style's own words": (
        FindingCode.WRITES_BOS,
        FindingCode.DEFAULT_SYSTEM,
        FindingCode.DEPENDS_ON_DATE,
        FindingCode.UNSTABLE,
    ),
    "the template's source": (
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
