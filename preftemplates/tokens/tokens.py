"""Tokens: a text's ids with who owns each, and no id of a control token but where the style wrote it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise, takewhile
from typing import Any, Literal, NamedTuple, Protocol, overload
from weakref import WeakKeyDictionary

from preftemplates.core.messages import CONTENT_TOKENS
from preftemplates.core.samples import Sample
from preftemplates.core.spans import Rendered, Span, SpanKind
from preftemplates.errors import Code, DefinitionError, RowError, SpanError, StyleContractError, did_you_mean, preview


class FastTokenizer(Protocol):
    """What is asked of a tokenizer: to be one of the fast ones of transformers."""

    @property
    def is_fast(self) -> bool:
        """Whether it is one."""

    @property
    def backend_tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer` that does the work; it is copied, and never changed."""

    @property
    def all_special_tokens(self) -> list[str]:
        """The tokens that have a name, such as BOS."""


@dataclass(frozen=True)
class Tokens:
    r"""A text's tokens: T ids, and for each the characters that it covers and the span that it belongs to.

    A token belongs to the span of the first character that it covers and that is no scaffold; where all of them are
    scaffold, to the first one's. So ` Hi` belongs to the content `Hi`, also where the style wrote the blank. A
    character that is several tokens owns them all. A control token covers its own characters only, also where it
    swallows the blanks around it. A token that covers no character (the BOS that the tokenizer adds,
    the blank that it puts in front of a text) belongs to nobody, and is in no mask.

    Attributes:
        rendered: the text.
        input_ids: T ids.
        offsets: for each token the characters `(start, end)` of `rendered.text` that it covers, in code points,
            half-open; `(0, 0)` for what the tokenizer adds in front.
        prompt_length: how many of the first tokens are the prompt's; 0 where the text is no response.
        apart: whether prompt and response are encoded apart, because the text as a whole has a token across the
            prompt's end, and so has other ids.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> from preftemplates import get_style, tokenize
        >>> letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        >>> model = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
        >>> model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="</s>")
        >>> answer = get_style("zephyr").render([{"role": "assistant", "content": "a</s>"}])
        >>> tokens = tokenize(answer, tokenizer)
        >>> mask = tokens.mask("content", "stop", role="assistant")
        >>> tokenizer.convert_ids_to_tokens([id for id, trained in zip(tokens.input_ids, mask) if trained])
        ['a', '<', '/', 's', '>', '</s>']
    """

    rendered: Rendered = field(repr=False)
    input_ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    prompt_length: int = 0
    apart: bool = False

    def __len__(self) -> int:
        return len(self.input_ids)

    @cached_property
    def spans(self) -> tuple[Span | None, ...]:
        """The span that each token belongs to; None for a token that covers no character."""
        spans = [span for span in self.rendered.spans if span.start < span.end]
        starts = [span.start for span in spans]
        return tuple(_owner(spans, starts, start, end) for start, end in self.offsets)

    @property
    def kinds(self) -> tuple[SpanKind | None, ...]:
        """The kind of the span that each token belongs to."""
        return tuple(None if span is None else span.kind for span in self.spans)

    def mask(self, *kinds: SpanKind, role: str | None = None) -> list[bool]:
        """One bool a token: True for those that belong to spans of these kinds, and of this role if one is given.

        Raises:
            SpanError: as `Rendered.mask`; and where no token belongs to such a span, such as to an empty content.
        """
        self.rendered.mask(*kinds, role=role)
        mask = [bool(span and span.kind in kinds and role in (None, span.role)) for span in self.spans]
        if not any(mask):
            raise SpanError(f"no token of kind {' or '.join(kinds)}" + (f" and role {role}" if role else ""))
        return mask


def _owner(spans: Sequence[Span], starts: Sequence[int], start: int, end: int) -> Span | None:
    """The span that a token belongs to which covers these characters."""
    if start == end:
        return None
    first = bisect_right(starts, start) - 1
    touched = takewhile(lambda span: span.start < end, spans[first:])
    return next((span for span in touched if span.kind != "scaffold"), spans[first])


@overload
def tokenize(
    rendered: Rendered,
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Tokens: ...


@overload
def tokenize(
    rendered: Sample[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Sample[Tokens]: ...


def tokenize(
    rendered: Rendered | Sample[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = (),
    content_tokens: Collection[str] = CONTENT_TOKENS,
) -> Tokens | Sample[Tokens]:
    """The tokens of a text, or of a sample's prompt and of each of its responses.

    The ids are those of `tokenizer(text, add_special_tokens=False)`, and in front of them what the tokenizer itself
    puts before plain text (a BOS), unless the style wrote it. What the tokenizer would put behind a text is not
    added: a text ends as its style ends it, see `Style.with_special_tokens`.

    A control token stands only where the style wrote it. Control tokens are those that the tokenizer marks special
    or names, and those of its added tokens that the style's own characters spell in this text. Content that spells
    one is encoded as plain text, as with `split_special_tokens=True`. A token that the tokenizer marks special stands
    wherever the style wrote it: also one that is a token as a word only (`single_word`), beside a letter of the
    content, where the tokenizer would not see it.

    In a sample the prompt has the same ids everywhere: the ids of a response begin with those of the prompt. Where
    the ids of the whole text do not, the response's own text is encoded apart, as text that goes on.

    Args:
        rendered: a text, or a sample of texts whose responses begin with the prompt.
        tokenizer: a fast tokenizer of transformers; its settings for padding and truncation have no effect, and it is
            not changed. Several threads may share it.
        control: further added tokens that content must not become: those that the style writes in other texts only,
            and that the tokenizer does not mark special.
        content_tokens: added tokens that content may become although the style writes them, or the tokenizer marks
            them special.

    Raises:
        DefinitionError: the tokenizer is none of the fast ones, or has no added token that `control` names.
        StyleContractError: a response does not begin with the prompt (`prefix_unstable`).
        RowError: the text is not Unicode (`bad_text`), or the tokenizer has nothing but a control token for one of
            its characters (`unsupported_content`).

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> from preftemplates import get_template, tokenize
        >>> letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        >>> model = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
        >>> model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=model)
        >>> template = get_template("PKUSafeRLHF")
        >>> pair = tokenize(template.render(template.example, "preference"), tokenizer)
        >>> len(pair.prompt), pair.chosen.prompt_length, len(pair.chosen), len(pair.rejected)
        (78, 78, 149, 103)
    """
    encoder = _encoder(tokenizer, control, content_tokens)
    if isinstance(rendered, Rendered):
        return encoder.text(rendered)
    prompt = encoder.text(rendered.prompt)
    return rendered.map(lambda _: prompt, lambda response: encoder.response(response, prompt))


def control_text(
    rendered: Rendered,
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = (),
    content_tokens: Collection[str] = CONTENT_TOKENS,
) -> tuple[Span, ...]:
    """Where content spells a control token: the characters of each, with the message that holds them.

    Args:
        rendered: a text.
        tokenizer: a fast tokenizer of transformers.
        control: as for `tokenize`, which encodes what is found here as plain text.
        content_tokens: likewise.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> from transformers import PreTrainedTokenizerFast
        >>> from preftemplates import get_style
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), eos_token="</s>")
        >>> answer = get_style("zephyr").render([{"role": "assistant", "content": "a</s>b"}])
        >>> [(span.start, span.end, span.message) for span in control_text(answer, tokenizer)]
        [(15, 19, 0)]
    """
    return _encoder(tokenizer, control, content_tokens).forged(rendered)


class Token(NamedTuple):
    """An id, and the characters that it covers."""

    id: int
    start: int
    end: int


Place = Literal["start", "after", "inside"]
"""Where a piece of a text stands: at its start, behind a control token, or inside of other text.

A tokenizer that puts a blank in front of a text does so at the start, and some do behind a token; inside of a text
none does.
"""


class Reader:
    """A tokenizer's private copies: one that reads a text as the tokenizer does, and some that see no control token.

    A copy without control tokens is made for each place that a piece can have, where the tokenizer treats it
    otherwise there, when it is first needed.
    """

    def __init__(self, tokenizer: FastTokenizer) -> None:
        backend = tokenizer.backend_tokenizer
        self.make = type(backend).from_str
        self.source: str = backend.to_str()
        source = json.loads(self.source)
        self.added = {token["content"]: token for token in source["added_tokens"]}
        self.names = {token["id"]: name for name, token in self.added.items()}
        special = {name for name, token in self.added.items() if token["special"]}
        special |= self.added.keys() & {*tokenizer.all_special_tokens}
        self.special = frozenset(special - (_unknown(source["model"]) - _ends(tokenizer)))
        self.plain = self.make(self.source)
        self.plain.no_truncation()
        self.plain.no_padding()
        probe = self.plain.encode("a")
        added = probe.special_tokens_mask
        self.before = tuple(probe.ids[: added.index(0)]) if 0 in added else ()
        self.plain.post_processor = None  # some trim the blanks off the offsets
        self.find_added = lru_cache(maxsize=4096)(self._find_added)
        self.copy = lru_cache(maxsize=16)(self._copy)
        self.ids = lru_cache(maxsize=16)(self._ids)

    def _find_added(self, text: str) -> tuple[Token, ...]:
        """The added tokens that a text of the style spells, as the tokenizer finds them, without blanks around them.

        What the model makes of other characters is none, also where it has the id of one: the unknown.
        """
        found: list[Token] = []
        for both in _with_gaps(read_tokens(self.plain, text), self.names, len(text)):
            own = (self._own(token, text) for token in both)
            found += [token for token in own if self._spells(text[token.start : token.end], self.names[token.id])][:1]
        return tuple(found)

    def _own(self, token: Token, text: str) -> Token:
        """A token without the blanks that it swallows, if its name does not have them itself."""
        name = self.names[token.id]
        inner, flags = text[token.start : token.end], self.added[name]
        blanks = len(inner) - len(inner.lstrip()) - (len(name) - len(name.lstrip()))
        behind = len(inner) - len(inner.rstrip()) - (len(name) - len(name.rstrip()))
        start = token.start + max(0, blanks if flags["lstrip"] else 0)
        end = token.end - max(0, behind if flags["rstrip"] else 0)
        return token._replace(start=start, end=end)

    def _spells(self, text: str, name: str) -> bool:
        """Whether a text is the name of a token, or becomes the same as it where the tokenizer normalizes both."""
        if text == name:
            return True
        normal = self.plain.normalizer if self.added[name]["normalized"] else None
        return normal is not None and normal.normalize_str(text) == normal.normalize_str(name)

    @cached_property
    def words(self) -> frozenset[str]:
        """The added tokens that are none behind a letter."""
        normal = self.plain.normalizer.normalize_str if self.plain.normalizer else str
        return frozenset(
            name
            for name, token in self.added.items()
            if token["single_word"] or (token["normalized"] and normal(name) not in normal("x" + name))
        )

    def _ids(self, control: frozenset[str]) -> frozenset[int]:
        return frozenset(self.added[name]["id"] for name in control)

    def _copy(self, control: frozenset[str], place: Place) -> Any:
        """The tokenizer for a piece at that place, to which the control tokens are text."""
        source = json.loads(self.source)
        placed = {part: _placed(source[part], place) for part in ("normalizer", "pre_tokenizer")}
        if place != "start" and all(source[part] == changed for part, changed in placed.items()):
            return self.copy(control, "start")
        for token in source["added_tokens"]:
            token["special"] = token["content"] in control
        source |= {**placed, "post_processor": None, "truncation": None, "padding": None}
        copy = self.make(json.dumps(source))
        copy.encode_special_tokens = True
        return copy


def read_tokens(tokenizer: Any, text: str) -> list[Token]:
    """The tokens that a `tokenizers.Tokenizer` makes of a text.

    Raises:
        RowError: `bad_text`: the text is not Unicode.
    """
    try:
        encoding = tokenizer.encode(text, add_special_tokens=False)
    except (TypeError, UnicodeError) as error:
        raise RowError("a lone surrogate: the text is not Unicode", code=Code.BAD_TEXT, value=text) from error
    return [Token(id, *offsets) for id, offsets in zip(encoding.ids, encoding.offsets, strict=True)]


def _unknown(model: Mapping[str, Any]) -> set[str]:
    """The token that a model gives for what it does not know: it controls nothing."""
    if isinstance(model.get("unk_id"), int):
        return {model["vocab"][model["unk_id"]][0]}
    return {model["unk_token"]} if model.get("unk_token") else set()


def _ends(tokenizer: FastTokenizer) -> set[str]:
    """The tokens that begin, end or part texts."""
    named = ("bos_token", "eos_token", "cls_token", "sep_token")
    return {token for name in named if (token := getattr(tokenizer, name, None))}


def _placed(part: Any, place: Place) -> Any:
    """A normalizer or pre-tokenizer for a piece at that place, which puts no blank where none belongs."""
    kind = part["type"] if part else None
    if kind == "Sequence":
        key = "normalizers" if "normalizers" in part else "pretokenizers"
        inner = [_placed(each, place) for each in part[key]]
        return {**part, key: [each for each in inner if each is not None]}
    if kind == "Metaspace" and (place == "inside" or (place == "after" and part["prepend_scheme"] == "first")):
        return {**part, "prepend_scheme": "never"}
    if place == "inside" and kind in ("Prepend", "ByteLevel", "Strip"):
        changed = {"ByteLevel": {"add_prefix_space": False}, "Strip": {"strip_left": False}}
        return None if kind == "Prepend" else {**part, **changed[kind]}
    return part


_READERS: WeakKeyDictionary[Any, tuple[Any, Reader]] = WeakKeyDictionary()


def reader_of(tokenizer: FastTokenizer) -> Reader:
    """The private copies of a tokenizer, kept for as long as it lives and has the same tokens.

    Raises:
        DefinitionError: the tokenizer is none of the fast ones.
    """
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if not getattr(tokenizer, "is_fast", False) or not hasattr(backend, "to_str"):
        raise DefinitionError(
            f"tokenize needs one of transformers' fast tokenizers, which know the characters of each token, got"
            f" {type(tokenizer).__name__}; AutoTokenizer.from_pretrained loads one, and"
            " PreTrainedTokenizerFast(tokenizer_object=...) makes one of a tokenizers.Tokenizer"
        )
    after = backend.post_processor
    state = backend.get_vocab_size(), (*tokenizer.all_special_tokens,), after and after.__getstate__()
    known, reader = _READERS.get(tokenizer, (None, None))
    if reader is None or known != state:
        reader = Reader(tokenizer)
        _READERS[tokenizer] = state, reader
    return reader


@dataclass(frozen=True)
class _Encoder:
    """A tokenizer's copies, with the tokens that are declared to be control or content."""

    reader: Reader
    control: frozenset[str]
    content_tokens: frozenset[str]

    def text(self, rendered: Rendered) -> Tokens:
        """The tokens of a text."""
        return self._tokens(rendered, self._whole(rendered))

    def response(self, rendered: Rendered, prompt: Tokens) -> Tokens:
        """The tokens of a response, which begin with those of its prompt."""
        asked = prompt.rendered.text
        if not rendered.text.startswith(asked):
            raise StyleContractError(
                f"the text of a response does not begin with the prompt's text {preview(asked)}, so the prompt's ids"
                " cannot stay the same",
                code=Code.PREFIX_UNSTABLE,
            )
        length = len(prompt)
        tokens = self._tokens(rendered, self._whole(rendered), length)
        if (tokens.input_ids[:length], tokens.offsets[:length]) == (prompt.input_ids, prompt.offsets):
            return tokens
        control, wanted = self._written(rendered)
        own = [token for token in wanted if token.start >= len(asked)]
        apart = self._pieces(rendered.text, own, control, len(asked))
        ids = (*prompt.input_ids, *(token.id for token in apart))
        offsets = (*prompt.offsets, *((token.start, token.end) for token in apart))
        return Tokens(rendered, ids, offsets, length, apart=ids != tokens.input_ids)

    def forged(self, rendered: Rendered) -> tuple[Span, ...]:
        """Where content spells a control token."""
        control, wanted = self._written(rendered)
        found = _with_gaps(self._read_whole(rendered), self.reader.ids(control), len(rendered.text))
        places = [token for token, whole in found if not any(_holds(whole, one) for one in wanted)]
        spans = Tokens(rendered, (), tuple((token.start, token.end) for token in places)).spans
        return tuple(
            span._replace(start=token.start, end=token.end, source=None)
            for token, span in zip(places, spans, strict=True)
            if span is not None
        )

    def _tokens(self, rendered: Rendered, tokens: Sequence[Token], prompt_length: int = 0) -> Tokens:
        """The tokens behind what the tokenizer puts before plain text, unless the style wrote that."""
        ids, before = tuple(token.id for token in tokens), self.reader.before
        if ids[: len(before)] == before:
            before = ()
        offsets = tuple((token.start, token.end) for token in tokens)
        return Tokens(rendered, before + ids, ((0, 0),) * len(before) + offsets, prompt_length)

    def _whole(self, rendered: Rendered) -> list[Token]:
        """The tokens of the text as the tokenizer reads it, unless content makes or unmakes a control token."""
        control, wanted = self._written(rendered)
        tokens = self._read_whole(rendered)
        ids = self.reader.ids(control)
        found = [whole for _, whole in _with_gaps(tokens, ids, len(rendered.text))]
        if len(found) == len(wanted) and all(map(_holds, found, wanted)):
            own = iter(wanted)  # without the blanks that some swallow
            return [next(own) if token.id in ids else token for token in tokens]
        return self._pieces(rendered.text, wanted, control, 0)

    def _written(self, rendered: Rendered) -> tuple[frozenset[str], list[Token]]:
        """The control tokens of this text's style, and where it wrote them."""
        reader = self.reader
        written = [
            Token(id, start + run, end + run)
            for run, text in _style_runs(rendered)
            for id, start, end in reader.find_added(text)
        ]
        written = self._words(written, rendered)
        control = reader.special | self.control | {reader.names[token.id] for token in written}
        control -= self.content_tokens
        return control, [token for token in written if reader.names[token.id] in control]

    def _words(self, written: list[Token], rendered: Rendered) -> list[Token]:
        """The tokens without those that are tokens as words only, where a content makes them part of a longer word.

        So are those before which the normalizer puts a blank that is part of the token, as it does at a text's start.

        One that is special, or declared as control, stays: content cannot unmake it.
        """
        edges = {edge for run, text in _style_runs(rendered) for edge in (run, run + len(text))}
        kept = self.reader.special | self.control
        doubtful = [
            token
            for token in written
            if (name := self.reader.names[token.id]) not in kept
            and name in self.reader.words
            and not edges.isdisjoint(token[1:])
        ]
        if not doubtful:
            return written
        found = _with_gaps(self._read_whole(rendered), {token.id for token in doubtful}, len(rendered.text))
        lost = {token for token in doubtful if not any(_holds(whole, token) for _, whole in found)}
        return [token for token in written if token not in lost]

    def _read_whole(self, rendered: Rendered) -> list[Token]:
        """The tokens of the text as the tokenizer reads it."""
        return read_tokens(self.reader.plain, rendered.text)

    def _pieces(self, text: str, wanted: Sequence[Token], control: frozenset[str], at: int) -> list[Token]:
        """The tokens from a place on, with the control tokens that are wanted there and no other."""
        tokens: list[Token] = []
        place: Place = "inside" if at else "start"
        for token in wanted:
            flags = self.reader.added[self.reader.names[token.id]]
            begin, end = token.start, token.end
            if flags["lstrip"]:
                begin = max(at, len(text[:begin].rstrip()))
            if flags["rstrip"]:
                end += len(text[end:]) - len(text[end:].lstrip())
            tokens += self._piece(text, at, begin, control, place)
            tokens.append(token)
            at, place = end, "after"
        return tokens + self._piece(text, at, len(text), control, place)

    def _piece(self, text: str, start: int, end: int, control: frozenset[str], place: Place) -> list[Token]:
        """The tokens of a piece of text, none of them a control token."""
        if start == end:
            return []
        ids = self.reader.ids(control)
        tokens = [
            Token(id, start + begin, start + until)
            for id, begin, until in read_tokens(self.reader.copy(control, place), text[start:end])
        ]
        forged = [token for token in tokens if token.id in ids]
        if not forged:
            return tokens
        lone = next((token for token in forged if token.end - token.start < 2), None)
        if lone:
            raise RowError(
                f"the tokenizer has nothing but a control token for {preview(text[lone.start : lone.end])}",
                code=Code.UNSUPPORTED_CONTENT,
            )
        # a model can have such a token in its own vocabulary; of the halves of its text it makes other tokens
        cuts = [start, *(token.start + 1 for token in forged), end]
        return [
            token
            for begin, until in pairwise(cuts)
            for token in self._piece(text, begin, until, control, place if begin == start else "inside")
        ]


def _encoder(tokenizer: FastTokenizer, control: Collection[str], content_tokens: Collection[str]) -> _Encoder:
    reader = reader_of(tokenizer)
    for name, tokens in (("control", control), ("content_tokens", content_tokens)):
        if isinstance(tokens, str):
            raise DefinitionError(f"{name} is a collection of tokens, got the text {preview(tokens)}")
    for token in control:
        if token not in reader.added:
            known = did_you_mean(token, reader.added)
            raise DefinitionError(f"control names {preview(token)}, which is no added token of the tokenizer.{known}")
    return _Encoder(reader, frozenset(control), frozenset(content_tokens))


def _style_runs(rendered: Rendered) -> Iterator[tuple[int, str]]:
    """The texts that the style wrote in one go, each with its start; an empty content parts none."""
    begin = end = 0
    for span in rendered.spans:
        if span.kind in ("content", "derived") and span.start < span.end:
            if begin < span.start:
                yield begin, rendered.text[begin : span.start]
            begin = span.end
        end = span.end
    if begin < end:
        yield begin, rendered.text[begin:end]


def _with_gaps(tokens: Sequence[Token], ids: Collection[int], length: int) -> list[tuple[Token, Token]]:
    """The tokens of these ids, each with the same up to the next token's start.

    An accent that a tokenizer composes with its letter is in no token's offsets.
    """
    ends = [*(token.start for token in tokens[1:]), length]
    found = [(token, end) for token, end in zip(tokens, ends, strict=False) if token.id in ids]
    return [(token, token._replace(end=max(token.end, end))) for token, end in found]


def _holds(token: Token, written: Token) -> bool:
    """Whether a token is the one that the style wrote; blanks around it may be part of it."""
    return token.id == written.id and token.start <= written.start and written.end <= token.end
