"""Open Instruct's annotation jobs: an instruction and several answers that are still to be rated.

Source: Open Instruct's own example files (Apache-2.0). A job has no rating, so that none of its answers is known to be
one to learn from: it gives its instruction alone. Its `text` is the question to the judge, not the instruction.
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
