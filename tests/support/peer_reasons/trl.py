"""TRL: reasons for other ids."""


def is_an_empty_prompt(_, row, verdict):
    """Whether the prompt is empty: TRL asks for its first message, or renders it by itself, and both fail."""
    failures = ("not read: IndexError", "not read: ValueError: Cannot apply chat template to an empty conversation")
    return "empty prompt" in row.facts and verdict.startswith(failures)


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
    "TRL's trainers do not take an empty prompt; write `trl-implicit`": is_an_empty_prompt,
    "GRPOTrainer takes tools as Python functions, and not from rows": reads_no_tools,
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
