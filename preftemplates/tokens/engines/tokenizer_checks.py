"""Checks of the values in a tokenizer's JSON files, as far as this library reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preftemplates.errors import DefinitionError, preview

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")

_PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")

_STEPS = ("normalizers", "pretokenizers", "processors", "decoders")
"""The keys under which a part of the type `Sequence` lists its steps."""

_END_OF_IDS = 2**24
"""Ids are below this number: real ones are below a million, and `TokenBytes` has an item for each id."""

_ID = f"a whole number from 0 to {_END_OF_IDS - 1}"
_TEXT = "text in valid Unicode"


def make_value_error(file: str, key: str, value: Any, expected: str) -> DefinitionError:
    """Return the error for a value in a tokenizer's JSON file.

    >>> make_value_error("tokenizer.json", "added_tokens", 3, "a list").message
    "tokenizer.json, key 'added_tokens': got 3, expected a list; fix the file, or save the tokenizer again"
    """
    return DefinitionError(
        f"{file}, key {preview(key)}: got {preview(value)}, expected {expected}; fix the file, or save the tokenizer"
        " again"
    )


def check_tokenizer_json(description: Mapping[str, Any]) -> None:
    """Raise an error unless the values in a `tokenizer.json` have the types that this library relies on.

    Missing keys are allowed, except for the model's vocabulary and for the text and the id of an added token. Loading
    the tokenizer checks the other values.

    Args:
        description: the object in the file, whose model has a vocabulary.

    Raises:
        DefinitionError: a value has another type. The message names its key.

    Example:
        >>> check_tokenizer_json({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 0, "content": "a"}]})
        >>> try:
        ...     check_tokenizer_json({"model": {"vocab": {"a": "0"}}})
        ... except DefinitionError as error:
        ...     print(error.message.partition(";")[0])
        tokenizer.json, key 'model.vocab.a': got '0', expected a whole number from 0 to 16777215
    """
    model, added = description["model"], description.get("added_tokens")
    faults = [*_list_model_faults(model)]
    if added is not None and not isinstance(added, list):
        faults += [("added_tokens", added, "a list")]
    else:
        faults += [fault for index, token in enumerate(added or ()) for fault in _list_id_faults(token, index)]
    faults += [fault for name in _PARTS for fault in _list_part_faults(name, description.get(name))]
    for key, value, expected in faults:
        raise make_value_error("tokenizer.json", key, value, expected)


def list_token_faults(key: str, token: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield what is wrong with the text and the flags of an added token: keys, their values and what is expected.

    Args:
        key: the key of the token in its file.
        token: the token.

    Example:
        >>> [*list_token_faults("added_tokens[0]", {"content": "<s>", "special": 1})]
        [('added_tokens[0].special', 1, 'true or false')]
    """
    if not isinstance(token, dict):
        yield key, token, "an object"
    elif "content" not in token:
        yield key, token, "an object with the key 'content'"
    elif not is_text(token["content"]):
        yield f"{key}.content", token["content"], _TEXT
    else:
        flags = ((name, token.get(name, False)) for name in _FLAGS)
        yield from ((f"{key}.{name}", value, "true or false") for name, value in flags if not isinstance(value, bool))


def is_text(value: Any) -> bool:
    r"""Return whether a value is text in valid Unicode.

    >>> is_text("a"), is_text("\ud800"), is_text(3)
    (True, False, False)
    """
    return isinstance(value, str) and _are_valid([value])


def _are_valid(texts: Iterable[str]) -> bool:
    """Return whether texts are valid Unicode; JSON can write a lone surrogate, which has no bytes."""
    try:
        "\n".join(texts).encode()  # not joined by "", which could make a pair of two lone surrogates
    except UnicodeError:
        return False
    return True


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < _END_OF_IDS  # bool is an int too


def _list_id_faults(token: Any, index: int) -> Iterator[tuple[str, Any, str]]:
    """Yield the faults of an added token of a `tokenizer.json`, where it has an id."""
    key = f"added_tokens[{index}]"
    yield from list_token_faults(key, token)
    if isinstance(token, dict) and not _is_id(token.get("id")):
        yield f"{key}.id", token.get("id"), _ID


def _list_model_faults(model: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    vocabulary, kind, unknown = model["vocab"], model.get("type"), model.get("unk_token")
    if isinstance(vocabulary, dict):
        # one comparison of all types first, since a vocabulary may have 250,000 tokens
        if not {*map(type, vocabulary.values())} <= {int} or not all(map(_is_id, vocabulary.values())):
            yield from ((f"model.vocab.{token}", id, _ID) for token, id in vocabulary.items() if not _is_id(id))
        if not _are_valid(vocabulary):
            yield "model.vocab", next(token for token in vocabulary if not is_text(token)), _TEXT
        if kind == "Unigram":
            yield "model.vocab", vocabulary, "a list of tokens with scores for a Unigram model"
    else:
        pairs = enumerate(vocabulary)
        scored = "a token with its score"
        yield from ((f"model.vocab[{at}]", item, scored) for at, item in pairs if not _is_scored(item))
        if kind in ("BPE", "WordPiece", "WordLevel"):
            yield "model.vocab", vocabulary, f"an object with the id of each token for a {kind} model"
        if (place := model.get("unk_id")) is not None and not (_is_id(place) and place < len(vocabulary)):
            yield "model.unk_id", place, f"null or a whole number below {len(vocabulary)}, the size of the vocabulary"
    if unknown is not None and not is_text(unknown):
        yield "model.unk_token", unknown, f"null or {_TEXT}"


def _is_scored(item: Any) -> bool:
    """Return whether an item of a Unigram model's vocabulary is a token with its score."""
    is_pair = isinstance(item, list) and len(item) == 2
    return is_pair and is_text(item[0]) and type(item[1]) in (int, float)


def _list_part_faults(key: str, part: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield the faults of a normalizer or another part, and those of the steps in it."""
    parts = [] if part is None else [(key, part)]
    while parts:
        key, part = parts.pop()
        if not isinstance(part, dict):
            yield key, part, "an object"
            continue
        for name in _STEPS:
            steps = part.get(name, [])
            if isinstance(steps, list):
                parts += [(f"{key}.{name}[{index}]", step) for index, step in enumerate(steps)]
            else:
                yield f"{key}.{name}", steps, "a list"
