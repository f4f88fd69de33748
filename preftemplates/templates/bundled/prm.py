"""Solutions of mathematical problems in steps, each of which is right or wrong.

Sources: PRM800K (openai/prm800k, MIT) and peiyi9979/Math-Shepherd (unknown).
"""

from typing import Annotated

from pydantic import Field

from preftemplates import RowModel, Stepwise, Template, register_template


class Problem(RowModel):
    problem: str


class Candidate(RowModel):
    text: str
    rating: Annotated[int, Field(ge=-1, le=1)] | None = None


class Written(RowModel):
    text: str


class Step(RowModel):
    completions: list[Candidate] | None = None
    human_completion: Written | None = None
    chosen_completion: int | None = None


class Labels(RowModel):
    steps: list[Step]


@register_template("PRM800K", style="chatml", dialect="text")
class PRM800K(Template):
    """PRM800K: a problem, and rated candidates for each step of a solution, of which one may be chosen.

    A row gives one sample for each candidate that was rated but not chosen, after the chosen steps before it, and one
    for the chosen steps. At a step without a chosen candidate, a step written by a person takes its place, and counts
    as right. Without either, the solution ends. If candidates were rated at that step, each of them ends a sample,
    and the chosen steps alone do not give another one, since all these samples contain them. A candidate without a
    rating is left out; if it was chosen, the row is rejected.

    Only the rating 1 is right: 0 (neither wrong nor helpful) counts as wrong, as in TRL's version of the dataset.
    """

    class Row(RowModel):
        question: Problem
        label: Labels

    each = {"solution": "{{ label.steps | rated_solutions }}"}
    stepwise = Stepwise(
        prompt="{{ question.problem }}", completions="{{ solution.steps }}", labels="{{ solution.right }}"
    )
    dataset = "openai/prm800k"
    licence = "MIT"
    example = {
        "question": {"problem": "A bed has 4 rows of 6 leeks. How many leeks are there?"},
        "label": {
            "steps": [
                {"completions": [{"text": "There are 4 rows.", "rating": 0}], "chosen_completion": 0},
                {"completions": [{"text": "So we need 4 times 6.", "rating": 1}], "chosen_completion": 0},
                {"completions": [{"text": "That is 10.", "rating": -1}], "chosen_completion": None},
            ]
        },
    }


@register_template("Math-Shepherd", style="chatml", dialect="text")
class MathShepherd(Template):
    """Math-Shepherd: a question and steps in one text, with a mark after each step, and a second text with the labels.

    The second text is the first one with + (right) or - instead of the marks; otherwise the row is rejected. The
    first text must contain "Step 1:" once before the first mark: without it, the question would have no end.
    """

    class Row(RowModel):
        input: str
        label: str

    stepwise = Stepwise(
        prompt="{{ input | before_first_step }}",
        completions="{{ input | marked_steps }}",
        labels="{{ label | marked_verdicts(input) }}",
    )
    dataset = "peiyi9979/Math-Shepherd"
    licence = "unknown"
    example = {
        "input": "A jar holds 8 plums. Three are eaten. How many are left? Step 1: 8 plums less 3 is 8 - 3. ки\n"
        "Step 2: 8 - 3 = 6. The answer is: 6 ки",
        "label": "A jar holds 8 plums. Three are eaten. How many are left? Step 1: 8 plums less 3 is 8 - 3. +\n"
        "Step 2: 8 - 3 = 6. The answer is: 6 -",
    }
