"""OffsetBias: an instruction, two outputs, and the number of the better one.

Source: NCSOFT/offsetbias (BSD-3-Clause).
"""

from preftemplates import Index12, Preference, RowModel, Template, register_template


@register_template("OffsetBias", style="chatml", dialect="trl")
class OffsetBias(Template):
    """OffsetBias: pairs whose worse output is tempting. The label is 1 or 2, the number of the better output."""

    class Row(RowModel):
        instruction: str
        output_1: str
        output_2: str
        label: Index12

    preference = Preference(
        prompt="{{ instruction }}",
        chosen="{{ [output_1, output_2][label - 1] }}",
        rejected="{{ [output_1, output_2][2 - label] }}",
    )
    dataset = "NCSOFT/offsetbias"
    licence = "BSD-3-Clause"
    example = {
        "instruction": "How deep do I sow carrots?",
        "output_1": "A metre deep, as every good gardener knows, for the deeper the seed, the longer the carrot.",
        "output_2": "A centimetre.",
        "label": 2,
    }
