"""ERNIE's layouts: questions and answers in two lists, and responses with a number for each.

Source: ERNIEKit's documentation, "Data format" (Apache-2.0). A higher number in `sort` is better.
"""

from preftemplates import Ranked, RowModel, Supervised, Template, messages, register_template

SYSTEM = messages("{{ [{'role': 'system', 'content': system}] if system else [] }}")


class Turns(RowModel):
    system: str | None = None
    src: list[str]
    tgt: list[str]


@register_template("ERNIE", style="ernie4.5", dialect="trl")
class ERNIE(Template):
    """ERNIEKit's preferences: turns, and answers in `response` with a number for each in `sort`."""

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
    """ERNIEKit's conversations: the last answer in `tgt` is the completion."""

    Row = Turns
    supervised = Supervised(
        prompt=[SYSTEM, messages("{{ src | turn_by_turn(tgt[:-1]) }}")], completion="{{ tgt | last }}"
    )
    licence = "Apache-2.0"
    example = {"src": ["Hi", "And sage?"], "tgt": ["Hello.", "Sage likes sun."]}
