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
    """PRM800K: a problem, and for each step of a solution rated candidates, of which one may be chosen.

    A row gives a sample for each candidate that was rated and not chosen, behind the chosen steps before it, and one
    for the chosen steps. At a step without a chosen candidate the step that a person wrote stands in its place, and
    is right. Where there is none either the solution ends; if candidates were rated there, each of them ends a sample,
    and the chosen steps alone, all of which these samples hold, are none. A candidate without a rating is left out,
    and refused if it was chosen.

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
    """Math-Shepherd: a question and steps in one text, a mark behind each step, and a second text with the verdicts.

    The second text is the first with + (right) or - where the marks are; a row in which it is not is refused. So is
    one whose text does not hold "Step 1:" once before the first mark: the question would end nowhere.
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
