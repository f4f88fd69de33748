"""ColossalChat's own layouts: pairs, single answers with a label, and whole conversations.

Source: the rows with which ColossalAI tests its chat application (Apache-2.0). A turn has the keys `from` and
`content`; a speaker is "user", "human" or "assistant".
"""

from pydantic import Field

from preftemplates import Preference, RowModel, Supervised, Template, Unpaired, messages, register_template


class Turn(RowModel):
    from_: str = Field(alias="from")
    content: str


@register_template("ColossalChat-dpo", style="chatml", dialect="trl")
class ColossalChatDPO(Template):
    """ColossalChat's pairs: the turns before the answer, and the turns of a chosen and a rejected answer."""

    class Row(RowModel):
        context: list[Turn]
        chosen: list[Turn]
        rejected: list[Turn]

    preference = Preference(
        prompt=messages("{{ context | colossalchat_turns }}"),
        chosen=messages("{{ chosen | colossalchat_turns }}"),
        rejected=messages("{{ rejected | colossalchat_turns }}"),
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "context": [
            {"from": "user", "content": "My sourdough smells of vinegar. I fed it last week."},
        ],
        "chosen": [{"from": "assistant", "content": "Feed it twice a day for three days; the smell will go."}],
        "rejected": [{"from": "assistant", "content": "Add sugar."}],
    }


@register_template("ColossalChat-kto", style="chatml", dialect="trl")
class ColossalChatKTO(Template):
    """ColossalChat's single answers: the turns before it, one turn with the answer, and whether it is good."""

    class Row(RowModel):
        prompt: list[Turn]
        completion: Turn
        label: bool

    unpaired = Unpaired(
        prompt=messages("{{ prompt | colossalchat_turns }}"),
        completion=messages("{{ [completion] | colossalchat_turns }}"),
        label="{{ label }}",
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "prompt": [{"from": "user", "content": "When is rhubarb over?"}],
        "completion": {"from": "assistant", "content": "At midsummer."},
        "label": True,
    }


@register_template("ColossalChat-sft", style="chatml", dialect="trl")
class ColossalChatSFT(Template):
    """ColossalChat's conversations: the last answer is the completion, and the turns before it are the prompt.

    A conversation that does not end with an answer is rejected.
    """

    class Row(RowModel):
        messages: list[Turn]

    supervised = Supervised(
        prompt=messages("{{ (messages | colossalchat_turns | answered)[:-1] }}"),
        completion=messages("{{ (messages | colossalchat_turns | answered)[-1:] }}"),
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "messages": [
            {"from": "user", "content": "Which berries ripen first?"},
            {"from": "assistant", "content": "Strawberries, in June."},
            {"from": "user", "content": "And last?"},
            {"from": "assistant", "content": "Sloes, after the first frost."},
        ]
    }
