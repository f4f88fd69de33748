"""RLAIF-V and its relatives: a question about an image, the better and the worse answer.

Source: openbmb/RLAIF-V-Dataset (CC-BY-NC-4.0). The columns with the origin of a row are not read.
"""

from typing import Any

from preftemplates import Preference, RowModel, Template, register_template


@register_template("RLAIF-V", style="chatml", dialect="trl")
class RLAIFV(Template):
    """RLAIF-V: a question about an image, the better answer and the worse one."""

    ignored = ("ds_name", "origin_dataset", "origin_split", "idx", "image_path")

    class Row(RowModel):
        question: str
        image: Any
        chosen: str
        rejected: str

    preference = Preference(
        prompt="{{ question | show_media(image=image) }}", chosen="{{ chosen }}", rejected="{{ rejected }}"
    )
    dataset = "openbmb/RLAIF-V-Dataset"
    licence = "CC-BY-NC-4.0"
    example = {
        "question": "What grows in the pot?",
        "image": "pot.png",
        "chosen": "Basil, with broad and glossy leaves.",
        "rejected": "A tree.",
    }
