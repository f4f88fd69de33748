"""Solutions in one text, in which a mark ends each step, and a second text has the verdicts where the marks are."""

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview

MARK = "ки"
FIRST = ("Step 1:", "step 1:")
VERDICTS = {"+": True, "-": False}


@register_filter
def before_first_step(text: str) -> str:
    """The question before "Step 1:", without outer blanks.

    >>> before_first_step("Two and two? Step 1: Four. ки")
    'Two and two?'

    Raises:
        RowError: `bad_turns` where the first marked step does not hold "Step 1:" once, so that nothing says where the
            question ends.
    """
    return text[: _first_step(text)].strip()


@register_filter
def marked_steps(text: str) -> list[str]:
    r"""The steps from "Step 1:" on, each up to its mark, without outer blanks.

    >>> marked_steps("Two and two? Step 1: Add. ки\nStep 2: Four. ки")
    ['Step 1: Add.', 'Step 2: Four.']

    Raises:
        RowError: `bad_turns` where a step has no mark, and as `before_first_step`.
    """
    *steps, rest = text[_first_step(text) :].split(MARK)
    if rest.strip():
        raise RowError("there is text behind the last mark", code=Code.BAD_TURNS)
    return [step.strip() for step in steps]


@register_filter
def marked_verdicts(label: str, text: str) -> list[bool]:
    """For each mark of a text whether + stands in its place in the label, which is else the same text.

    >>> marked_verdicts("Step 1: Add. + Step 2: Five. -", "Step 1: Add. ки Step 2: Five. ки")
    [True, False]

    Raises:
        RowError: `bad_label` where the label is another text, or something else stands in a mark's place.
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
        raise RowError(f"expected + or - in the place of mark {number}, got {preview(character)}", code=Code.BAD_LABEL)
    return VERDICTS[character]


def _other_text(at: int) -> RowError:
    return RowError(f"the label is another text than the input, from character {at} on", code=Code.BAD_LABEL)


def _first_step(text: str) -> int:
    """Where the first step begins."""
    before = text.split(MARK)[0]
    found = [before.find(name) for name in FIRST if before.count(name) == 1]
    if len(found) != 1 or sum(before.count(name) for name in FIRST) != 1:
        raise RowError('expected "Step 1:" once before the first mark', code=Code.BAD_TURNS)
    return found[0]
