"""Token plans: how a plan's texts are cut, encoded and checked, derived from the text of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.data.columnar.column_texts import UntraceableError
from preftemplates.data.columnar.tokens.layout import TextLayout, make_layout
from preftemplates.errors import PrefTemplatesError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.data.columnar.groups import SampleGroup
    from preftemplates.data.columnar.style_plans import TextPlan
    from preftemplates.styles.style import Style
    from preftemplates.tokens.encoder import Encoder
    from preftemplates.tokens.loss import LossSelection


class TokenPlan(NamedTuple):
    """How the texts of a plan's samples are encoded.

    Attributes:
        head: the part that is encoded once per sample; None if texts cannot be cut.
        rest: the rest of the prompt.
        tails: the rest of each response, which begins with the rest of the prompt; without responses, the prompt's own
            rest.
        control: the ids of the tokens that content must not become.
        names: the names of the control tokens that the style writes.
        trained: for each response, the indices of the messages to train on.
    """

    head: TextLayout | None
    rest: TextLayout
    tails: tuple[TextLayout, ...]
    control: frozenset[int]
    names: frozenset[str]
    trained: tuple[frozenset[int], ...]


def make_token_plan(
    plan: TextPlan,
    group: SampleGroup,
    places: Sequence[int],
    style: Style,
    encoder: Encoder,
    selection: LossSelection | None,
) -> TokenPlan:
    """Work out how the texts of a plan are encoded.

    Args:
        plan: the plan of the texts.
        group: a row whose texts the plan writes, without empty contents.
        places: the part of the sample that each response is; empty for a prompt alone.
        style: the style.
        encoder: encodes texts one by one.
        selection: the tokens to train on; None if only ids are needed.

    Raises:
        UntraceableError: the ids, or the tokens to train on, depend on more than the plan.
    """
    parts = [part.list_messages(0) for part in group.parts]
    prompt, responses = parts[0], [parts[place] for place in places]
    try:
        asked = style.render_normal(prompt, add_generation_prompt=True)
        answered = [style.render_normal([*prompt, *turns], add_generation_prompt=False) for turns in responses]
        for rendered, turns in zip(answered, responses, strict=True):
            if selection is not None:
                selection.mask(encoder.encode(rendered), [*prompt, *turns], len(prompt))
        control = {encoder.find_control_ids(rendered) for rendered in (asked, *answered)}
        written = [encoder.find_lasting(rendered) for rendered in (asked, *answered)]
    except PrefTemplatesError as error:
        raise UntraceableError(one_line(str(error), 200)) from error
    if len(control) > 1:
        raise UntraceableError("prompt and responses have different control tokens")
    if None in written:
        raise UntraceableError("a control token depends on the characters next to it")
    pieces = [plan.get_pieces(0, False), *(plan.get_pieces(place, True) for place in places)]
    layouts = [
        make_layout(text, [_read_piece(piece, group) for piece in text], rendered, tokens or [])
        for text, rendered, tokens in zip(pieces, (asked, *answered), written, strict=True)
    ]
    head, rest, tails = _cut(layouts, encoder)
    ids = {token.id for layout in layouts for token in layout.tokens}
    trained = [
        frozenset(selection.select_messages([*prompt, *turns], len(prompt)) if selection else ())
        for turns in responses
    ]
    (only,) = control
    names = frozenset(encoder.copies.names_by_id[id] for id in ids)
    return TokenPlan(head, rest, tails, only, names, (*trained,))


def _read_piece(piece: Any, group: SampleGroup) -> str:
    return piece if isinstance(piece, str) else str(group.read(piece)[0].as_py())


def _cut(
    layouts: Sequence[TextLayout], encoder: Encoder
) -> tuple[TextLayout | None, TextLayout, tuple[TextLayout, ...]]:
    """Return the head, the rest of the prompt, and the tails of the responses."""
    prompt, *responses = layouts
    last = prompt.tokens[-1] if prompt.tokens else None
    if last is None or last.start == (0, 0) or not encoder.copies.can_cut_before(encoder.copies.names_by_id[last.id]):
        return None, prompt, (*(responses or [prompt]),)
    heads, tails = zip(*(layout.cut(last.start) for layout in responses or [prompt]), strict=True)
    _, rest = prompt.cut(last.start)
    if any(head != heads[0] for head in heads):
        raise UntraceableError("the spans of the prompt depend on the response")
    return heads[0], rest, tails
