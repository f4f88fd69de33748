"""Chatbot arena: the conversations of two models about the same thing, and which of them a visitor preferred.

Sources: lmsys/chatbot_arena_conversations and lmarena-ai/arena-human-preference-140k (licences unknown: prompts and
answers come under different terms). A vote says who won, but not by how much: the winner's probability is 1, and one
half for a tie. Visitors may ask further questions, which then follow different answers. Such rows have no common
prompt and are rejected.
"""

from typing import Literal

from preftemplates import Message, Preference, RowModel, Template, messages, register_template

PROBABILITY = "{{ 1.0 if winner in ('model_a', 'model_b') else 0.5 }}"


@register_template("Arena-conversations", style="chatml", dialect="trl")
class ArenaConversations(Template):
    """Arena conversations: the winner is model_a, model_b, tie or tie (bothbad)."""

    ignored = ("turn",)

    class Row(RowModel):
        winner: Literal["model_a", "model_b", "tie", "tie (bothbad)"]
        conversation_a: list[Message]
        conversation_b: list[Message]

    preference = Preference(
        prompt=messages("{{ conversation_a | answered | before_last_answer(conversation_b | answered) }}"),
        chosen=messages("{{ ((conversation_b if winner == 'model_b' else conversation_a) | answered)[-1:] }}"),
        rejected=messages("{{ ((conversation_a if winner == 'model_b' else conversation_b) | answered)[-1:] }}"),
        probability=PROBABILITY,
    )
    ties = "drop"
    dataset = "lmsys/chatbot_arena_conversations"
    licence = "unknown"
    example = {
        "winner": "model_b",
        "conversation_a": [
            {"role": "user", "content": "What rhymes with thyme?"},
            {"role": "assistant", "content": "Parsley."},
        ],
        "conversation_b": [
            {"role": "user", "content": "What rhymes with thyme?"},
            {"role": "assistant", "content": "Time, lime, climb."},
        ],
    }


@register_template("Arena-140k", style="chatml", dialect="trl")
class Arena140k(Template):
    """Arena's 140k votes, in which a content is a list of typed parts.

    A content of one text part becomes that text. Other contents, with several parts or an image, stay lists, which
    styles that write only text reject. The fourth vote is spelled both_bad or tie (bothbad).
    """

    ignored = ("full_conversation",)

    class Row(RowModel):
        winner: Literal["model_a", "model_b", "tie", "tie (bothbad)", "both_bad"]
        conversation_a: list[Message]
        conversation_b: list[Message]

    preference = Preference(
        prompt=messages(
            "{{ conversation_a | lone_texts | answered | before_last_answer(conversation_b | lone_texts | answered) }}"
        ),
        chosen=messages(
            "{{ ((conversation_b if winner == 'model_b' else conversation_a) | lone_texts | answered)[-1:] }}"
        ),
        rejected=messages(
            "{{ ((conversation_a if winner == 'model_b' else conversation_b) | lone_texts | answered)[-1:] }}"
        ),
        probability=PROBABILITY,
    )
    ties = "drop"
    dataset = "lmarena-ai/arena-human-preference-140k"
    licence = "unknown"
    example = {
        "winner": "model_a",
        "conversation_a": [
            {"role": "user", "content": [{"type": "text", "text": "Name a bird that walks down trees."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "The nuthatch."}]},
        ],
        "conversation_b": [
            {"role": "user", "content": [{"type": "text", "text": "Name a bird that walks down trees."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "The hen."}]},
        ],
    }
