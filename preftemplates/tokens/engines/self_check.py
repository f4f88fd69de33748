"""The self-check of an engine: it is used only if its ids equal those of the default engine on every probe text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from preftemplates.errors import DefinitionError, PrefTemplatesError, one_line, preview
from preftemplates.tokens.engines.engine import import_numpy
from preftemplates.tokens.engines.probe_texts import list_probe_texts
from preftemplates.tokens.engines.tokenizer_json import read_tokenizer_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.tokens.engines.engine import Engine, TokenBatch

_SHOWN_IDS = 6
_ALONE = 400
"""How many probe texts are also encoded one at a time."""

_MAX_SHORTENED = 400_000
"""How many characters the search for a shorter differing text may encode, with 100 added per try."""

ADVICE = "use the engine 'tokenizers' for this tokenizer"


def check_engine(engine: Engine, reference: Engine, tokenizer_json: str) -> None:
    """Raise an error unless an engine gives the same ids as the reference for each probe text.

    The texts are encoded together, again in reverse order, and some of them alone. This rules out engines whose ids
    depend on the other texts of a batch or on earlier calls. An engine must also raise an error for a text that is not
    valid Unicode.

    Args:
        engine: the engine to check.
        reference: the engine whose ids are correct.
        tokenizer_json: the text of the tokenizer's `tokenizer.json`; its tokens are part of the probe texts.

    Raises:
        DefinitionError: the ids differ, or the engine raises an exception. The message shows the shortest part of a
            text that was found to differ.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> from preftemplates.tokens.engines.huggingface import HuggingFaceEngine
        >>> tokenizer, other = (Tokenizer(models.BPE({"a": number, "b": 1 - number}, [])) for number in (0, 1))
        >>> check_engine(HuggingFaceEngine(tokenizer), HuggingFaceEngine(tokenizer), tokenizer.to_str())
        >>> try:
        ...     check_engine(HuggingFaceEngine(other), HuggingFaceEngine(tokenizer), tokenizer.to_str())
        ... except DefinitionError as error:
        ...     print(error.message.partition(", ")[2].partition(" as ")[0])
        text 'a' in a batch: got [1], expected [0]
    """
    texts = list_probe_texts(read_tokenizer_json(tokenizer_json))
    expected = encode_rows(reference, texts)
    _compare(engine, reference, texts, expected, encode_rows(engine, texts), "in a batch")
    ids = encode_rows(engine, texts[::-1])[::-1]  # also a second call, which a cache may answer
    _compare(engine, reference, texts, expected, ids, "in a batch in another order")
    step = max(1, len(texts) // _ALONE)
    alone = [encode_rows(engine, [text])[0] for text in texts[::step]]
    _compare(engine, reference, texts[::step], expected[::step], alone, "alone")
    encode_safely(engine, [])  # raises an error if there are ids for no texts
    _check_bad_text(engine)


def encode_safely(engine: Engine, texts: Sequence[str]) -> TokenBatch:
    """Encode texts with an engine, and turn its exceptions into this library's error.

    Raises:
        DefinitionError: the engine raises any exception, or returns anything but arrays of ids.
    """
    try:
        batch = engine.encode(texts)
        ids, counts = batch
        # inside `try`, since anything but arrays fails here
        is_batch = len(counts) == len(texts) and counts.sum() == len(ids) and not (counts < 0).any()
        dtypes = str(ids.dtype), str(counts.dtype)
    except PrefTemplatesError:
        raise
    except BaseException as error:  # noqa: BLE001  a panic in Rust is not an Exception
        raise_engine_error(engine.name, error)
    if not is_batch or dtypes != ("int32", "int64"):
        raise DefinitionError(
            f"engine {engine.name}: got {len(ids)} ids ({dtypes[0]}) and {len(counts)} counts ({dtypes[1]}) for"
            f" {len(texts)} texts, expected int32 ids and an int64 count for each text; {ADVICE}"
        )
    return batch


def encode_rows(engine: Engine, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each text as a list.

    Raises:
        DefinitionError: the engine raises any exception, or returns anything but arrays of ids.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> from preftemplates.tokens.engines.huggingface import HuggingFaceEngine
        >>> encode_rows(HuggingFaceEngine(Tokenizer(models.BPE({"a": 0, "b": 1}, []))), ["ab", "", "b"])
        [[0, 1], [], [1]]
    """
    np = import_numpy()
    ids, counts = encode_safely(engine, texts)
    flat, ends = ids.tolist(), np.cumsum(counts).tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def raise_engine_error(name: str, error: BaseException, action: str = "encode texts") -> NoReturn:
    """Raise this library's error for an exception of an engine.

    Args:
        name: the engine's name.
        error: the exception. One that ends the program is raised again as it is.
        action: what the engine failed to do.

    Raises:
        DefinitionError: always, unless the exception ends the program.

    Example:
        >>> try:
        ...     raise_engine_error("tokie 0.1.4", ValueError("no byte"))
        ... except DefinitionError as error:
        ...     print(error.message.partition(";")[0])
        engine tokie 0.1.4 cannot encode texts: ValueError: no byte
    """
    # callers catch BaseException, because a panic in Rust (`pyo3_runtime.PanicException`) is not an Exception
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
        raise error
    reason = one_line(" ".join(f"{type(error).__name__}: {error}".split()), 300)
    raise DefinitionError(f"engine {name} cannot {action}: {reason}; {ADVICE}") from error


def _compare(
    engine: Engine,
    reference: Engine,
    texts: Sequence[str],
    expected: list[list[int]],
    ids: list[list[int]],
    place: str,
) -> None:
    if ids == expected:
        return
    differing = [index for index, right in enumerate(expected) if ids[index] != right]
    # the shortest, since the budget of the search is in characters
    index = min(differing, key=lambda index: len(texts[index]))
    text, got, right = _shorten(engine, reference, texts[index], ids[index], expected[index])
    start = next((at for at, (one, other) in enumerate(zip(got, right, strict=False)) if one != other), len(got))
    start = min(start, len(right))
    raise DefinitionError(
        f"engine {engine.name}, text {preview(text)} {place}: got {_spell_ids(got, start)}, expected"
        f" {_spell_ids(right, start)} as {reference.name} gives ({len(differing)} of {len(texts)} probe texts differ);"
        f" {ADVICE}"
    )


def _shorten(
    engine: Engine, reference: Engine, text: str, got: list[int], right: list[int]
) -> tuple[str, list[int], list[int]]:
    """Return the shortest part of a text that was found to differ within a limited search, with both lists of ids."""
    size, budget = len(text) // 2, _MAX_SHORTENED
    # delta debugging: leave out ever smaller parts, as long as the rest still differs
    while size and budget > 0:
        # parts overlap by half, so that one of them covers text across the border of two others
        for start in range(0, len(text) - size + 1, max(1, size // 2)):
            part = text[:start] + text[start + size :]
            budget -= len(part) + 100
            part_got, part_right = (encode_rows(each, [part])[0] for each in (engine, reference))
            if part_got != part_right or budget < 0:
                break
        if part_got != part_right:
            text, got, right = part, part_got, part_right
        else:
            size //= 2
        size = min(size, len(text) // 2)
    return text, got, right


def _spell_ids(ids: list[int], start: int) -> str:
    """Show some ids from an index on, and how many there are in all."""
    end = start + _SHOWN_IDS
    shown = [*(["…"] if start else []), *map(str, ids[start:end]), *(["…"] if len(ids) > end else [])]
    return f"[{', '.join(shown)}]" + (f" ({len(ids)} ids)" if "…" in shown else "")


def _check_bad_text(engine: Engine) -> None:
    """Check that an engine raises an exception for a text that is not valid Unicode."""
    try:
        engine.encode(["a", "\ud800"])  # not by `encode_safely`: any exception is right here
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
            raise
        return
    raise DefinitionError(f"engine {engine.name}: got ids for a lone surrogate, expected an error; {ADVICE}")
