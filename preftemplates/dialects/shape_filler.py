"""Filling: the values of a result, as the shapes of a dialect's table ask for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_origin

from preftemplates.core.provenance import plain, plain_data
from preftemplates.dialects.media import MEDIA_VIEWS, check_parts_are_known, join_text_parts, spell_media
from preftemplates.dialects.message_views import MESSAGE_VIEWS, MessageKeys
from preftemplates.dialects.table import (
    TOOL_VIEWS,
    DefaultedField,
    FixedValue,
    LabelField,
    ListShape,
    MediaField,
    ObjectShape,
    PerResponseShape,
    ResultShape,
    SampleField,
    ToolsField,
)
from preftemplates.errors import Code, RowError, StyleContractError

if TYPE_CHECKING:
    from collections.abc import Collection

    from preftemplates.core.samples import Sample


@dataclass(frozen=True)
class ShapeFiller:
    """Fill shapes with the prompt, the responses and the labels of a sample.

    Attributes:
        messages: the sample with lists of messages; a response holds only its own messages.
        texts: the sample with texts; a response holds the prompt and its own text. None if no shape needs text.
        message_keys: the dialect's spelling of messages.
        shows_media: whether the row has media, so that messages need placeholders or marks for them.
        may_lack: labels that are null where the sample has none.
        index: the index of the response to fill, inside a `PerResponseShape`.
    """

    messages: Sample[Any]
    texts: Sample[Any] | None
    message_keys: MessageKeys
    shows_media: bool = False
    may_lack: Collection[str] = ()
    index: int | None = None

    def fill(self, shape: ResultShape) -> Any:
        """Return the value of a shape.

        Raises:
            RowError: the dialect has no place for the messages, or the sample lacks a required label.
            StyleContractError: the shape needs the text of a response alone, and it does not begin with the prompt's
                text.
        """
        if type(shape) is SampleField:
            return self._fill_field(shape)
        if isinstance(shape, FixedValue):
            return shape.value
        if isinstance(shape, DefaultedField):
            label = self._fill_label(shape.field)
            return shape.default.value if label is None else label
        if isinstance(shape, ObjectShape):
            return {key: self.fill(inner) for key, inner in shape.fields if not self._lacks(inner)}
        if isinstance(shape, ListShape):
            return [self.fill(inner) for inner in shape.shapes]
        if isinstance(shape, PerResponseShape):
            return self._fill_per_response(shape.shape)
        if isinstance(shape, ToolsField):
            return None if self.messages.tools is None else TOOL_VIEWS[shape.view](plain(self.messages.tools))
        return self._fill_label(shape) if isinstance(shape, LabelField) else self._fill_field(shape)

    def _fill_field(self, field: SampleField) -> Any:
        """Return the value of the prompt or of a response, or a list with all of several responses."""
        name, several = field.name, self.messages.several
        if name == several and self.index is None:
            return self._fill_per_response(field)
        name = f"{name}[{self.index}]" if name == several else name
        return self._fill_messages(field, name) if field.view else self._fill_text(field, name)

    def _lacks(self, shape: ResultShape) -> bool:
        """Return whether a key is left out of this result."""
        return isinstance(shape, ToolsField) and not shape.is_text and self.messages.tools is None

    def _fill_per_response(self, shape: ResultShape) -> list[Any]:
        count = len(self.messages.responses)
        return [replace(self, index=index).fill(shape) for index in range(count)]

    def _fill_label(self, field: SampleField) -> Any:
        value = getattr(self.messages, field.name)
        if value is None and field.optional and field.name in self.may_lack:
            return None
        if value is None:
            raise RowError(f"the sample has no {field.name}", code=Code.MISSING_FIELD)
        listed = get_origin(self.messages.label_types[field.name]) is list
        return plain_data(value[self.index] if listed and self.index is not None else value)

    def _fill_messages(self, field: SampleField, name: str) -> Any:
        messages = self.messages.prompt if name == "prompt" else self.messages.responses[name]
        if field.with_prompt:
            messages = [*self.messages.prompt, *messages]
        if isinstance(field, MediaField):
            return plain_data(MEDIA_VIEWS[field.view].build(messages))
        view = MESSAGE_VIEWS[field.view]
        if self.message_keys.media != "inline":
            for message in messages:
                check_parts_are_known(message)
        if self.shows_media:
            spelling, as_text = self.message_keys.media, view.kind not in ("messages", "message")
            messages = [spell_media(message, spelling, as_text=as_text) for message in messages]
        elif self.message_keys.media == "marks":
            messages = [join_text_parts(message) for message in messages]
        before = [self.messages.prompt] if view.needs_prompt and not field.with_prompt and name != "prompt" else []
        return view.build(messages, self.message_keys, *before)

    def _fill_text(self, field: SampleField, name: str) -> str:
        assert self.texts is not None
        if name == "prompt":
            return plain(self.texts.prompt)
        whole = plain(self.texts.responses[name])
        if field.with_prompt:
            return whole
        before = self._text_before(name)
        if not whole.startswith(before):
            raise StyleContractError(
                f"the text of {name} does not begin with the prompt's text, so it cannot be separated from it;"
                " use a dialect with whole texts or messages",
                code=Code.PREFIX_UNSTABLE,
            )
        return whole[len(before) :]

    def _text_before(self, name: str) -> str:
        """Return the text before a response's own: the prompt's, or the text up to the step before it."""
        assert self.texts is not None
        if not self.texts.pieces:
            return plain(self.texts.prompt)
        names = list(self.texts.responses)
        index = names.index(name)
        return plain(self.texts.responses[names[index - 1]] if index else self.texts.prompt)
