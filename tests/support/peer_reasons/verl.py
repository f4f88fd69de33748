"""verl: reasons for other ids."""

from jinja2 import TemplateError


def render(file, messages, **options):
    """The ids of messages by the style, without tools."""
    template = file.template.style.chat_template
    rendered = file.setup.tokenizer.apply_chat_template(messages, chat_template=template, return_dict=True, **options)
    return rendered["input_ids"]


def reads_no_tools(file, row, verdict):
    """Whether its ids of a prompt are those of the messages alone."""
    if verdict != "other ids" or "tools" not in row.facts or file.format != "prompt_only":
        return False
    (number,) = (number for number, each in enumerate(file.rows) if each is row)
    alone = render(file, file.results[number]["prompt"], add_generation_prompt=True)
    return file.read[number]["ids"]["prompt"] == alone


def renders_two_questions(file, _, verdict):
    """Whether the chat template fails two questions without an answer between them."""
    if file.format != "supervised" or not verdict.startswith("not read: TemplateError"):
        return False
    try:
        render(file, [{"role": "user", "content": ""}] * 2)
    except TemplateError as error:
        return str(error)[:60] in verdict
    return False


REASONS = {
    "verl takes the tools of prompts from a file of its own": reads_no_tools,
    "verl renders two questions in a row to find the system prompt, for which the chat template raises an error": (
        renders_two_questions
    ),
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
