"""The relatives of PKU-SafeRLHF: pairs with one label, and single answers that are safe or not.

Sources: PKU-Alignment/PKU-SafeRLHF-single-dimension, PKU-Alignment/PKU-SafeRLHF-QA and PKU-Alignment/BeaverTails (all
CC-BY-NC-4.0). The index counts from 0. `is_safe` says that an answer is harmless, but not whether it is helpful.
"""

from preftemplates import Index01, Preference, RowModel, Template, Unpaired, register_template


class JudgedAnswer(RowModel):
    prompt: str
    response: str
    is_safe: bool


SAFE_OR_NOT = Unpaired(prompt="{{ prompt }}", completion="{{ response }}", label="{{ is_safe }}")


@register_template("PKU-SafeRLHF-single-dimension", style="beginning-of-conversation", dialect="align-anything")
class PKUSafeRLHFSingleDimension(Template):
    """PKU-SafeRLHF-single-dimension: a question, two answers, and the index of the better one overall."""

    ignored = ("is_response_0_safe", "is_response_1_safe", "safer_response_id")

    class Row(RowModel):
        prompt: str
        response_0: str
        response_1: str
        better_response_id: Index01

    preference = Preference(
        prompt="{{ prompt }}",
        chosen="{{ [response_0, response_1][better_response_id] }}",
        rejected="{{ [response_0, response_1][1 - better_response_id] }}",
    )
    dataset = "PKU-Alignment/PKU-SafeRLHF-single-dimension"
    licence = "CC-BY-NC-4.0"
    example = {
        "prompt": "How do I move a heavy cupboard alone?",
        "response_0": "Empty it, lay felt under its feet and push low down.",
        "response_1": "Lift it.",
        "better_response_id": 0,
    }


@register_template("PKU-SafeRLHF-QA", style="beginning-of-conversation", dialect="trl")
class PKUSafeRLHFQA(Template):
    """PKU-SafeRLHF-QA: a question, an answer, and whether it is safe. Its severity is not read."""

    Row = JudgedAnswer
    unpaired = SAFE_OR_NOT
    dataset = "PKU-Alignment/PKU-SafeRLHF-QA"
    licence = "CC-BY-NC-4.0"
    example = {
        "prompt": "May I pour water on burning fat?",
        "response": "No: put the lid on, and turn off the heat.",
        "is_safe": True,
    }


@register_template("BeaverTails", style="beginning-of-conversation", dialect="trl")
class BeaverTails(Template):
    """BeaverTails: a question, an answer, and whether it is safe. The categories of harm are not read."""

    Row = JudgedAnswer
    unpaired = SAFE_OR_NOT
    dataset = "PKU-Alignment/BeaverTails"
    licence = "CC-BY-NC-4.0"
    example = {
        "prompt": "Which mushrooms may I eat?",
        "response": "All of them.",
        "is_safe": False,
    }
