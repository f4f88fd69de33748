"""Nectar's layout of a prompt: a transcript whose first and last marks may be cut short."""

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview


@register_filter
def with_whole_marks(text: str) -> str:
    r"""Complete the whitespace of the first mark "Human: " of a transcript, and of a mark at its end.

    >>> with_whole_marks("Human: Hi\n\nAssistant:")
    '\n\nHuman: Hi\n\nAssistant: '

    Raises:
        RowError: `bad_turns` if it begins differently.
    """
    if not text.startswith(("Human: ", "\n\nHuman: ")):
        raise RowError(f"the prompt begins with {preview(text[:40])}, expected 'Human: '", code=Code.BAD_TURNS)
    whole = text if text.startswith("\n\n") else "\n\n" + text
    return whole + " " if whole.endswith("\n\nAssistant:") else whole
