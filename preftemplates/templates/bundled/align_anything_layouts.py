"""align-anything's own layouts: whole texts, or whole conversations as messages, one per side of a pair.

Source: align-anything's documentation on datasets (Apache-2.0), and the homework's keys. Texts are not cut, since the
characters that two answers share are not a prompt. Messages are cut at whole turns. The media of a prompt are next to
the conversations, in which each place is also a typed part.
"""

from typing import Any

from preftemplates import Message, Preference, PromptOnly, RowModel, Supervised, Template, messages, register_template

BETTER = "(better_conversation | show_media(image, video, audios))"
WORSE = "(worse_conversation | show_media(image, video, audios))"


@register_template("align-anything-text", style="plain", dialect="align-anything")
class AlignAnythingText(Template):
    """Whole texts in `better_text` and `worse_text`, or in `text` next to the `prompt` that it begins with."""

    class Row(RowModel):
        better_text: str
        worse_text: str
        text: str
        prompt: str

    preference = Preference(prompt=[], chosen="{{ better_text }}", rejected="{{ worse_text }}")
    supervised = Supervised(prompt="{{ prompt }}", completion="{{ text | cut_prompt(prompt) }}")
    licence = "Apache-2.0"
    example = {
        "better_text": "Two and two? Four.",
        "worse_text": "Two and two? Five.",
        "text": "Two and two? Four.",
        "prompt": "Two and two?",
    }


@register_template("align-anything-prompts", style="plain", dialect="align-anything")
class AlignAnythingPrompts(Template):
    """Prompts as whole texts, in the column `text`."""

    class Row(RowModel):
        text: str

    prompt_only = PromptOnly(prompt="{{ text }}")
    licence = "Apache-2.0"
    example = {"text": "Two and two?"}


@register_template("align-anything-messages", style="chatml", dialect="align-anything-messages")
class AlignAnythingMessages(Template):
    """Whole conversations in `better_conversation` and `worse_conversation`, or in `conversation`.

    The answers are repeated next to the conversations, as texts whose tokens align-anything counts.
    """

    ignored = ("better_response", "worse_response")

    class Row(RowModel):
        better_conversation: list[Message]
        worse_conversation: list[Message]
        conversation: list[Message]
        image: Any = None
        video: Any = None
        audios: Any = None

    preference = Preference(
        prompt=messages(f"{{{{ {BETTER} | common_history({WORSE}) }}}}"),
        chosen=messages(f"{{{{ {BETTER} | after_history({WORSE}) }}}}"),
        rejected=messages(f"{{{{ {WORSE} | after_history({BETTER}) }}}}"),
    )
    supervised = Supervised(
        prompt=messages("{{ (conversation | show_media(image, video, audios) | answered)[:-1] }}"),
        completion=messages("{{ (conversation | show_media(image, video, audios) | answered)[-1:] }}"),
    )
    prompt_only = PromptOnly(prompt=messages("{{ conversation | show_media(image, video, audios) | asking }}"))
    licence = "Apache-2.0"
    example = {
        "better_conversation": [
            {"role": "user", "content": "Which herb likes shade?"},
            {"role": "assistant", "content": "Mint does."},
        ],
        "worse_conversation": [
            {"role": "user", "content": "Which herb likes shade?"},
            {"role": "assistant", "content": "None."},
        ],
        "conversation": [
            {"role": "user", "content": "Which herb likes shade?"},
            {"role": "assistant", "content": "Mint does."},
        ],
    }
