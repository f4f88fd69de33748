"""Block tokens: the ids and loss masks of a block's samples, and the samples that are encoded one by one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from preftemplates.data.columnar.arrays import to_mask
from preftemplates.data.columnar.column_texts import Column, UntraceableError
from preftemplates.data.columnar.kernels import match_part
from preftemplates.data.columnar.tokens.alignment import Alignment, TextTokens, TokenTable, align_by_offsets
from preftemplates.data.columnar.tokens.layout import Contents
from preftemplates.data.columnar.tokens.plan_tokens import TokenPlan, make_token_plan
from preftemplates.data.columnar.turns import list_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from preftemplates.data.columnar.blocks import Block, BlockTexts
    from preftemplates.data.columnar.groups import SampleGroup
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.tokens.alignment import FindOffsets
    from preftemplates.data.columnar.tokens.layout import LaidSpan, Position, TextLayout
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.styles.style import Style
    from preftemplates.tokens.encoder import Encoder
    from preftemplates.tokens.engines.engine import Engine
    from preftemplates.tokens.loss import LossSelection


_MAX_FAILURES = 3
"""How many rows are tried before all rows of a plan are encoded one by one; one may have nothing to train on."""


_SAMPLES, _BYTES = 4_096, 8 << 20
"""The most samples, and bytes of their contents, that are encoded at once, so that memory is reused."""


class TextIds(NamedTuple):
    """The tokens of the texts of some samples.

    Attributes:
        ids: the ids of all texts, shape (T,).
        mask: which of them are trained on, shape (T,); None if only ids are needed.
        counts: the number of ids of each text, shape (N,).
    """

    ids: Numbers
    mask: Mask | None
    counts: Numbers


class BlockTokens(NamedTuple):
    """The tokens of the samples of a block.

    Attributes:
        places: the place of each sample in the block, in order.
        prompt_counts: the number of tokens of each sample's prompt; meaningless if only ids are needed.
        responses: the tokens of each response by name, including the prompt; those of the prompt if there is no
            response.
        left: the places of the other samples, which are encoded one by one.
    """

    places: Numbers
    prompt_counts: Numbers
    responses: Mapping[str, TextIds]
    left: Numbers


class _Rows(NamedTuple):
    """The samples of a block that one plan fits."""

    places: Numbers
    contents: Contents
    plan: TokenPlan
    first: int
    """The index of the first of their texts. There are parts times samples texts, one part after another."""


class _Encoded(NamedTuple):
    """The tokens of all texts that are encoded for a block.

    Attributes:
        ids, counts: as in `TextTokens`.
        firsts: the index of the first token of each text.
        bases: the byte at which each text starts among the bytes of all.
        alignment: which bytes each token covers.
        mask: which tokens are trained on; None if only ids are needed.
    """

    ids: Numbers
    counts: Numbers
    firsts: Numbers
    bases: Numbers
    alignment: Alignment
    mask: Mask | None

    def has_trained(self, texts: slice) -> Mask:
        """Return which texts have a token that is trained on."""
        assert self.mask is not None
        firsts, counts = self.firsts[texts], self.counts[texts]
        sums = np.append(0, np.cumsum(self.mask[firsts[0] : firsts[-1] + counts[-1]]))
        starts = firsts - firsts[0]
        return np.asarray(sums[starts + counts] > sums[starts])


class _Pieces(NamedTuple):
    """The places of a plan's tokens among the ids of all texts: those of the head and those of the tails."""

    places: Numbers
    prompt_counts: Numbers
    has_prefix: Mask
    starts: Numbers
    """The first token of the head and of the tail of each response, shape (R, 2, N)."""
    counts: Numbers


class BlockEncoder:
    """Encodes the texts of blocks.

    Args:
        encoder: encodes texts one by one.
        style: the style of the texts.
        engine: encodes many texts at once, with the ids of the encoder's tokenizer.
        table: the bytes of the tokens.
        selection: the tokens to train on; None if only ids are needed.
        find_offsets: returns the characters of each token, for texts that their tokens do not spell exactly; None if
            they cannot be known.

    Attributes:
        engine: the engine in use.
    """

    def __init__(
        self,
        encoder: Encoder,
        style: Style,
        engine: Engine,
        table: TokenTable,
        selection: LossSelection | None,
        find_offsets: FindOffsets | None,
    ) -> None:
        self._encoder, self._style, self.engine = encoder, style, engine
        self._table, self._selection, self._find_offsets = table, selection, find_offsets
        self._plans: dict[Any, TokenPlan | str] = {}
        self._failures = Counter[Any]()
        self._control: dict[frozenset[int], Mask] = {}

    def encode(self, block: Block) -> BlockTokens:
        """Return the tokens of the samples in a block whose texts are written by plans."""
        assert block.texts is not None
        count = len(block.rows)
        size = sum(int(part.measure().sum()) for part in block.parts.values())
        samples = min(_SAMPLES, max(1, _BYTES * count // max(size, 1)))
        if count <= samples:
            return self._encode_some(block.texts, count)
        starts = range(0, count, samples)
        parts = [block.texts.take(np.arange(start, min(start + samples, count))) for start in starts]
        return _concat([self._encode_some(part, len(part.planned.which)) for part in parts], starts)

    def _encode_some(self, texts_of: BlockTexts, count: int) -> BlockTokens:
        planned, group, places = texts_of
        names = [name for name in places if name != "prompt"]
        wanted = tuple(places[name] for name in names)
        rows, texts, done = list[_Rows](), list[pa.Array](), 0
        for number in np.unique(planned.which).tolist():
            at = np.flatnonzero(planned.which == number)
            contents = Contents(group.take(at))
            filled = _find_filled(contents, planned.plans[number], wanted)
            if not filled.any():
                continue
            if not filled.all():
                at, contents = at[filled], Contents(contents.group.take(np.flatnonzero(filled)))
            plan = self._find_plan(planned.plans[number], wanted, contents.group)
            if isinstance(plan, str):
                continue
            written = [part.write(contents) for part in self._list_parts(plan)]
            rows.append(_Rows(at, contents, plan, done))
            texts += written
            done += sum(map(len, written))
        encoded = self._encode_texts(texts)
        pieces = [piece for piece in (self._check(one, encoded) for one in rows) if len(piece.places)]
        return self._join(pieces, encoded, names or ["prompt"], count)

    def _list_parts(self, plan: TokenPlan) -> list[TextLayout]:
        """Return the parts of texts to encode; if only ids are needed, the end of the prompt is not searched for."""
        return [*filter(None, (plan.head, None if self._selection is None else plan.rest)), *plan.tails]

    def _find_plan(self, plan: Any, places: tuple[int, ...], group: SampleGroup) -> TokenPlan | str:
        key = (plan, places)
        if key not in self._plans:
            try:
                self._plans[key] = make_token_plan(
                    plan, group.take(np.array([0])), places, self._style, self._encoder, self._selection
                )
            except UntraceableError as error:
                self._failures[key] += 1
                if self._failures[key] < _MAX_FAILURES:
                    return str(error)
                self._plans[key] = str(error)
        return self._plans[key]

    def _encode_texts(self, texts: Sequence[pa.Array]) -> _Encoded:
        column = pa.concat_arrays(texts) if texts else pa.nulls(0, pa.string())
        tokens = TextTokens(column, *self.engine.encode(column.to_pylist()))
        if self._selection is None:
            nowhere, unknown = np.zeros(len(tokens.ids), np.int8), np.zeros(len(tokens.counts), bool)
            alignment, mask = Alignment(nowhere, nowhere, unknown), None
        else:
            alignment, mask = self._table.align(tokens), np.zeros(len(tokens.ids), bool)
            if self._find_offsets is not None:
                alignment = align_by_offsets(tokens, alignment, self._find_offsets)
        return _Encoded(tokens.ids, tokens.counts, tokens.borders[:-1], tokens.bases[:-1], alignment, mask)

    def _check(self, rows: _Rows, encoded: _Encoded) -> _Pieces:
        """Check the tokens of a plan's samples, fill in their mask, and return where the correct ones are."""
        plan, count = rows.plan, len(rows.places)
        fine = np.ones(count, bool)
        for number, part in enumerate(self._list_parts(plan)):
            first = rows.first + number * count
            fine &= self._check_part(part, plan, rows.contents, encoded, slice(first, first + count))
        at = int(plan.head is not None)
        heads = slice(rows.first, rows.first + count)
        rest = slice(rows.first + at * count, rows.first + (at + (self._selection is not None)) * count)
        tails = [slice(rest.stop + number * count, rest.stop + (number + 1) * count)
                 for number in range(len(plan.tails))]  # fmt: skip
        prompt_counts = np.zeros(count, np.int64)
        if self._selection is not None:
            prompt_counts += encoded.counts[rest]
            for tail in tails:
                fine &= _begins_with(encoded, tail, rest)
                if plan.trained:
                    fine &= encoded.has_trained(tail) | (encoded.has_trained(heads) if at else False)
        firsts, counts, empty = encoded.firsts, encoded.counts, np.zeros(count, np.int64)
        head = (firsts[heads], counts[heads]) if at else (empty, empty)
        starts = np.array([[head[0], firsts[tail]] for tail in tails])
        numbers = np.array([[head[1], counts[tail]] for tail in tails])
        has_prefix = self._has_prefix(encoded, starts[0, 0 if at else 1], numbers[0, 0 if at else 1])
        added = np.where(has_prefix, 0, len(self._encoder.copies.prefix_ids))
        kept = np.flatnonzero(fine)
        return _Pieces(
            rows.places[kept],
            (added + head[1] + prompt_counts)[kept],
            has_prefix[kept],
            starts[:, :, kept],
            numbers[:, :, kept],
        )

    def _has_prefix(self, encoded: _Encoded, starts: Numbers, counts: Numbers) -> Mask:
        """Return whether texts begin with the ids that the tokenizer puts before plain text."""
        prefix = self._encoder.copies.prefix_ids
        same = counts >= len(prefix)
        for offset, id in enumerate(prefix):
            same &= encoded.ids[np.minimum(starts + offset, max(len(encoded.ids) - 1, 0))] == id
        return same

    def _check_part(
        self, part: TextLayout, plan: TokenPlan, contents: Contents, encoded: _Encoded, texts: slice
    ) -> Mask:
        """Return which texts have exactly the control tokens of the plan, and fill in their mask."""
        starts, counts = part.find_starts(contents), encoded.counts[texts]
        tokens = slice(int(encoded.firsts[texts.start]), int(encoded.firsts[texts.start] + counts.sum()))
        ids, known, bases = encoded.ids[tokens], encoded.alignment.known[texts], encoded.bases[texts]
        at = np.flatnonzero(self._find_control(plan.control)[ids])
        borders = np.cumsum(counts)
        owners = np.searchsorted(borders, at, "right")
        fine = np.bincount(owners, minlength=len(counts)) == len(part.tokens)
        rows = np.flatnonzero(fine)
        at = at[fine[owners]].reshape(len(rows), len(part.tokens))
        is_right = (ids[at] == np.array([token.id for token in part.tokens], np.int64)).all(axis=1)
        token_starts, token_ends = encoded.alignment.starts[tokens], encoded.alignment.ends[tokens]
        for number, token in enumerate(part.tokens if known.any() else ()):
            place = at[:, number]
            start, end = bases[rows] + _find(starts, token.start)[rows], bases[rows] + _find(starts, token.end)[rows]
            following = token_starts[np.minimum(place + 1, len(ids) - 1)]  # no token's offsets may include an accent
            reach = np.maximum(token_ends[place], np.where(place + 1 == borders[rows], end, following))
            covers = (token_starts[place] <= start) & (end <= reach)
            is_right &= covers | ~known[rows]
            sure = known[rows] & covers
            token_starts[place[sure]], token_ends[place[sure]] = start[sure], end[sure]
        fine[rows[~is_right]] = False
        if not known.all():
            fine &= known | ~_spell_any(part, contents, plan.names)
        if encoded.mask is not None:
            if _has_trained(part, plan):
                fine &= known
            self._fill_mask(part, plan, starts, encoded, texts, tokens)
        return np.asarray(fine)

    def _find_control(self, control: frozenset[int]) -> Mask:
        """Return which ids belong to control tokens."""
        if control not in self._control:
            is_control = np.zeros(self._table.size, bool)
            is_control[[*control]] = True
            self._control[control] = is_control
        return self._control[control]

    def _fill_mask(
        self, part: TextLayout, plan: TokenPlan, starts: Numbers, encoded: _Encoded, texts: slice, tokens: slice
    ) -> None:
        """Mark the tokens that are trained on."""
        trained, kinds = _find_trained(part, plan), self._selection.kinds if self._selection else ()
        chosen = [span.kind in kinds and span.message in trained for span in part.spans]
        if encoded.mask is None or not any(chosen):
            return
        bases = encoded.bases[texts]
        token_starts, token_ends = encoded.alignment.starts[tokens], encoded.alignment.ends[tokens]
        changes = np.zeros(len(token_starts) + 1, np.int64)
        before: LaidSpan | None = None
        for span, is_chosen in zip(part.spans, chosen, strict=True):
            if is_chosen:
                first = np.searchsorted(token_ends, bases + _find(starts, span.start), "right")
                if before is not None:
                    taken = np.searchsorted(token_starts, bases + _find(starts, before.end), "left")
                    first = np.maximum(first, taken)
                stop = np.maximum(first, np.searchsorted(token_starts, bases + _find(starts, span.end), "left"))
                np.add.at(changes, first, 1)
                np.add.at(changes, stop, -1)
            before = before if span.kind == "scaffold" else span
        encoded.mask[tokens] |= np.cumsum(changes[:-1]) > 0

    def _join(self, pieces: Sequence[_Pieces], encoded: _Encoded, names: Sequence[str], count: int) -> BlockTokens:
        """Return the tokens of all correct samples, in the order of the block."""
        places = np.concatenate([np.zeros(0, np.int64), *(piece.places for piece in pieces)])
        order = np.argsort(places, kind="stable")
        left = np.ones(count, bool)
        left[places] = False
        if not len(places):
            nothing = TextIds(np.zeros(0, np.int32), None if encoded.mask is None else np.zeros(0, bool), places)
            return BlockTokens(places, places, dict.fromkeys(names, nothing), np.flatnonzero(left))
        prefix = np.array(self._encoder.copies.prefix_ids, encoded.ids.dtype)
        ids = np.concatenate([encoded.ids, prefix])
        mask = None if encoded.mask is None else np.append(encoded.mask, np.zeros(len(prefix), bool))
        has_prefix = np.concatenate([piece.has_prefix for piece in pieces])[order]
        starts = np.concatenate([piece.starts for piece in pieces], axis=2)[:, :, order]
        counts = np.concatenate([piece.counts for piece in pieces], axis=2)[:, :, order]
        responses = {}
        for number, name in enumerate(names):
            first = np.stack([np.full(len(order), len(encoded.ids)), *starts[number]], axis=1).ravel()
            each = np.stack([np.where(has_prefix, 0, len(prefix)), *counts[number]], axis=1)
            at = list_ranges(first, each.ravel())
            responses[name] = TextIds(ids[at], None if mask is None else mask[at], each.sum(axis=1))
        prompt_counts = np.concatenate([piece.prompt_counts for piece in pieces])[order]
        return BlockTokens(places[order], prompt_counts, responses, np.flatnonzero(left))


def _concat(parts: Sequence[BlockTokens], starts: Sequence[int]) -> BlockTokens:
    """Join the tokens of parts of a block, given where each part begins."""

    def join(arrays: Iterable[Numbers]) -> Numbers:
        return np.concatenate([*arrays])

    responses = {}
    for name in parts[0].responses:
        texts = [part.responses[name] for part in parts]
        masks = [text.mask for text in texts if text.mask is not None]
        responses[name] = TextIds(
            join(text.ids for text in texts), join(masks) if masks else None, join(text.counts for text in texts)
        )
    return BlockTokens(
        join(part.places + start for part, start in zip(parts, starts, strict=True)),
        join(part.prompt_counts for part in parts),
        responses,
        join(part.left + start for part, start in zip(parts, starts, strict=True)),
    )


def _find_filled(contents: Contents, plan: Any, places: Sequence[int]) -> Mask:
    """Return in which rows no content of a plan's texts is empty."""
    texts = [plan.get_pieces(0, False), *(plan.get_pieces(place, True) for place in places)]
    filled = np.ones(len(contents), bool)
    for column in {piece for text in texts for piece in text if isinstance(piece, Column)}:
        filled &= contents.measure(column) > 0
    return filled


def _find(starts: Numbers, position: Position) -> Numbers:
    """Return the byte of a position in each text."""
    return np.asarray(starts[:, position.piece] + position.byte)


def _begins_with(encoded: _Encoded, texts: slice, beginnings: slice) -> Mask:
    """Return whether the tokens of texts begin with those of others, and cover the same characters there."""
    counts, alignment = encoded.counts[beginnings], encoded.alignment
    fits = (counts <= encoded.counts[texts]) & alignment.known[texts] & alignment.known[beginnings]
    some = np.where(fits, counts, 0)
    places, others = list_ranges(encoded.firsts[texts], some), list_ranges(encoded.firsts[beginnings], some)
    same = encoded.ids[places] == encoded.ids[others]
    distances = np.repeat(encoded.bases[texts] - encoded.bases[beginnings], some)
    for borders in (alignment.starts, alignment.ends):
        same &= borders[places] == borders[others] + distances
    wrong = np.append(0, np.cumsum(~same))
    ends = np.cumsum(some)
    return np.asarray(fits & (wrong[ends] == wrong[ends - some]))


def _spell_any(part: TextLayout, contents: Contents, names: frozenset[str]) -> Mask:
    """Return in which rows a content of a text spells one of these names."""
    found = np.zeros(len(contents), bool)
    for column in {piece for piece in part.pieces if isinstance(piece, Column)}:
        for name in names:
            found |= to_mask(match_part(contents.read(column), name))
    return found


def _find_trained(part: TextLayout, plan: TokenPlan) -> frozenset[int]:
    """Return the messages of a part that are trained on."""
    number = next((at for at, tail in enumerate(plan.tails) if tail is part), 0)
    return plan.trained[number] if plan.trained else frozenset()


def _has_trained(part: TextLayout, plan: TokenPlan) -> bool:
    trained = _find_trained(part, plan)
    return any(span.message in trained for span in part.spans)
