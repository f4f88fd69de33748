"""NeMo RL's layouts: a context with ranked completions, and a question with a reference answer.

Source: NeMo RL's guides on DPO, reward models and GRPO (Apache-2.0). The lowest rank is the best. `Messages` reads its
conversations.
"""

from preftemplates import Message, PromptOnly, Ranked, RowModel, Template, messages, register_template


class Completion(RowModel):
    rank: float
    completion: list[Message]


@register_template("NeMo-RL", style="chatml", dialect="nemo-rl")
class NeMoRL(Template):
    """NeMo RL's preferences: a context, and completions with ranks, of which the lowest is the best."""

    class Row(RowModel):
        context: list[Message]
        completions: list[Completion]

    ranked = Ranked(
        prompt=messages("{{ context }}"),
        completions="{{ completions | map(attribute='completion') | list }}",
        ranks="{{ completions | map(attribute='rank') | list }}",
    )
    licence = "Apache-2.0"
    example = {
        "context": [{"role": "user", "content": "When is a tomato ripe?"}],
        "completions": [
            {"rank": 0, "completion": [{"role": "assistant", "content": "When it is red all over."}]},
            {"rank": 1, "completion": [{"role": "assistant", "content": "It is a fruit."}]},
        ],
    }


@register_template("NeMo-RL-prompts", style="chatml", dialect="nemo-rl")
class NeMoRLPrompts(Template):
    """NeMo RL's prompts: a question, and a reference answer, which is empty if there is none."""

    class Row(RowModel):
        input: str
        output: str

    prompt_only = PromptOnly(prompt="{{ input }}", answer="{{ output | none_if('') }}")
    licence = "Apache-2.0"
    example = {"input": "Two and three?", "output": "5"}
