"""NeMo-Aligner's layouts: conversations as one text in which `<extra_id_1>` begins a turn, as pairs or with ratings.

Source: NeMo-Aligner's own test data (Apache-2.0). The marks become roles, and an empty system text adds no turn.
"""

from preftemplates import Preference, RowModel, Scored, Template, messages, register_template


@register_template("NeMo-Aligner-dpo", style="chatml", dialect="trl")
class NeMoAlignerDPO(Template):
    """NeMo-Aligner's pairs: a text that ends before the answer, and two answers, which may end with a mark."""

    class Row(RowModel):
        prompt: str
        chosen_response: str
        rejected_response: str

    preference = Preference(
        prompt=messages("{{ prompt | extra_id_turns | before_open_answer }}"),
        chosen="{{ chosen_response | before_turn_end }}",
        rejected="{{ rejected_response | before_turn_end }}",
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "prompt": "<extra_id_0>System\nBe brief.\n<extra_id_1>User\nIs the soup warm?\n<extra_id_1>Assistant\n",
        "chosen_response": "Yes.\n<extra_id_1>",
        "rejected_response": "The soup is a soup.\n<extra_id_1>",
    }


@register_template("NeMo-Aligner-regression", style="chatml", dialect="trl")
class NeMoAlignerRegression(Template):
    """NeMo-Aligner's ratings: a text that ends with an answer and `<extra_id_2>`, and nine ratings of that answer.

    The ratings are quality, toxicity, humor, creativity, helpfulness, correctness, coherence, complexity and
    verbosity, each from 0 to 4, or -100 if absent. The score is the helpfulness. A row without it is rejected, since
    quality, which other people rated in other data, is not a substitute.
    """

    class Row(RowModel):
        text: str
        label: list[float]

    scored = Scored(
        prompt=messages("{{ (text | before_rating_mark | extra_id_turns | answered)[:-1] }}"),
        completion=messages("{{ (text | before_rating_mark | extra_id_turns | answered)[-1:] }}"),
        score="{{ label | steerlm_attributes | rating_of('helpfulness') }}",
        attributes="{{ label | steerlm_attributes }}",
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "text": "<extra_id_0>System\n\n<extra_id_1>User\nIs dill hardy?\n<extra_id_1>Assistant\nYes.\n<extra_id_2>",
        "label": [-100.0, -100.0, -100.0, -100.0, 4.0, 4.0, 4.0, 1.0, 0.0],
    }
