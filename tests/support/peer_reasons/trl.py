"""TRL: reasons for other ids."""


def is_an_empty_prompt(_, row, verdict):
    """Whether the prompt is empty: TRL asks whether a row holds messages by the first of them, and fails."""
    return "empty prompt" in row.facts and verdict.startswith("not read: IndexError")


def reads_no_tools(file, row, verdict):
    """Whether its ids of a prompt are those of the messages alone: GRPOTrainer takes tools as functions."""
    if verdict != "other ids" or "tools" not in row.facts or file.format != "prompt_only":
        return False
    (number,) = (number for number, each in enumerate(file.rows) if each is row)
    rendered = file.setup.tokenizer.apply_chat_template(
        file.results[number]["prompt"],
        chat_template=file.template.style.chat_template,
        add_generation_prompt=True,
        return_dict=True,
    )
    return file.read[number]["ids"]["prompt"] == rendered["input_ids"]


REASONS = {
    "TRL's trainers ask the first message of a prompt, and an empty prompt has none": is_an_empty_prompt,
    "GRPOTrainer takes tools as Python functions, and not from rows": reads_no_tools,
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
