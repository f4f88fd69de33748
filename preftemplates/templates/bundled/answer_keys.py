"""Prompts with a reference answer for reward functions: TRL's extra columns, GSM8K, and verl's own rows.

Sources: TRL's documentation on GRPO's reward functions, openai/gsm8k (MIT), and verl's documentation, "Prepare data
for post-training".
"""

from typing import Any

from preftemplates import MediaColumns, Message, PromptOnly, RowModel, Template, messages, register_template


@register_template("TRL-prompts", style="chatml", dialect="trl")
class TRLPrompts(Template):
    """TRL's conversational prompts, with the columns `answer` and `source` that reward functions may read."""

    class Row(MediaColumns):
        prompt: list[Message]
        answer: str | None = None
        source: str | None = None
        tools: list[dict[str, Any]] | str | None = None

    prompt_only = PromptOnly(
        prompt=messages("{{ prompt | show_media(images, videos, audios, image) }}"),
        tools="{{ tools | tool_list }}",
        answer="{{ answer }}",
        source="{{ source }}",
    )
    example = {"prompt": [{"role": "user", "content": "Two and three?"}], "answer": "5"}


@register_template("TRL-prompts-text", style="plain", dialect="trl-text")
class TRLPromptsText(Template):
    """TRL's standard prompts: text, with the columns `answer` and `source` that reward functions may read."""

    class Row(RowModel):
        prompt: str
        answer: str | None = None
        source: str | None = None

    prompt_only = PromptOnly(prompt="{{ prompt }}", answer="{{ answer }}", source="{{ source }}")
    example = {"prompt": "Two and three?", "answer": "5"}


@register_template("GSM8K", style="chatml", dialect="trl")
class GSM8K(Template):
    """GSM8K: a question, and an answer with its steps; the result after `####` is the reference answer."""

    class Row(RowModel):
        question: str
        answer: str

    prompt_only = PromptOnly(
        prompt="{{ question }}",
        answer="{{ answer.split('####')[-1] | replace(',', '') | trim }}",
        source="{{ 'openai/gsm8k' }}",
    )
    dataset = "openai/gsm8k"
    licence = "MIT"
    example = {"question": "A bean costs 2, how much do 3 cost?", "answer": "3 * 2 = 6\n#### 6"}


class RewardModel(RowModel):
    ground_truth: str


@register_template("verl", style="chatml", dialect="verl")
class VerlPrompts(Template):
    """verl's rows for reinforcement learning: messages, the ground truth, and the data source for the reward."""

    class Row(RowModel):
        data_source: str
        prompt: list[Message]
        reward_model: RewardModel
        extra_info: dict[str, Any] | None = None

    prompt_only = PromptOnly(
        prompt=messages("{{ prompt }}"),
        answer="{{ reward_model.ground_truth | none_if('') }}",
        source="{{ data_source | none_if('preftemplates') }}",
    )
    example = {
        "data_source": "openai/gsm8k",
        "prompt": [{"role": "user", "content": "Two and three?"}],
        "reward_model": {"ground_truth": "5"},
    }
