"""Transcripts: conversations written as one text, with a mark at the beginning of each turn."""

import re
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview

HUMAN_ASSISTANT = re.compile(r"\n\n(Human|Assistant): ")
ROLES = {"Human": "user", "Assistant": "assistant"}


@register_filter
def human_assistant_turns(text: str) -> list[dict[str, Any]]:
    r"""Split a transcript into turns at the marks "\n\nHuman: " and "\n\nAssistant: ".

    A mark elsewhere in a line is text. Nothing is trimmed: the marks and the contents together are the transcript.

    >>> human_assistant_turns("\n\nHuman: Hi\n\nAssistant: Hello Human: friend")
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello Human: friend'}]

    Raises:
        RowError: `bad_turns` if the text does not begin with a mark.
    """
    marks = list(HUMAN_ASSISTANT.finditer(text))
    if not marks or marks[0].start() > 0:
        raise RowError(
            f"the transcript begins with {preview(text[:40])}, expected '\\n\\nHuman: '",
            code=Code.BAD_TURNS,
            value=text,
        )
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [{"role": ROLES[mark[1]], "content": text[mark.end() : end]} for mark, end in zip(marks, ends, strict=True)]
