"""Sources of turns: columns of messages in any spelling, for all rows at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.messages import ROLES
from preftemplates.data.columnar.arrays import fill, to_arrow, to_mask, to_scalar
from preftemplates.data.columnar.cells import TurnColumns, register_operation
from preftemplates.data.columnar.kernels import Mask, holds_text, is_list, read_texts
from preftemplates.data.columnar.turns import ROLE_CODES, Numbers, PartTurns, hold_for_all
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from preftemplates.data.columnar.cells import Cells, TurnSource
    from preftemplates.data.columnar.column_texts import Pieces


@register_operation
def cell(cells: Cells, name: str) -> TurnColumns:
    """Return the messages of a column that holds, in each row, a list of messages or a single one."""
    column = cells.columns[name]
    messages = column.flatten() if is_list(column.type) else column
    contents, fine = _read_contents(pc.struct_field(messages, "content"), "text")
    roles = _read_roles(pc.struct_field(messages, "role"), lambda role: role)
    fine = fine & (roles < len(ROLES)) & _are_null(messages, ("role", "content"))
    return _make_turns(column, roles, contents, fine)


@register_operation
def spoken(
    cells: Cells,
    name: str,
    function: Callable[..., Any],
    speaker: tuple[str, str],
    content: tuple[str, str],
    others: tuple[str, ...],
) -> TurnColumns:
    """Return the messages of a column that holds, in each row, a list of objects of a row type or a single one.

    Args:
        cells: the columns.
        name: the column.
        function: the filter, which decides the message of one object.
        speaker: the name and the key of the field for the speaker.
        content: the name and the key of the field for the content: a text, or parts of which only a single text is
            known.
        others: keys whose values must be texts.
    """
    column = cells.columns[name]
    items = column.flatten() if is_list(column.type) else column
    said = pc.struct_field(items, content[1])
    contents, fine = _read_contents(said, "value")
    has_parts = is_list(said.type)
    roles = _read_roles(
        pc.struct_field(items, speaker[1]), lambda name: _find_role(function, speaker[0], content[0], name, has_parts)
    )
    for key in others:
        fine = fine & _are_texts(pc.struct_field(items, key))
    return _make_turns(column, roles, contents, fine & (roles < len(ROLES)))


def _find_role(function: Callable[..., Any], speaker: str, content: str, name: str, has_parts: bool) -> str:
    """Return the role that a filter gives a speaker; empty if the message is not a plain one."""
    text = [SimpleNamespace(type="text", value="x")] if has_parts else "x"
    try:
        (message,) = function([SimpleNamespace(**{speaker: name, content: text})])
    except PrefTemplatesError:
        return ""
    return str(message["role"]) if message == {"role": message.get("role"), "content": "x"} else ""


def _make_turns(column: pa.Array, roles: Numbers, contents: pa.Array, fine: Mask) -> TurnColumns:
    """Return the messages of each row, which are known if all of them are fine."""
    valid = to_mask(column.is_valid())
    if is_list(column.type):
        counts = fill(pc.list_value_length(column), 0).astype(np.int64)
    else:
        counts = np.ones(len(column), np.int64)
    turns = PartTurns.of_lists(counts, roles, contents)
    return TurnColumns(turns, valid & hold_for_all(fine, turns.starts, turns.ends))


_MAX_SPEAKERS = 64


def _read_roles(speakers: pa.Array, find: Callable[[str], str]) -> Numbers:
    """Return the code of each speaker's role; the number of roles if it is not known."""
    names = read_texts(speakers)
    unknown = np.full(len(speakers), len(ROLES), np.uint8)
    if names is None:
        return unknown
    encoded = names.dictionary_encode()
    if len(encoded.dictionary) > _MAX_SPEAKERS:
        return unknown
    codes = [ROLE_CODES.get(find(name), len(ROLES)) for name in encoded.dictionary.to_pylist()]
    indices = fill(encoded.indices, len(codes))
    return np.array([*codes, len(ROLES)], np.uint8).take(indices)


def _read_contents(contents: pa.Array, part_text: str) -> tuple[pa.Array, Mask]:
    """Return the text of each content, and which are known: texts, and lists with one typed part that is a text."""
    texts = _read_lone_texts(contents, part_text) if is_list(contents.type) else read_texts(contents)
    if texts is None:
        texts = pa.nulls(len(contents), pa.string())
    return texts, to_mask(texts.is_valid())


def _read_lone_texts(contents: pa.Array, text: str) -> pa.Array | None:
    parts = contents.flatten()
    counts = fill(pc.list_value_length(contents), 0).astype(np.int64)
    kinds, texts = read_texts(pc.struct_field(parts, "type")), read_texts(pc.struct_field(parts, text))
    if kinds is None or texts is None:
        return None
    is_text = to_mask(pc.equal(kinds, to_scalar("text"))) & _are_null(parts, ("type", text))
    starts = np.cumsum(counts) - counts
    known = counts == 1
    known[known] = is_text[starts[known]]
    return texts.take(to_arrow(starts, mask=~known))


def _are_null(items: pa.Array, names: Sequence[str]) -> Mask:
    """Return which objects have nothing under keys other than these."""
    fine = np.ones(len(items), bool)
    for index in range(items.type.num_fields):
        if items.type.field(index).name not in names:
            fine &= to_mask(pc.struct_field(items, index).is_null())
    return fine


def _are_texts(values: pa.Array) -> Mask:
    texts = read_texts(values)
    return np.zeros(len(values), bool) if texts is None else to_mask(texts.is_valid())


def check_items(column: pa.Array, keys: Sequence[str]) -> Mask:
    """Return in which lists all objects have texts under these keys, or one typed part that is a text."""
    items = column.flatten()
    fine = np.ones(len(items), bool)
    for key in keys:
        fine &= _read_contents(pc.struct_field(items, key), "value")[1]
    counts = fill(pc.list_value_length(column), 0).astype(np.int64)
    ends = np.cumsum(counts)
    return to_mask(column.is_valid()) & hold_for_all(fine, ends - counts, ends)


def holds_messages(arrow: pa.DataType) -> bool:
    """Return whether objects of a type have a role and a content that is a text or typed parts.

    >>> holds_messages(pa.struct([("role", pa.string()), ("content", pa.string())]))
    True
    """
    if not pa.types.is_struct(arrow):
        return False
    names = [field.name for field in arrow]
    if len(set(names)) < len(names) or not {"role", "content"} <= {*names}:
        return False
    role, content = arrow.field("role").type, arrow.field("content").type
    return holds_text(role) and (holds_text(content) or holds_parts(content))


def holds_parts(arrow: pa.DataType) -> bool:
    """Return whether contents of a type are lists of typed parts with a text."""
    if not is_list(arrow) or not pa.types.is_struct(arrow.value_type):
        return False
    names = [field.name for field in arrow.value_type]
    texts = {field.name for field in arrow.value_type if holds_text(field.type)}
    return len(set(names)) == len(names) and {"type", "text"} <= texts


@register_operation
def lone_texts(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the same messages; of typed parts, only a single text is known."""
    return cells.read_turns(source)


@register_operation
def said(cells: Cells, role: str, pieces: Pieces) -> TurnColumns:
    """Return one message in each row, with a text of literals and columns."""
    contents = cells.join(pieces)
    return TurnColumns(PartTurns.of_column(role, contents), to_mask(contents.is_valid()))
