"""Three layouts that nobody had in mind, each one file of under 25 lines that was written from the docs alone.

The templates stand here as they were written, but for a line that was too long.
"""

import json

import pytest

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.testing import check_laws

VOTES = '''\
"""Votes: a chat with a client, two drafts, and how many people voted for each; equal votes are a tie."""
from typing import Literal
from pydantic import Field
from preftemplates import Preference, RowModel, Template, messages, register_filter, register_template

@register_filter
def client_turns(chat):
    return [{"role": "user" if t.speaker == "client" else "assistant", "content": t.says} for t in chat]

class Turn(RowModel):
    speaker: Literal["client", "bot"]
    says: str

class Counts(RowModel):
    a: int = Field(ge=0)
    b: int = Field(ge=0)

@register_template("Votes", style="chatml", dialect="text")
class Votes(Template):
    class Row(RowModel):
        chat: list[Turn]
        drafts: dict[str, str]
        votes: Counts

    preference = Preference(prompt=messages("{{ chat | client_turns }}"), margin="{{ (votes.a - votes.b) | abs }}",
        chosen="{{ drafts.a if votes.a >= votes.b else drafts.b }}",
        rejected="{{ drafts.b if votes.a >= votes.b else drafts.a }}")
    example = {"chat": [{"speaker": "client", "says": "Gift wrap?"}], "drafts": {"a": "No.", "b": "Yes, free."},
        "votes": {"a": 1, "b": 4}}
'''

REWRITES = '''\
"""Rewrites: a task, a document, and any number of rewrites with stars such as "4/5"."""
from typing import Literal
from preftemplates import Ranked, RowModel, Template, register_template

class Brief(RowModel):
    task: str
    document: str

class Rewrite(RowModel):
    text: str
    stars: Literal["1/5", "2/5", "3/5", "4/5", "5/5"]

@register_template("Rewrites", style="chatml", dialect="nemo-rl")
class Rewrites(Template):
    class Row(RowModel):
        brief: Brief
        rewrites: list[Rewrite]

    ranked = Ranked(
        prompt="{{ brief.task ~ '\\n\\n' ~ brief.document if brief.document else brief.task }}",
        completions="{{ rewrites | map(attribute='text') | list }}",
        ranks="{{ rewrites | map(attribute='stars') | map('first') | map('int') | list | ranks }}",
        scores="{{ rewrites | map(attribute='stars') | map('first') | map('int') | list }}",
    )
'''

LOG = '''\
"""Log: a logged request with instructions, messages and tools, its response, and a thumb up or down."""
from typing import Any, Literal
from preftemplates import Message, RowModel, Template, Unpaired, messages, register_template

class Request(RowModel):
    instructions: str | None = None
    messages: list[Message]
    tools: list[Any] | None = None

class Choice(RowModel):
    message: Message

class Response(RowModel):
    choices: list[Choice]

class Feedback(RowModel):
    thumb: Literal["up", "down"]

@register_template("Log", style="chatml", dialect="trl")
class Log(Template):
    class Row(RowModel):
        request: Request
        response: Response
        feedback: Feedback

    unpaired = Unpaired(prompt=[
        messages("{{ [{'role': 'system', 'content': request.instructions}] if request.instructions else [] }}"),
        messages("{{ request.messages }}")],
        completion=messages("{{ [response.choices[0].message] }}"), label="{{ feedback.thumb == 'up' }}")
'''


def chat(*says):
    return [{"speaker": ("client", "bot")[number % 2], "says": text} for number, text in enumerate(says)]


def vote(a, b, drafts=("Yes.", "No."), asked=("Returns?",)):
    return {"chat": chat(*asked), "drafts": dict(zip("ab", drafts, strict=True)), "votes": {"a": a, "b": b}}


def rewrite(*stars, document="Go."):
    own = [{"by": "ann", "text": f"{number}: {each}", "stars": each} for number, each in enumerate(stars)]
    return {"brief": {"task": "Shorten.", "document": document}, "rewrites": own}


CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}


def logged(thumb, answer, **request):
    request = {"model": "m", "messages": [{"role": "user", "content": "Rain?"}], **request}
    message = {"role": "assistant", **answer}
    return {"request": request, "response": {"choices": [{"message": message}]}, "feedback": {"thumb": thumb}}


LAYOUTS = {
    "votes": (
        VOTES,
        "preference",
        [
            vote(7, 2), vote(1, 9, asked=("Hi", "Hello!", "Returns?")), vote(4, 4), vote(6, 0, drafts=("Yes.", "")),
            vote(-3, 5), {**vote(8, 1), "chat": [{"speaker": "robot", "says": "?"}]},
        ],
        {"skipped": {"tie": 1, "empty": 1}, "rejected": {"bad_label": 2}},
        ["Yes. > No. by 5.0", "No. > Yes. by 8.0"],
    ),
    "rewrites": (
        REWRITES,
        "preference",
        [
            rewrite("5/5", "3/5", "1/5"), rewrite("2/5", "4/5", document=""), rewrite("7/5", "1/5"),
            rewrite("3/5", "3/5"),
        ],
        {"skipped": {"tie": 1}, "rejected": {"bad_label": 1}},
        ["0: 5/5 > 1: 3/5 by 2.0", "0: 5/5 > 2: 1/5 by 4.0", "1: 3/5 > 2: 1/5 by 2.0", "1: 4/5 > 0: 2/5 by 2.0"],
    ),
    "log": (
        LOG,
        "unpaired",
        [
            logged("up", {"content": "Yes."}), logged("down", {"content": None, "tool_calls": [CALL]}),
            logged("sideways", {"content": "No."}), logged("up", {"content": ""}), logged(None, {"content": "No."}),
            logged("down", {"content": "No."}, instructions="Be brief."),
        ],
        {"skipped": {"empty": 1}, "rejected": {"bad_label": 1, "missing_field": 1}},
        ["user > Yes. True", "user > 1 call False", "system user > No. False"],
    ),
}  # fmt: skip


def said(sample):
    """A sample in one line."""
    if sample.format == "preference":
        return f"{sample.chosen[0]['content']} > {sample.rejected[0]['content']} by {sample.margin}"
    (answer,) = sample.completion
    text = answer["content"] or f"{len(answer['tool_calls'])} call"
    return f"{' '.join(message['role'] for message in sample.prompt)} > {text} {sample.label}"


@pytest.mark.parametrize("name", LAYOUTS)
def test_one_short_file_reads_a_layout_that_nobody_had_in_mind(name, tmp_path):
    source, format, rows, refused, samples = LAYOUTS[name]
    assert len([line for line in source.splitlines() if line.strip()]) < 25
    path = tmp_path / f"{name}.py"
    path.write_text(source)
    template = get_template(str(path)).with_dialect("trl")
    conversion = Conversion(json.loads(json.dumps(rows)), template, format, on_error="skip")
    assert [said(formatted.messages) for _, formatted in conversion.accepted()] == samples
    assert conversion.report.counts() == refused
    check_laws(template, max_examples=60)  # most drawn logs have no choice, and are rejected
