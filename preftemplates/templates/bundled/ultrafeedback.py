"""UltraFeedback and its derivatives: ranked answers with ratings, and pairs of a better and a worse one.

Sources: openbmb/UltraFeedback, HuggingFaceH4/ultrafeedback_binarized and Argilla's three copies (all MIT);
llamafactory/ultrafeedback_binarized and trl-lib/ultrafeedback_binarized (licences unknown).

In about 2,000 rows of the original, an overall score of 1 became 10. "UltraFeedback" does not read that score: it
ranks by the mean of the four aspects' ratings. "UltraFeedback-overall" rejects a row in which the two contradict each
other. The pairs were made from either. If there are scores, the margin is their difference: equal scores are a tie,
and if the chosen answer has the lower score, the margin is below 0 and the row is rejected as an inverted label.
"""

from pydantic import Field

from preftemplates import Message, Preference, Ranked, RowModel, Template, Unpaired, messages, register_template


class Aspect(RowModel):
    rating: str = Field(alias="Rating")


class Annotations(RowModel):
    instruction_following: Aspect
    honesty: Aspect
    truthfulness: Aspect
    helpfulness: Aspect


class AnnotatedCompletion(RowModel):
    response: str
    annotations: Annotations


class ScoredCompletion(RowModel):
    response: str
    overall_score: float = Field(ge=0, le=10)
    fine_grained_score: float = Field(alias="fine-grained_score")


class Pair(RowModel):
    """Two conversations that both begin with the prompt."""

    chosen: list[Message]
    rejected: list[Message]


PROMPT = messages("{{ chosen | answered | before_last_answer(rejected | answered) }}")
CHOSEN = messages("{{ (chosen | answered)[-1:] }}")
REJECTED = messages("{{ (rejected | answered)[-1:] }}")


@register_template("UltraFeedback", style="chatml", dialect="trl")
class UltraFeedback(Template):
    """UltraFeedback: an instruction and answers of several models, ranked by the mean rating of four aspects.

    A row is rejected if a rating is "N/A", or anything other than "1" to "5". The texts that instructed the models
    how to behave, one per answer, are not read.
    """

    ignored = (
        "completions[].overall_score",
        "completions[].critique",
        'completions[]["fine-grained_score"]',
        "completions[].annotations",
        "correct_answers",
        "incorrect_answers",
    )

    class Row(RowModel):
        instruction: str
        completions: list[AnnotatedCompletion]

    ranked = Ranked(
        prompt="{{ instruction }}",
        completions="{{ completions | map(attribute='response') | list }}",
        ranks="{{ completions | mean_ratings | ranks }}",
        scores="{{ completions | mean_ratings }}",
    )
    ties = "drop"
    dataset = "openbmb/UltraFeedback"
    licence = "MIT"
    example = {
        "instruction": "Explain why leaves turn red.",
        "completions": [
            {
                "response": "Because it is autumn.",
                "annotations": {
                    "instruction_following": {"Rating": "2"},
                    "honesty": {"Rating": "4"},
                    "truthfulness": {"Rating": "4"},
                    "helpfulness": {"Rating": "2"},
                },
            },
            {
                "response": "The green pigment is taken back into the tree, and red ones that it hid or made show.",
                "annotations": {
                    "instruction_following": {"Rating": "5"},
                    "honesty": {"Rating": "4"},
                    "truthfulness": {"Rating": "5"},
                    "helpfulness": {"Rating": "5"},
                },
            },
            {
                "response": "They rust.",
                "annotations": {
                    "instruction_following": {"Rating": "2"},
                    "honesty": {"Rating": "1"},
                    "truthfulness": {"Rating": "1"},
                    "helpfulness": {"Rating": "1"},
                },
            },
        ],
    }


@register_template("UltraFeedback-overall", style="chatml", dialect="trl")
class UltraFeedbackOverall(Template):
    """UltraFeedback by its overall score, at most 10, which a critic gave.

    A row is rejected if an answer has the overall score 10 and a mean rating of 2 or less: that 10 was a 1.
    """

    ignored = (
        "completions[].critique",
        'completions[]["fine-grained_score"]',
        "completions[].annotations",
        "correct_answers",
        "incorrect_answers",
    )

    class Row(RowModel):
        instruction: str
        completions: list[ScoredCompletion]

    ranked = Ranked(
        prompt="{{ instruction }}",
        completions="{{ completions | map(attribute='response') | list }}",
        ranks="{{ completions | sound_overall_scores | ranks }}",
        scores="{{ completions | sound_overall_scores }}",
    )
    ties = "drop"
    dataset = "openbmb/UltraFeedback"
    licence = "MIT"
    example = {
        "instruction": "Write a line about a snail.",
        "completions": [
            {"response": "A snail.", "overall_score": 4.0, "fine-grained_score": 3.0},
            {"response": "Its silver road ends at my lettuce.", "overall_score": 8.5, "fine-grained_score": 4.75},
        ],
    }


@register_template("UltraFeedback-binarized", style="chatml", dialect="trl")
class UltraFeedbackBinarized(Template):
    """Hugging Face's pairs: two conversations with the overall score of each.

    The columns prompt and messages repeat parts of the conversations, and are not read.
    """

    ignored = ("messages",)

    class Row(Pair):
        score_chosen: float = Field(ge=0, le=10)
        score_rejected: float = Field(ge=0, le=10)

    preference = Preference(
        prompt=PROMPT, chosen=CHOSEN, rejected=REJECTED, margin="{{ score_chosen - score_rejected }}"
    )
    ties = "drop"
    dataset = "HuggingFaceH4/ultrafeedback_binarized"
    licence = "MIT"
    example = {
        "chosen": [
            {"role": "user", "content": "How do I keep cut flowers fresh?"},
            {"role": "assistant", "content": "Cut the stems at a slant, and change the water daily."},
        ],
        "rejected": [
            {"role": "user", "content": "How do I keep cut flowers fresh?"},
            {"role": "assistant", "content": "Buy new ones."},
        ],
        "score_chosen": 10.0,
        "score_rejected": 1.0,
    }


@register_template("UltraFeedback-argilla", style="chatml", dialect="trl")
class UltraFeedbackArgilla(Template):
    """Argilla's pairs: an instruction, two answers as texts, and the mean rating of each.

    The names of the two ratings are not confirmed by the dataset itself.
    """

    class Row(RowModel):
        instruction: str
        chosen_response: str
        rejected_response: str
        chosen_avg_rating: float = Field(ge=0, le=5)
        rejected_avg_rating: float = Field(ge=0, le=5)

    preference = Preference(
        prompt="{{ instruction }}",
        chosen="{{ chosen_response }}",
        rejected="{{ rejected_response }}",
        margin="{{ chosen_avg_rating - rejected_avg_rating }}",
    )
    ties = "drop"
    dataset = "argilla/ultrafeedback-binarized-preferences"
    licence = "MIT"
    example = {
        "instruction": "Name two birds that stay in winter.",
        "chosen_response": "The robin and the wren.",
        "rejected_response": "The swift.",
        "chosen_avg_rating": 4.75,
        "rejected_avg_rating": 1.5,
    }


@register_template("UltraFeedback-cleaned", style="chatml", dialect="trl")
class UltraFeedbackCleaned(Template):
    """Argilla's cleaned pairs: two conversations with the mean rating of each, in columns named with hyphens.

    The names of the ratings are not confirmed by the dataset itself. The column prompt repeats the beginning of the
    conversations, and is not read.
    """

    class Row(Pair):
        chosen_rating: float = Field(alias="chosen-rating", ge=0, le=5)
        rejected_rating: float = Field(alias="rejected-rating", ge=0, le=5)

    preference = Preference(
        prompt=PROMPT, chosen=CHOSEN, rejected=REJECTED, margin="{{ chosen_rating - rejected_rating }}"
    )
    ties = "drop"
    dataset = "argilla/ultrafeedback-binarized-preferences-cleaned"
    licence = "MIT"
    example = {
        "chosen": [
            {"role": "user", "content": "What is a cold frame?"},
            {"role": "assistant", "content": "A box with a glass lid, in which seedlings get used to the cold."},
        ],
        "rejected": [
            {"role": "user", "content": "What is a cold frame?"},
            {"role": "assistant", "content": "A frame."},
        ],
        "chosen-rating": 5.0,
        "rejected-rating": 1.25,
    }


@register_template("UltraFeedback-kto", style="chatml", dialect="trl")
class UltraFeedbackKTO(Template):
    """Argilla's cleaned pairs as single answers: an instruction, an answer, and whether it was the chosen one."""

    class Row(RowModel):
        prompt: str
        completion: str
        label: bool

    unpaired = Unpaired(prompt="{{ prompt }}", completion="{{ completion }}", label="{{ label }}")
    dataset = "argilla/ultrafeedback-binarized-preferences-cleaned-kto"
    licence = "MIT"
    example = {
        "prompt": "Is ivy bad for walls?",
        "completion": "Only where the mortar crumbles already.",
        "label": True,
    }


@register_template("UltraFeedback-llamafactory", style="chatml", dialect="trl")
class UltraFeedbackLlamaFactory(Template):
    """LLaMA-Factory's pairs: an instruction and two answers as texts, without scores."""

    class Row(RowModel):
        instruction: str
        chosen: str
        rejected: str

    preference = Preference(prompt="{{ instruction }}", chosen="{{ chosen }}", rejected="{{ rejected }}")
    dataset = "llamafactory/ultrafeedback_binarized"
    licence = "unknown"
    example = {
        "instruction": "How do I oil a wooden board?",
        "chosen": "Rub in warm linseed oil, and wipe off what is left after an hour.",
        "rejected": "With butter.",
    }


@register_template("UltraFeedback-trl", style="chatml", dialect="trl")
class UltraFeedbackTRL(Template):
    """TRL's pairs: two conversations that begin with the prompt, and the score of each."""

    class Row(Pair):
        score_chosen: float = Field(ge=0, le=10)
        score_rejected: float = Field(ge=0, le=10)

    preference = UltraFeedbackBinarized.preference
    ties = "drop"
    dataset = "trl-lib/ultrafeedback_binarized"
    licence = "unknown"
    example = {
        "chosen": [
            {"role": "user", "content": "Give me a word for the smell of rain."},
            {"role": "assistant", "content": "Petrichor."},
        ],
        "rejected": [
            {"role": "user", "content": "Give me a word for the smell of rain."},
            {"role": "assistant", "content": "Wet."},
        ],
        "score_chosen": 10.0,
        "score_rejected": 1.5,
    }
