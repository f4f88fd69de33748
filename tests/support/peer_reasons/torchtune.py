"""torchtune: reasons for other ids."""


def reads_no_tools(file, row, verdict):
    """Whether its ids are those of the messages alone."""
    if verdict != "other ids" or "tools" not in row.facts:
        return False
    (number,) = (number for number, each in enumerate(file.rows) if each is row)
    style = file.template.style
    rendered = file.setup.tokenizer.apply_chat_template(
        file.results[number]["messages"], chat_template=style.chat_template, return_dict=True
    )
    return file.read[number]["ids"]["completion"] == rendered["input_ids"]


REASONS = {"torchtune reads no tools": reads_no_tools}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
