"""Token ids of many samples at once: the ids of `tokenize`, at the speed of plain encoding."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.containers import list_strings as list_strings  # the trainer imports it from here
from preftemplates.core.messages import CONTENT_TOKENS
from preftemplates.core.spans import Rendered, Span
from preftemplates.errors import RowError
from preftemplates.templates.rendering import render_sample
from preftemplates.tokens.tokenize import make_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.core.samples import Sample
    from preftemplates.styles.style import Style
    from preftemplates.tokens.tokenizers import FastTokenizer

Extent = tuple[int, int]
"""The characters `(start, end)` of a part of a text, half-open."""


class TextSample(NamedTuple):
    """The texts of a sample, with the data that separates content from style in them.

    Attributes:
        responses: the whole text of each response, including the prompt.
        messages: the messages of these texts; None for a custom template.
        contents: for a custom template, the extents of content in each response.
    """

    responses: Sequence[str]
    messages: Sample[list[Message]] | None = None
    contents: Sequence[Sequence[Extent]] = ()


class SampleIds(NamedTuple):
    """The token ids of a sample's responses.

    Attributes:
        responses: the ids of each whole text.
        control_text: whether content spells a control token, which is then encoded as plain text.
    """

    responses: list[list[int]]
    control_text: bool = False


class _Written(NamedTuple):
    """The control tokens that a style writes into the texts of samples with one structure.

    Attributes:
        control: the ids of all control tokens, for each response.
        sequences: the ids of the control tokens in each response, in order.
        prompt: the names of the prompt's control tokens, up to one before which texts may be cut; empty if there is
            none, or if the sample has only one response.
    """

    control: Sequence[frozenset[int]]
    sequences: Sequence[Sequence[int]]
    prompt: Sequence[str] = ()


class SampleEncoder:
    r"""Encode the whole texts of samples as `tokenize` does, many at once.

    All texts are encoded plainly. The text before the last control token of the prompt is encoded once for all
    responses, if that gives the same ids (`TokenizerCopies.can_cut_before`). The ids are kept if they have the control
    tokens that the style writes into samples of this structure (roles and keys of the messages), and if no content
    spells one of these tokens. Other samples, and the first of each structure, are rendered again with spans and
    encoded one by one.

    Args:
        tokenizer: a fast tokenizer of transformers.
        style: the style of the texts; None if a custom template writes them. A custom text has the ids of
            `tokenizer(text)`, except that content spells no control token. So the tokenizer adds its own BOS even if
            the template writes one at the start, and the text then has two.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> from preftemplates import Preference, get_style
        >>> letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        >>> model = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
        >>> model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|im_end|>")
        >>> style, samples = get_style("chatml"), []
        >>> for answer in ("Yes.", "Yes.<|im_end|>"):
        ...     answers = [[{"role": "assistant", "content": text}] for text in (answer, "No.")]
        ...     pair = Preference(prompt=[{"role": "user", "content": "Hi"}], chosen=answers[0], rejected=answers[1])
        ...     samples.append(TextSample(style.texts(pair.prompt, answers)[1], pair))
        >>> encoded = SampleEncoder(tokenizer, style).encode(samples)
        >>> [(sample.control_text, sample.responses[0].count(tokenizer.eos_token_id)) for sample in encoded]
        [(False, 2), (True, 2)]
    """

    def __init__(self, tokenizer: FastTokenizer, style: Style | None) -> None:
        self._encoder = make_encoder(tokenizer)
        self._copies = self._encoder.copies
        self._style = style
        self._written_in: dict[Any, _Written] = {}

    def encode(self, samples: Sequence[TextSample]) -> list[SampleIds | None]:
        """Return the ids of each sample.

        Returns:
            None for a sample with a character for which the tokenizer has only a control token.
        """
        exact: dict[int, SampleIds | None] = {}
        parts: dict[int, list[str]] = {}
        for index, sample in enumerate(samples):
            structure = self._describe(sample)
            if structure is None or structure in self._written_in:
                parts[index] = self._cut(sample, structure)
            else:
                exact[index] = self._try_exactly(sample, structure)
        # one call for all texts, since tokenizers runs the texts of a call in parallel
        encodings = self._copies.full.encode_batch_fast(
            [*chain.from_iterable(parts.values())], add_special_tokens=False
        )
        ids = (encoding.ids for encoding in encodings)  # `islice` below takes those of each sample in turn
        return [
            exact[index] if index in exact else self._encode_sample(sample, [*islice(ids, len(parts[index]))])
            for index, sample in enumerate(samples)
        ]

    def _describe(self, sample: TextSample) -> Any:
        """Return the structure that decides which control tokens the style writes; None for a custom template."""
        if self._style is None or sample.messages is None:
            return None
        return _describe_structure(sample.messages)

    def _cut(self, sample: TextSample, structure: Any) -> list[str]:
        """Return the common start of all responses and the rest of each, or whole responses if they cannot be cut."""
        at, names = 0, self._written_in[structure].prompt if structure is not None else ()
        # a content may spell a name before the style writes it: `_is_as_written` then rejects the sample
        for name in names:
            at = sample.responses[0].find(name, at) + len(name)
            if at < len(name):  # `find` has returned -1
                return [*sample.responses]
        at -= len(names[-1]) if names else 0
        head = sample.responses[0][:at]
        if not head or not all(text.startswith(head) for text in sample.responses):
            return [*sample.responses]
        return [head, *(text[at:] for text in sample.responses)]

    def _encode_sample(self, sample: TextSample, plain: list[list[int]]) -> SampleIds | None:
        if len(plain) > len(sample.responses):  # `_cut` has put the common start first
            head, *rests = plain
            plain = [head + rest for rest in rests]
        structure = self._describe(sample)
        if structure is None:
            return self._encode_custom(sample, plain)
        if self._is_as_written(sample, plain, self._written_in[structure]):
            return SampleIds([self._add_prefix(ids) for ids in plain])
        return self._try_exactly(sample, structure)

    def _try_exactly(self, sample: TextSample, structure: Any) -> SampleIds | None:
        assert sample.messages is not None
        assert self._style is not None
        try:
            return self._encode_exactly(sample.messages, self._style, structure)
        except RowError:
            return None

    def _is_as_written(self, sample: TextSample, plain: list[list[int]], written: _Written) -> bool:
        """Return whether plain ids are those that `tokenize` gives."""
        for ids, control, sequence in zip(plain, written.control, written.sequences, strict=True):
            if [id for id in ids if id in control] != sequence:
                return False
        # the right ids in the right order may still be those of content, which can spell <|end|> and break the style's
        # own: with an added token "a<|", an "a" before it does
        names = {self._copies.names_by_id[id] for sequence in written.sequences for id in sequence}
        return not any(name in text for text in _list_sample_strings(sample.messages) for name in names)

    def _encode_exactly(self, messages: Sample[list[Message]], style: Style, structure: Any) -> SampleIds:
        """Render the sample with spans and encode it; remember its control tokens for samples of its structure."""
        rendered, encoder = render_sample(messages, style), self._encoder
        responses = [*rendered.responses.values()]
        ids = [[*encoder.encode(response).input_ids] for response in responses]
        control = [encoder.find_control_ids(response) for response in responses]
        sequences = [[id for id in of_text if id in known] for of_text, known in zip(ids, control, strict=True)]
        cut = self._find_cut(rendered.prompt, sequences)
        # right for other contents too: `encode` makes no control token of what this sample's content spells
        self._written_in.setdefault(structure, _Written(control, sequences, cut))
        return SampleIds(ids, any(encoder.find_forged(response) for response in responses))

    def _find_cut(self, prompt: Rendered, sequences: Sequence[Sequence[int]]) -> list[str]:
        """Return the names of a prompt's control tokens if texts that begin with it may be cut at the last one."""
        written = self._encoder.find_written(prompt)
        ids = [token.id for token in written]
        names = [self._copies.names_by_id[id] for id in ids]
        if len(sequences) < 2 or not names or any(sequence[: len(ids)] != ids for sequence in sequences):
            return []
        return names if self._copies.can_cut_before(names[-1]) else []

    def _encode_custom(self, sample: TextSample, plain: list[list[int]]) -> SampleIds | None:
        """Encode the texts of a custom template, in which whole values of the row count as content."""
        copies, names = self._copies, self._copies.special.difference(CONTENT_TOKENS)
        contents = sample.contents or [()] * len(sample.responses)
        spelled = [
            [extent for extent in extents if any(name in text[slice(*extent)] for name in names)]
            for text, extents in zip(sample.responses, contents, strict=True)
        ]
        responses = [
            self._encode_marked(text, extents) if extents else ids
            for text, extents, ids in zip(sample.responses, spelled, plain, strict=True)
        ]
        if any(ids is None for ids in responses):
            return None
        # both, as in `tokenizer(text)`: no style has begun or ended the text
        edges = copies.prefix_ids, copies.suffix_ids
        return SampleIds([[*edges[0], *(ids or ()), *edges[1]] for ids in responses], any(spelled))

    def _encode_marked(self, text: str, extents: Sequence[Extent]) -> list[int] | None:
        spans = tuple(_partition(len(text), extents))
        try:
            return [token.id for token in self._encoder.encode_without_prefix(Rendered(text, lambda: spans))]
        except RowError:
            return None

    def _add_prefix(self, ids: list[int]) -> list[int]:
        """Put the tokenizer's prefix, such as a BOS, before the ids, unless the style wrote it."""
        prefix = list(self._copies.prefix_ids)
        return ids if ids[: len(prefix)] == prefix else prefix + ids


def find_extents(text: str, values: Sequence[str]) -> tuple[Extent, ...]:
    """Return where whole values occur in a text, without the whitespace around them.

    >>> find_extents("USER: Hi ASSISTANT: Hi there", ["Hi", "Hi there "])
    ((6, 8), (20, 22), (20, 28))
    """
    extents = set[Extent]()
    # without "", which `find` would find at the same place forever
    for value in {value.strip() for value in values} - {""}:
        start = text.find(value)
        while start >= 0:
            extents.add((start, start + len(value)))
            start = text.find(value, start + len(value))
    return tuple(sorted(extents))


def _partition(length: int, extents: Sequence[Extent]) -> Iterator[Span]:
    """Yield spans that partition a text of this length: content in the extents, scaffold between them."""
    at = 0
    for start, end in sorted(extents):
        if at < start:
            yield Span(at, start, "scaffold")
        if at < end:
            yield Span(max(at, start), end, "content")  # extents may overlap: "Hi" is in "Hi there" too
        at = max(at, end)
    if at < length:
        yield Span(at, length, "scaffold")


def _describe_structure(sample: Sample[list[Message]]) -> Any:
    """Return what decides which control tokens a style writes: tools, and the roles and filled keys of messages."""
    return (
        bool(sample.tools),
        *(
            # filled keys, since a chat template tests `{% if message.tool_calls %}`
            tuple((message["role"], *(key for key, value in message.items() if value)) for message in messages)
            for messages in (sample.prompt, *sample.responses.values())
        ),
    )


def _list_sample_strings(sample: Sample[list[Message]] | None) -> Iterator[str]:
    """Yield everything that a style may write of a sample: all strings of its messages and tools."""
    if sample is not None:
        yield from list_strings([sample.tools, sample.prompt, *sample.responses.values()])
