"""Solutions in one text, in which a mark ends each step, and a second text with labels instead of the marks."""

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview

MARK = "ки"
FIRST = ("Step 1:", "step 1:")
VERDICTS = {"+": True, "-": False}


@register_filter
def before_first_step(text: str) -> str:
    """Return the question before "Step 1:", without whitespace around it.

    >>> before_first_step("Two and two? Step 1: Four. ки")
    'Two and two?'

    Raises:
        RowError: `bad_turns` if the text before the first mark does not contain "Step 1:" once, so that the end of the
            question is unknown.
    """
    return text[: _first_step(text)].strip()


@register_filter
def marked_steps(text: str) -> list[str]:
    r"""Return the steps from "Step 1:", each up to its mark, without whitespace around them.

    >>> marked_steps("Two and two? Step 1: Add. ки\nStep 2: Four. ки")
    ['Step 1: Add.', 'Step 2: Four.']

    Raises:
        RowError: `bad_turns` if a step has no mark; as in `before_first_step`.
    """
    *steps, rest = text[_first_step(text) :].split(MARK)
    if rest.strip():
        raise RowError("there is text after the last mark", code=Code.BAD_TURNS)
    return [step.strip() for step in steps]


@register_filter
def marked_verdicts(label: str, text: str) -> list[bool]:
    """Return for each mark of a text whether the label, which is otherwise the same text, has + instead of it.

    >>> marked_verdicts("Step 1: Add. + Step 2: Five. -", "Step 1: Add. ки Step 2: Five. ки")
    [True, False]

    Raises:
        RowError: `bad_label` if the label is another text, or has anything other than + or - instead of a mark.
    """
    verdicts: list[bool] = []
    at = 0
    for number, piece in enumerate(text.split(MARK)):
        if number:
            verdicts.append(_verdict(str(label[at : at + 1]), number - 1))
            at += 1
        if label[at : at + len(piece)] != piece:
            raise _other_text(at)
        at += len(piece)
    if at != len(label):
        raise _other_text(at)
    return verdicts


def _verdict(character: str, number: int) -> bool:
    if character not in VERDICTS:
        raise RowError(f"expected + or - as mark {number}, got {preview(character)}", code=Code.BAD_LABEL)
    return VERDICTS[character]


def _other_text(at: int) -> RowError:
    return RowError(f"the label differs from the input from character {at}", code=Code.BAD_LABEL)


def _first_step(text: str) -> int:
    """Return the index of the first step."""
    before = text.split(MARK)[0]
    found = [before.find(name) for name in FIRST if before.count(name) == 1]
    if len(found) != 1 or sum(before.count(name) for name in FIRST) != 1:
        raise RowError('expected "Step 1:" once before the first mark', code=Code.BAD_TURNS)
    return found[0]
