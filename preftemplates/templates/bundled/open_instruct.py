"""Open Instruct's annotation jobs: an instruction and several answers that have not been rated yet.

Source: Open Instruct's own example files (Apache-2.0). Without ratings, none of the answers is known to be good, so a
job gives only its instruction. Its `text` is the question to the judge, not the instruction.
"""

from preftemplates import PromptOnly, RowModel, Template, register_template


@register_template("OpenInstruct-annotation", style="chatml", dialect="trl")
class OpenInstructAnnotation(Template):
    """Open Instruct's annotation jobs, of which only the instruction is read."""

    ignored = ("completions",)

    class Row(RowModel):
        raw_text: str

    prompt_only = PromptOnly(prompt="{{ raw_text }}")
    licence = "Apache-2.0"
    verified = True
    example = {"raw_text": "Name five trees that grow by a river."}
