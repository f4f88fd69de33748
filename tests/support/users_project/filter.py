"""A user's filters: one under its own name, one under another."""

# pyright: strict

from preftemplates import register_filter
from preftemplates.errors import Code, RowError


@register_filter
def first_line(text: str) -> str:
    return text.split("\n")[0]


@register_filter("pick")
def pick_answer(answers: list[str], number: int) -> str:
    if number >= len(answers):
        raise RowError("no such answer", code=Code.BAD_LABEL, value=number)
    return answers[number]
