"""OpenRLHF's prompts and answers: two columns of messages, or prompts with a reference answer for reward functions.

Source: OpenRLHF's README (Apache-2.0), options input_key, output_key and label_key. `TRL-implicit-messages` reads its
pairs.
"""

from preftemplates import Message, PromptOnly, RowModel, Supervised, Template, messages, register_template


@register_template("OpenRLHF", style="chatml", dialect="openrlhf")
class OpenRLHF(Template):
    """OpenRLHF's `input` of messages, with an `output` to train on, or with a `label` for a reward function."""

    class Row(RowModel):
        input: list[Message]
        output: list[Message]
        label: str | None = None

    supervised = Supervised(prompt=messages("{{ input }}"), completion=messages("{{ output }}"))
    prompt_only = PromptOnly(prompt=messages("{{ input }}"), answer="{{ label }}")
    licence = "Apache-2.0"
    example = {
        "input": [{"role": "user", "content": "Two and three?"}],
        "output": [{"role": "assistant", "content": "Five."}],
        "label": "5",
    }
