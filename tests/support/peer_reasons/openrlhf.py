"""OpenRLHF: rows without a prompt, and rows with tools."""

import re


def lacks_only_the_tools(file, row):
    """Whether the texts of a row are ours without the list of tools."""
    number = next(number for number, each in enumerate(file.rows) if each is row)
    spell = file.setup.tokenizer.decode
    return all(
        re.sub(r"\[AVAILABLE_TOOLS\].*?\[/AVAILABLE_TOOLS\]", "", spell(ours))
        == spell(file.read[number]["ids"].get(name, []))
        for name, ours in row.ids.items()
    )


REASONS = {
    "OpenRLHF renders the prompt by itself, and transformers renders no empty conversation": lambda _, row, verdict: (
        "empty prompt" in row.facts and verdict.startswith("not read: ValueError: Cannot apply chat template to an")
    ),
    "OpenRLHF gives a chat template no tools, which convert counts": lambda file, row, verdict: (
        verdict == "other ids" and "tools" in row.facts and lacks_only_the_tools(file, row)
    ),
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
