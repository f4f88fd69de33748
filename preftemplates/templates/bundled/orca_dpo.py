"""Orca pairs: a system text that may be empty, a question, a chosen and a rejected answer.

Sources: Intel/orca_dpo_pairs and argilla/distilabel-intel-orca-dpo-pairs (both Apache-2.0). An empty system text adds
no turn.
"""

from typing import Literal

from preftemplates import Preference, RowModel, Template, messages, register_template

SYSTEM = messages("{{ [{'role': 'system', 'content': system}] if system else [] }}")


@register_template("Orca-DPO", style="chatml", dialect="trl")
class OrcaDPO(Template):
    """Orca pairs as Intel published them."""

    class Row(RowModel):
        system: str | None = None
        question: str
        chosen: str
        rejected: str

    preference = Preference(prompt=[SYSTEM, "{{ question }}"], chosen="{{ chosen }}", rejected="{{ rejected }}")
    dataset = "Intel/orca_dpo_pairs"
    licence = "Apache-2.0"
    example = {
        "system": "Answer in one sentence.",
        "question": "Why does bread rise?",
        "chosen": "Yeast makes gas, and the dough holds it.",
        "rejected": "It does not.",
    }


@register_template("Orca-DPO-distilabel", style="chatml", dialect="trl")
class OrcaDPODistilabel(Template):
    """Orca pairs that were rated again: a status says if the sides were left, exchanged or found equally good.

    The values of status are not confirmed by a source. A row with the status "tie" has the probability one half. The
    other values do not say how certain they are, and have 1. "swapped" means that chosen and rejected are already
    exchanged.
    """

    class Row(RowModel):
        system: str | None = None
        input: str
        chosen: str
        rejected: str
        status: Literal["unchanged", "swapped", "tie"]

    preference = Preference(
        prompt=[SYSTEM, "{{ input }}"],
        chosen="{{ chosen }}",
        rejected="{{ rejected }}",
        probability="{{ 0.5 if status == 'tie' else 1.0 }}",
    )
    ties = "drop"
    dataset = "argilla/distilabel-intel-orca-dpo-pairs"
    licence = "Apache-2.0"
    example = {
        "system": "",
        "input": "Name two root vegetables.",
        "chosen": "Carrots and parsnips.",
        "rejected": "Leeks.",
        "status": "unchanged",
    }
