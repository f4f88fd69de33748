"""Alpaca: an instruction, an input that may be empty, and the output.

Source: tatsu-lab/alpaca (CC-BY-NC-4.0). The input follows the instruction after a blank line. If it is empty, the
prompt is the instruction alone. The dataset's own `text` column is not read.
"""

from preftemplates import RowModel, Supervised, Template, register_template


@register_template("Alpaca", style="chatml", dialect="trl")
class Alpaca(Template):
    class Row(RowModel):
        instruction: str
        input: str | None = None
        output: str

    supervised = Supervised(
        prompt="{{ instruction ~ '\n\n' ~ input if input else instruction }}", completion="{{ output }}"
    )
    dataset = "tatsu-lab/alpaca"
    licence = "CC-BY-NC-4.0"
    example = {"instruction": "Name the season.", "input": "Snow falls.", "output": "Winter."}
