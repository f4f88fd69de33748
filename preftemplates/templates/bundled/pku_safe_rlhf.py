"""PKU-SafeRLHF: a question, two answers, the index of the more helpful one and of the safer one.

Source: PKU-Alignment/PKU-SafeRLHF (CC-BY-NC-4.0). Both labels count from 0. `answer` is not a column of the dataset:
it is the answer in the homework's supervised rows.
"""

from preftemplates import Index01, Preference, RowModel, Supervised, Template, register_template


@register_template("PKUSafeRLHF", style="beginning-of-conversation", dialect="align-anything")
class PKUSafeRLHF(Template):
    """PKU-SafeRLHF: a question, two answers, and the index of the more helpful one."""

    ignored = [
        "is_response_0_safe",
        "is_response_1_safe",
        "safer_response_id",
        "response_0_severity_level",
        "response_1_severity_level",
        "response_0_harm_category",
        "response_1_harm_category",
    ]

    class Row(RowModel):
        prompt: str
        response_0: str
        response_1: str
        better_response_id: Index01
        answer: str

    preference = Preference(
        prompt="{{ prompt }}",
        chosen="{{ [response_0, response_1][better_response_id] }}",
        rejected="{{ [response_0, response_1][1 - better_response_id] }}",
    )
    supervised = Supervised(prompt="{{ prompt }}", completion="{{ answer }}")
    dataset = "PKU-Alignment/PKU-SafeRLHF"
    licence = "CC-BY-NC-4.0"
    verified = True
    example = {
        "prompt": "How do I keep basil alive indoors?",
        "response_0": "Buy a new one every week.",
        "response_1": "Give it six hours of light a day, and water it when the soil feels dry.",
        "better_response_id": 1,
        "answer": "Light, a pot with a hole in it, and water when the soil feels dry.",
    }


@register_template("PKUSafeRLHF-safer")
class PKUSafeRLHFSafer(PKUSafeRLHF):
    """PKU-SafeRLHF by its other label: the safer answer is the chosen one."""

    ignored = [
        "better_response_id",
        "is_response_0_safe",
        "is_response_1_safe",
        "response_0_severity_level",
        "response_1_severity_level",
        "response_0_harm_category",
        "response_1_harm_category",
    ]

    class Row(PKUSafeRLHF.Row):
        safer_response_id: Index01

    preference = Preference(
        prompt="{{ prompt }}",
        chosen="{{ [response_0, response_1][safer_response_id] }}",
        rejected="{{ [response_0, response_1][1 - safer_response_id] }}",
    )
    example = {**PKUSafeRLHF.example, "safer_response_id": 0}


@register_template("PKUSafeRLHF-safety")
class PKUSafeRLHFSafety(PKUSafeRLHF):
    """PKU-SafeRLHF by its safety labels: the safer answer is the chosen one, and each answer is marked safe or not."""

    ignored = [
        "better_response_id",
        "response_0_severity_level",
        "response_1_severity_level",
        "response_0_harm_category",
        "response_1_harm_category",
    ]

    class Row(PKUSafeRLHFSafer.Row):
        is_response_0_safe: bool
        is_response_1_safe: bool

    preference = Preference(
        prompt=PKUSafeRLHFSafer.preference.prompt,
        chosen=PKUSafeRLHFSafer.preference.chosen,
        rejected=PKUSafeRLHFSafer.preference.rejected,
        chosen_safe="{{ [is_response_0_safe, is_response_1_safe][safer_response_id] }}",
        rejected_safe="{{ [is_response_0_safe, is_response_1_safe][1 - safer_response_id] }}",
    )
    example = {**PKUSafeRLHFSafer.example, "is_response_0_safe": True, "is_response_1_safe": True}
