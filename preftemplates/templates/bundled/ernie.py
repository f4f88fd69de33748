"""ERNIE's layouts: what a user asked and what was answered in two lists, and answers with a number for each.

Source: ERNIEKit's documentation, "Data format" (Apache-2.0). Of the numbers under `sort` a higher one is better.
"""

from preftemplates import Ranked, RowModel, Supervised, Template, messages, register_template

SYSTEM = messages("{{ [{'role': 'system', 'content': system}] if system else [] }}")


class Turns(RowModel):
    system: str | None = None
    src: list[str]
    tgt: list[str]


@register_template("ERNIE", style="ernie4.5", dialect="trl")
class ERNIE(Template):
    """ERNIEKit's rows of preferences: turns, and answers under `response`, whose numbers are under `sort`."""

    class Row(Turns):
        response: list[list[str]]
        sort: list[float]

    ranked = Ranked(
        prompt=[SYSTEM, messages("{{ src | turn_by_turn(tgt) }}")],
        completions="{{ response | map('answer_turns') | list }}",
        ranks="{{ sort | ranks }}",
        scores="{{ sort }}",
    )
    licence = "Apache-2.0"
    example = {
        "src": ["Hi", "And sage?"],
        "tgt": ["Hello."],
        "response": [["Water it daily."], ["Sage likes sun."]],
        "sort": [0, 1],
    }


@register_template("ERNIE-sft", style="ernie4.5", dialect="trl")
class ERNIESft(Template):
    """ERNIEKit's conversations: the last answer under `tgt` is learnt."""

    Row = Turns
    supervised = Supervised(
        prompt=[SYSTEM, messages("{{ src | turn_by_turn(tgt[:-1]) }}")], completion="{{ tgt | last }}"
    )
    licence = "Apache-2.0"
    example = {"src": ["Hi", "And sage?"], "tgt": ["Hello.", "Sage likes sun."]}
