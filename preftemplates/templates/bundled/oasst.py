"""Open Assistant: message trees whose replies people ranked, and rankings made from them with one per row.

Sources: OpenAssistant/oasst1 (Apache-2.0), in the layout of its files of whole trees; join its flat rows, one message
each, to trees first. Chinese rankings: ChatGLM-Efficient-Tuning's file oaast_rm_zh.json (Apache-2.0).
"""

from typing import Any

from preftemplates import Ranked, RowModel, Template, messages, register_template


@register_template("OASST-trees", style="chatml", dialect="trl")
class OASSTTrees(Template):
    """Open Assistant's trees: a sample for each message with two or more ranked replies of the assistant.

    Rank 0 is the best. The prompt is the path from the root to that message. Replies without a rank are left out,
    since nobody compared them. Ranks among a prompter's replies do not rate answers, and are not read; nor are
    language, reviews and labels. Derived supervised samples have the best reply as their answer.
    """

    class Row(RowModel):
        prompt: dict[str, Any]

    each = {"thread": "{{ prompt | ranked_threads }}"}
    ranked = Ranked(
        prompt=messages("{{ thread.prompt }}"), completions="{{ thread.replies }}", ranks="{{ thread.ranks }}"
    )
    dataset = "OpenAssistant/oasst1"
    licence = "Apache-2.0"
    verified = True
    example = {
        "prompt": {
            "role": "prompter",
            "text": "What grows in the shade?",
            "replies": [
                {"role": "assistant", "text": "Nothing.", "rank": 1, "replies": []},
                {
                    "role": "assistant",
                    "text": "Ferns, hostas, and ramsons.",
                    "rank": 0,
                    "replies": [{"role": "prompter", "text": "Thank you!", "rank": None, "replies": []}],
                },
                {"role": "assistant", "text": "Moss.", "rank": 2, "replies": []},
            ],
        }
    }


@register_template("OASST-zh-ranked", style="chatml", dialect="trl")
class OASSTZhRanked(Template):
    """Rankings, one per row: pairs of earlier questions and answers, an instruction, and outputs in order, best first.

    The input follows the instruction after a blank line, unless it is empty.
    """

    class Row(RowModel):
        instruction: str
        input: str | None = None
        output: list[str]
        history: list[list[str]]

    ranked = Ranked(
        prompt=[
            messages("{{ history | question_answer_pairs }}"),
            "{{ instruction ~ '\n\n' ~ input if input else instruction }}",
        ],
        completions="{{ output }}",
        ranks="{{ output | places }}",
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "instruction": "And what goes with it?",
        "input": "",
        "output": ["Fresh bread, and a little butter.", "Bread.", "Nothing."],
        "history": [["Name a soup for winter.", "Leek and potato."]],
    }
