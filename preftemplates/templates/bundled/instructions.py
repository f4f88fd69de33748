"""Single instructions with an answer, with or without a text that they are about.

Sources: databricks/databricks-dolly-15k (CC-BY-SA-3.0), Open-Orca/OpenOrca (MIT), and the rows with which torchtune
tests its instructions (BSD-3-Clause).
"""

from preftemplates import RowModel, Supervised, Template, messages, register_template


@register_template("Dolly", style="chatml", dialect="trl")
class Dolly(Template):
    """Dolly: an instruction, a context that may be empty, and the response.

    The context follows the instruction after a blank line. If it is empty, the prompt is the instruction alone.
    """

    class Row(RowModel):
        instruction: str
        context: str | None = None
        response: str

    supervised = Supervised(
        prompt="{{ instruction ~ '\n\n' ~ context if context else instruction }}", completion="{{ response }}"
    )
    dataset = "databricks/databricks-dolly-15k"
    licence = "CC-BY-SA-3.0"
    example = {
        "instruction": "Which of these is a root?",
        "context": "Carrot, pea, leek.",
        "response": "The carrot.",
    }


@register_template("OpenOrca", style="chatml", dialect="trl")
class OpenOrca(Template):
    """OpenOrca: a system text, a question and a response. An empty system text adds no turn."""

    class Row(RowModel):
        system_prompt: str | None = None
        question: str
        response: str

    supervised = Supervised(
        prompt=[
            messages("{{ [{'role': 'system', 'content': system_prompt}] if system_prompt else [] }}"),
            "{{ question }}",
        ],
        completion="{{ response }}",
    )
    dataset = "Open-Orca/OpenOrca"
    licence = "MIT"
    example = {
        "system_prompt": "Think step by step.",
        "question": "Three pots hold two plants each. How many plants are there?",
        "response": "Each pot holds two, and three times two is six.",
    }


@register_template("Input-output", style="chatml", dialect="trl")
class InputOutput(Template):
    """An input and an output, as text."""

    class Row(RowModel):
        input: str
        output: str

    supervised = Supervised(prompt="{{ input }}", completion="{{ output }}")
    example = {"input": "Name three herbs.", "output": "Dill, sage, thyme."}


@register_template("torchtune-instruct", style="chatml", dialect="trl")
class TorchtuneInstruct(Template):
    """An instruction and a response, as in torchtune's own test rows."""

    class Row(RowModel):
        instruction: str
        response: str

    supervised = Supervised(prompt="{{ instruction }}", completion="{{ response }}")
    licence = "BSD-3-Clause"
    verified = True
    example = {"instruction": "Name three herbs.", "response": "Dill, sage, thyme."}
