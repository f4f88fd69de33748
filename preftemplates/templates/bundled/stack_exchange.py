"""Stack Exchange, paired: a question and two answers, of which the first has more votes.

Source: lvwerra/stack-exchange-paired (the texts are CC-BY-SA). `response_j` is the better answer. Texts may contain
HTML, which stays unchanged.
"""

from preftemplates import Preference, RowModel, Template, register_template


@register_template("StackExchange-paired", style="chatml", dialect="trl")
class StackExchangePaired(Template):
    """Stack Exchange, paired: a question, the better answer j and the worse answer k."""

    class Row(RowModel):
        question: str
        response_j: str
        response_k: str

    preference = Preference(prompt="{{ question }}", chosen="{{ response_j }}", rejected="{{ response_k }}")
    dataset = "lvwerra/stack-exchange-paired"
    licence = "CC-BY-SA"
    verified = True
    example = {
        "question": "How do I sort a list of names without regard to case?",
        "response_j": "Sort by a key: `sorted(names, key=str.casefold)`.",
        "response_k": "Write the names in small letters first.",
    }
