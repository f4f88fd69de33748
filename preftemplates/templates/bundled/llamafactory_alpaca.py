"""LLaMA-Factory's alpaca layout: an instruction with an input, system text and history, and one or two answers.

Source: LLaMA-Factory's data/README.md (Apache-2.0). The input follows the instruction after a newline, as in
LLaMA-Factory. Media are in columns of lists, with `<image>`, `<video>` and `<audio>` in their places in the texts.
"""

from preftemplates import MediaColumns, Preference, PromptOnly, Supervised, Template, Unpaired, messages
from preftemplates import register_template as register

SYSTEM = messages("{{ [{'role': 'system', 'content': system}] if system else [] }}")
QUESTION = "(instruction ~ ('\\n' if instruction and input else '') ~ (input or ''))"
HISTORY = "((history or []) | question_answer_pairs)"
ASKED = f"({HISTORY} + [{{'role': 'user', 'content': {QUESTION}}}])"
SHOWN = "show_media(images, videos, audios, image)"


def show(answer: str) -> str:
    """Return the expression of a whole conversation with its media, which ends with the answer in a column."""
    return f"(({ASKED} + [{{'role': 'assistant', 'content': {answer}}}]) | {SHOWN})"


@register("LLaMA-Factory-alpaca", style="chatml", dialect="trl")
class LLaMAFactoryAlpaca(Template):
    """LLaMA-Factory's alpaca rows: `output` alone, `chosen` and `rejected`, or `output` with a `kto_tag`."""

    class Row(MediaColumns):
        instruction: str
        input: str | None = None
        system: str | None = None
        history: list[list[str]] | None = None
        output: str
        chosen: str
        rejected: str
        kto_tag: bool

    preference = Preference(
        prompt=[SYSTEM, messages(f"{{{{ {show('chosen')}[:-1] | agreed_with({show('rejected')}[:-1]) }}}}")],
        chosen=messages(f"{{{{ {show('chosen')}[-1:] }}}}"),
        rejected=messages(f"{{{{ {show('rejected')}[-1:] }}}}"),
    )
    supervised = Supervised(
        prompt=[SYSTEM, messages(f"{{{{ {show('output')}[:-1] }}}}")],
        completion=messages(f"{{{{ {show('output')}[-1:] }}}}"),
    )
    unpaired = Unpaired(prompt=supervised.prompt, completion=supervised.completion, label="{{ kto_tag }}")
    prompt_only = PromptOnly(prompt=[SYSTEM, messages(f"{{{{ {ASKED} | {SHOWN} }}}}")])
    licence = "Apache-2.0"
    example = {
        "instruction": "Translate to German.",
        "input": "the sage",
        "system": "Answer in one word.",
        "history": [["Translate to German. the dill", "Dill"]],
        "output": "Salbei",
        "chosen": "Salbei",
        "rejected": "Weise",
        "kto_tag": True,
    }
