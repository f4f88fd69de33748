"""OpenAI's preference rows: an input of messages with tools, a preferred output and a non-preferred one.

Source: OpenAI's API reference on the rows of fine-tuning files. `Messages` reads its conversations and prompts.
"""

from typing import Any

from preftemplates import Message, Preference, RowModel, Template, messages, register_template


class Input(RowModel):
    messages: list[Message]
    tools: list[dict[str, Any]] | None = None


@register_template("OpenAI-preference", style="chatml", dialect="openai")
class OpenAIPreference(Template):
    """OpenAI's `input`, with the messages of `preferred_output` and `non_preferred_output`."""

    ignored = ("input.parallel_tool_calls",)

    class Row(RowModel):
        input: Input
        preferred_output: list[Message]
        non_preferred_output: list[Message]

    preference = Preference(
        prompt=messages("{{ input.messages }}"),
        chosen=messages("{{ preferred_output }}"),
        rejected=messages("{{ non_preferred_output }}"),
        tools="{{ input.tools | tool_list }}",
    )
    example = {
        "input": {"messages": [{"role": "user", "content": "Which herb likes shade?"}]},
        "preferred_output": [{"role": "assistant", "content": "Mint does."}],
        "non_preferred_output": [{"role": "assistant", "content": "None."}],
    }
