"""HelpSteer: answers with five ratings, and pairs with the strength of the preference.

Sources: nvidia/HelpSteer, nvidia/HelpSteer2 and nvidia/HelpSteer3 (CC-BY-4.0). A strength is negative if the first
answer is better, and 0 is a tie. A prompt of HelpSteer2 may hold several turns, which begin with
`<extra_id_1>Assistant` and `<extra_id_1>User`.
"""

from pydantic import Field

from preftemplates import (
    Message,
    Preference,
    Ranked,
    RowModel,
    Scored,
    Strength,
    Template,
    messages,
    register_template,
)

ATTRIBUTES = (
    "{{ {'helpfulness': helpfulness, 'correctness': correctness, 'coherence': coherence,"
    " 'complexity': complexity, 'verbosity': verbosity} }}"
)


class RatedRow(RowModel):
    prompt: str
    response: str
    helpfulness: int = Field(ge=0, le=4)
    correctness: int = Field(ge=0, le=4)
    coherence: int = Field(ge=0, le=4)
    complexity: int = Field(ge=0, le=4)
    verbosity: int = Field(ge=0, le=4)


@register_template("HelpSteer", style="chatml", dialect="trl")
class HelpSteer(Template):
    """HelpSteer: an answer with five ratings from 0 to 4; the score is its helpfulness."""

    Row = RatedRow
    scored = Scored(
        prompt="{{ prompt }}", completion="{{ response }}", score="{{ helpfulness }}", attributes=ATTRIBUTES
    )
    dataset = "nvidia/HelpSteer"
    licence = "CC-BY-4.0"
    example = {
        "prompt": "How do I sharpen a garden spade?",
        "response": "Clamp it, and draw a flat file along the bevel until the edge is bright.",
        "helpfulness": 4,
        "correctness": 3,
        "coherence": 4,
        "complexity": 1,
        "verbosity": 0,
    }


@register_template("HelpSteer2", style="chatml", dialect="trl")
class HelpSteer2(Template):
    """HelpSteer2: an answer with five ratings from 0 to 4; two rows share a prompt, which may have several turns."""

    Row = RatedRow
    scored = Scored(
        prompt=messages("{{ prompt | extra_id_turns }}"),
        completion="{{ response }}",
        score="{{ helpfulness }}",
        attributes=ATTRIBUTES,
    )
    dataset = "nvidia/HelpSteer2"
    licence = "CC-BY-4.0"
    example = {
        "prompt": "Do tulips need sun?\n<extra_id_1>Assistant\nYes, half a day.\n<extra_id_1>User\nAnd water?",
        "response": "Little, as long as the bulbs are not in leaf.",
        "helpfulness": 3,
        "correctness": 4,
        "coherence": 4,
        "complexity": 2,
        "verbosity": 1,
    }


@register_template("HelpSteer-grouped", style="chatml", dialect="trl")
class HelpSteerGrouped(Template):
    """HelpSteer and HelpSteer2 with the rows of a prompt grouped (`--group-by prompt`) and ranked by helpfulness."""

    class Row(RowModel):
        prompt: str
        rows: list[RatedRow]

    ranked = Ranked(
        prompt=messages("{{ prompt | extra_id_turns }}"),
        completions="{{ rows | map(attribute='response') | list }}",
        ranks="{{ rows | map(attribute='helpfulness') | list | ranks }}",
        scores="{{ rows | map(attribute='helpfulness') | list | numbers }}",
    )
    ties = "drop"
    dataset = "nvidia/HelpSteer2"
    licence = "CC-BY-4.0"
    example = {
        "prompt": HelpSteer2.example["prompt"],
        "rows": [
            {**HelpSteer2.example, "response": "Water them every day.", "helpfulness": 1},
            HelpSteer2.example,
        ],
    }


@register_template("HelpSteer2-preference", style="chatml", dialect="trl")
class HelpSteer2Preference(Template):
    """HelpSteer2's preferences: two answers, and a strength from -3 (the first is better) to 3 (the second is better).

    The names of the columns are not confirmed by the dataset itself.
    """

    class Row(RowModel):
        prompt: str
        response_1: str
        response_2: str
        preference_strength: Strength

    preference = Preference(
        prompt=messages("{{ prompt | extra_id_turns }}"),
        chosen="{{ ([response_1, response_2] | better_first(preference_strength))[0] }}",
        rejected="{{ ([response_1, response_2] | better_first(preference_strength))[1] }}",
        margin="{{ preference_strength | abs * 1.0 }}",
    )
    ties = "drop"
    dataset = "nvidia/HelpSteer2"
    licence = "CC-BY-4.0"
    example = {
        "prompt": "May I prune roses in spring?",
        "response_1": "No idea.",
        "response_2": "Yes, when the forsythia is in flower.",
        "preference_strength": 2,
    }


@register_template("HelpSteer3", style="chatml", dialect="trl")
class HelpSteer3(Template):
    """HelpSteer3's preferences: a text or messages, two answers, and a strength from -3 (the first is better) to 3."""

    class Row(RowModel):
        context: str | list[Message]
        response1: str
        response2: str
        overall_preference: Strength

    preference = Preference(
        prompt=messages("{{ context | text_or_messages }}"),
        chosen="{{ ([response1, response2] | better_first(overall_preference))[0] }}",
        rejected="{{ ([response1, response2] | better_first(overall_preference))[1] }}",
        margin="{{ overall_preference | abs * 1.0 }}",
    )
    ties = "drop"
    dataset = "nvidia/HelpSteer3"
    licence = "CC-BY-4.0"
    example = {
        "context": [
            {"role": "user", "content": "My dough does not rise."},
            {"role": "assistant", "content": "How warm is the kitchen?"},
            {"role": "user", "content": "Sixteen degrees."},
        ],
        "response1": "Let it stand overnight, or beside the stove.",
        "response2": "Throw it away.",
        "overall_preference": -3,
    }
