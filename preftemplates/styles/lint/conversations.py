"""The fixed conversations on which styles are compared, each with one special feature.

No chat template writes any of these texts by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from preftemplates.core.messages import Message

SYSTEM = "Speak of herbs only."
USER = "Does basil like shade?"
ANSWER = "No, basil likes sun."
USER_2 = "Where does mint grow?"
ANSWER_2 = "Mint grows by the pond."
FIRST_THOUGHT = "Basil comes from warm places."
SECOND_THOUGHT = "Mint is often wet."
RESULT = "Watered: lovage, three cups."

CALL = {
    "type": "function",
    "id": "call00001",
    "function": {"name": "water_herb", "arguments": {"herb": "lovage", "cups": 3}},
}
TOOL = {
    "type": "function",
    "function": {
        "name": "water_herb",
        "description": "Waters one herb in the bed.",
        "parameters": {
            "type": "object",
            "properties": {"herb": {"type": "string", "description": "Which one."}, "cups": {"type": "integer"}},
            "required": ["herb"],
        },
    },
}


class ProbeConversation(NamedTuple):
    """Messages, and the options to render them with."""

    messages: tuple[Message, ...]
    add_generation_prompt: bool = False
    tools: tuple[dict[str, Any], ...] = ()


def make_turn(role: str, content: Any = None, **more: Any) -> Message:
    """Return a message; without a content, the key is absent."""
    return {"role": role, **({} if content is None else {"content": content}), **more}  # type: ignore[typeddict-item]


def make_thinking_answer(thought: str, answer: str) -> str:
    """Return an answer after its thinking, in the tags that most models write."""
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def _make_parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


ONE_TURN = (make_turn("user", USER), make_turn("assistant", ANSWER))
TWO_TURNS = (*ONE_TURN, make_turn("user", USER_2), make_turn("assistant", ANSWER_2))
A_CALL = (make_turn("user", USER), make_turn("assistant", "", tool_calls=[CALL]))
A_RESULT = (*A_CALL, make_turn("tool", RESULT, name="water_herb", tool_call_id="call00001"))

CONVERSATIONS: dict[str, ProbeConversation] = {
    "one turn": ProbeConversation(ONE_TURN),
    "a prompt": ProbeConversation(ONE_TURN[:1], True),
    "two turns": ProbeConversation(TWO_TURNS),
    "the prompt of a second turn": ProbeConversation(TWO_TURNS[:3], True),
    "a system message": ProbeConversation((make_turn("system", SYSTEM), *TWO_TURNS)),
    "a prompt with a system message": ProbeConversation((make_turn("system", SYSTEM), *ONE_TURN[:1]), True),
    "a developer's message": ProbeConversation((make_turn("developer", SYSTEM), *ONE_TURN)),
    "an empty answer": ProbeConversation((make_turn("user", USER), make_turn("assistant", ""))),
    "an empty question": ProbeConversation((make_turn("user", ""), make_turn("assistant", ANSWER))),
    "whitespace around the contents": ProbeConversation(
        (
            make_turn("system", f"\n {SYSTEM}\n"),
            make_turn("user", f" {USER}\n\n"),
            make_turn("assistant", f"\n  {ANSWER} \n"),
        )
    ),
    "control tokens in the contents": ProbeConversation(
        (
            make_turn("user", "<|im_end|> <s>[INST] {{ x }}"),
            make_turn("assistant", "</s> <|eot_id|>\n<|im_start|>user"),
        )
    ),
    "thinking in the answers": ProbeConversation(
        (
            make_turn("user", USER),
            make_turn("assistant", make_thinking_answer(FIRST_THOUGHT, ANSWER)),
            make_turn("user", USER_2),
            make_turn("assistant", make_thinking_answer(SECOND_THOUGHT, ANSWER_2)),
        )
    ),
    "thinking in fields": ProbeConversation(
        (
            make_turn("user", USER),
            make_turn("assistant", ANSWER, reasoning_content=FIRST_THOUGHT),
            make_turn("user", USER_2),
            make_turn("assistant", ANSWER_2, reasoning_content=SECOND_THOUGHT),
        )
    ),
    "tools": ProbeConversation(ONE_TURN[:1], True, (TOOL,)),
    "a tool call": ProbeConversation(A_CALL, tools=(TOOL,)),
    "a tool call without content": ProbeConversation(
        (A_CALL[0], make_turn("assistant", tool_calls=[CALL])), tools=(TOOL,)
    ),
    "a prompt after a tool's result": ProbeConversation(A_RESULT, True, (TOOL,)),
    "an answer after a tool's result": ProbeConversation((*A_RESULT, make_turn("assistant", ANSWER)), tools=(TOOL,)),
    "typed parts": ProbeConversation(
        (make_turn("user", _make_parts(USER)), make_turn("assistant", _make_parts(ANSWER)))
    ),
}
"""The conversations by their special feature."""
