"""Samples: one prompt and its responses; the class of a sample is its format."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from preftemplates.core.tools import is_json_list
from preftemplates.errors import Code, DefinitionError, RowError, UnknownNameError, did_you_mean, preview

T = TypeVar("T")
U = TypeVar("U")


_SEVERAL = "T | tuple[T, ...]"
"""The annotation of several responses: one expression in a declaration, and a tuple once it is filled."""


@dataclass(frozen=True, kw_only=True)
class Sample(Generic[T]):
    """One prompt of type T, and responses: fields of type `T`, or one of several. The other fields are labels.

    T is in turn an expression (in a template's declaration), a list of messages, a `Rendered` text and tokens. A label
    is an expression in a declaration, and then a value; one with a default need not be declared.

    Labels:
        tools: the tools that may be called, as the text of a JSON list; None where there are none. A style writes them
            in front of the messages, and a dialect of messages has a key for them.
    """

    prompt: T
    tools: T | str | None = None

    format: ClassVar[str] = ""
    """The format's name: the class's own, in snake case."""
    response_names: ClassVar[tuple[str, ...]] = ()
    label_names: ClassVar[tuple[str, ...]] = ()
    label_kinds: ClassVar[dict[str, str]] = {}
    """The type of each label, as it is written: `float`, `list[bool]`."""
    several: ClassVar[str | None] = None
    """The one response that is a tuple, if there is one."""
    pieces: ClassVar[bool] = False
    """Whether the several responses are pieces of one answer, in order; the text of one holds those before it too."""
    labels_in_text: ClassVar[tuple[str, ...]] = ()
    """The labels that a response tells in words."""

    def __init_subclass__(cls) -> None:
        cls.format = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        kinds: dict[str, str] = {}
        for parent in reversed(
            [parent for parent in cls.__mro__ if issubclass(parent, Sample) and parent is not Sample]
        ):
            kinds |= {
                name: str(kind).replace("~", "") for name, kind in vars(parent).get("__annotations__", {}).items()
            }
        kinds = {name: kind for name, kind in kinds.items() if not kind.startswith(("ClassVar", "typing.ClassVar"))}
        if "tools" in kinds:
            raise DefinitionError(
                f"{cls.__name__}.tools: every sample has the tools that may be called; choose a name"
            )
        kinds["tools"] = Sample.__annotations__["tools"]
        cls.response_names = tuple(name for name, kind in kinds.items() if kind in ("T", _SEVERAL))
        cls.several = next((name for name, kind in kinds.items() if kind == _SEVERAL), None)
        cls.label_kinds = {
            name: _read_label_kind(kind) for name, kind in kinds.items() if name not in cls.response_names
        }
        cls.label_names = tuple(cls.label_kinds)
        FORMATS[cls.format] = cast("type[Sample[Any]]", cls)

    @property
    def responses(self) -> dict[str, T]:
        """The responses by name, in the order of the class; those of a tuple are named `completions[0]` and so on."""
        responses: dict[str, T] = {}
        for name in self.response_names:
            value = getattr(self, name)
            if name == self.several:
                responses |= {f"{name}[{index}]": item for index, item in enumerate(value)}
            else:
                responses[name] = value
        return responses

    @property
    def label_values(self) -> dict[str, Any]:
        """The labels by name, without those that are None."""
        values = {name: getattr(self, name) for name in self.label_names}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def is_tie(self) -> bool:
        """Whether the labels say that no response is better."""
        return False

    def check_labels(self) -> None:
        """Refuse labels that are not of their type, or say what cannot be.

        Raises:
            RowError: `wrong_type` or `bad_label`.
        """
        for name, value in self.label_values.items():
            if not _is_of_kind(value, self.label_kinds[name]):
                raise _label_error(name, value, f"a {self.label_kinds[name]}", Code.WRONG_TYPE)
        if self.tools is not None and not is_json_list(cast("str", self.tools)):
            raise _label_error("tools", self.tools, "the text of a JSON list of objects", Code.WRONG_TYPE)

    def with_float_labels(self) -> Self:
        """The sample with whole numbers as floats, where a label is one, so that they are spelled alike everywhere."""
        floats = {name for name, kind in self.label_kinds.items() if "float" in kind}
        return replace(self, **{name: _as_float(value) for name, value in self.label_values.items() if name in floats})

    def map(self, prompt: Callable[[T], U], response: Callable[[T], U]) -> Sample[U]:
        """The same format with the prompt and every response replaced; labels stay."""
        return self.refilled(prompt(self.prompt), [response(value) for value in self.responses.values()])

    def refilled(self, prompt: U, responses: Sequence[U]) -> Sample[U]:
        """The same format and labels with another prompt and other responses, in the order of `responses`."""
        if self.several:
            filled: dict[str, Any] = {self.several: tuple(responses)}
        else:
            filled = dict(zip(self.response_names, responses, strict=True))
        return cast("type[Sample[U]]", type(self))(prompt=prompt, **filled, **self.label_values)


def _is_of_kind(value: Any, kind: str) -> bool:
    """Whether a value is of the type that is written so; a number is finite, and True is none."""
    if kind.startswith("list["):
        return isinstance(value, list | tuple) and all(_is_of_kind(item, kind[5:-1]) for item in value)
    if kind.startswith("dict[str, "):
        return isinstance(value, Mapping) and all(_is_of_kind(item, kind[10:-1]) for item in value.values())
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    return isinstance(value, {"bool": bool, "str": str}.get(kind, object))


def _is_finite(number: float) -> bool:
    """Whether a float can hold a number; a whole number may be too large."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _as_float(value: Any) -> Any:
    """Every number in a label as a float."""
    if isinstance(value, Mapping):
        return {name: _as_float(item) for name, item in value.items()}
    return [_as_float(item) for item in value] if isinstance(value, list | tuple) else float(value)


def _label_error(name: str, value: Any, expected: str, code: Code = Code.BAD_LABEL) -> RowError:
    return RowError(f"{name}: expected {expected}, got {preview(value)}", code=code, value=value)


def _read_label_kind(annotation: str) -> str:
    """What a label is once it is filled: its annotation without T and None."""
    return next((kind for kind in annotation.split(" | ") if kind not in ("T", "None")), "Any")


FORMATS: dict[str, type[Sample[Any]]] = {}
"""The formats by name; a subclass of `Sample` enters itself."""


@dataclass(frozen=True, kw_only=True)
class PromptOnly(Sample[T]):
    """A prompt to be answered."""


@dataclass(frozen=True, kw_only=True)
class Supervised(Sample[T]):
    """A prompt and the answer to learn."""

    completion: T


@dataclass(frozen=True, kw_only=True)
class Preference(Sample[T]):
    """A prompt, the answer that was preferred and the one that was not.

    Labels:
        margin: by how much, in the dataset's own units; 0 is a tie.
        probability: that the chosen answer is the better one, from 0.5 (a tie) to 1.
    """

    chosen: T
    rejected: T
    margin: T | float | None = None
    probability: T | float | None = None

    @property
    def is_tie(self) -> bool:
        """Whether the labels say that neither answer is better."""
        return self.margin == 0 or self.probability == 0.5

    def check_labels(self) -> None:
        """Refuse labels that are not of their type, a margin below 0 and a probability below one half."""
        super().check_labels()
        if self.margin is not None and cast("float", self.margin) < 0:
            raise _label_error("margin", self.margin, "0 or more: the chosen answer is the better one")
        if self.probability is not None and not 0.5 <= cast("float", self.probability) <= 1:
            raise _label_error("probability", self.probability, "0.5 to 1: the chosen answer is the better one")


@dataclass(frozen=True, kw_only=True)
class Unpaired(Sample[T]):
    """A prompt, one answer, and whether it is a good one."""

    completion: T
    label: T | bool


@dataclass(frozen=True, kw_only=True)
class Ranked(Sample[T]):
    """A prompt and any number of answers in an order.

    Labels:
        ranks: a number for each answer; the lowest is the best, and equal ones are tied.
        scores: a number for each answer, higher is better, where the dataset has them.
    """

    completions: T | tuple[T, ...]
    ranks: T | list[float]
    scores: T | list[float] | None = None

    @property
    def is_tie(self) -> bool:
        """Whether all answers are tied."""
        return len(set(cast("list[float]", self.ranks))) == 1

    def check_labels(self) -> None:
        """Refuse labels that are not of their type, are not one for each answer, or contradict each other."""
        super().check_labels()
        for name, values in self.label_values.items():
            if name != "tools":
                _check_one_each(name, values, self.responses)
        if self.scores is not None:
            ranks, scores = cast("list[float]", self.ranks), cast("list[float]", self.scores)
            order = sorted(zip(ranks, scores, strict=True), key=lambda both: (both[0], -both[1]))
            if any(better[0] < worse[0] and better[1] < worse[1] for better, worse in pairwise(order)):
                raise _label_error(
                    "scores", scores, f"none that is below the score of a worse rank: the ranks are {ranks}"
                )


@dataclass(frozen=True, kw_only=True)
class Scored(Sample[T]):
    """A prompt, one answer and its score; higher is better.

    Labels:
        score: the score, in the dataset's own units.
        attributes: scores by name, where there are several.
    """

    completion: T
    score: T | float
    attributes: T | dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Stepwise(Sample[T]):
    """A prompt and one answer in steps, each right or wrong."""

    completions: T | tuple[T, ...]
    labels: T | list[bool]

    pieces: ClassVar[bool] = True

    def check_labels(self) -> None:
        """Refuse labels that are not of their type, or are not one for each step."""
        super().check_labels()
        _check_one_each("labels", self.labels, self.responses)


@dataclass(frozen=True, kw_only=True)
class Judge(Sample[T]):
    """A prompt that asks which of two answers is better, and the verdict as the answer to it.

    Labels:
        verdict: "A", "B" or "tie".
    """

    completion: T
    verdict: T | str

    labels_in_text: ClassVar[tuple[str, ...]] = ("verdict",)

    def check_labels(self) -> None:
        """Refuse a verdict that is none."""
        super().check_labels()
        if self.verdict not in _VERDICTS:
            raise _label_error("verdict", self.verdict, " or ".join(map(repr, _VERDICTS)))


_VERDICTS = ("A", "B", "tie")
"""What a judge may say of two answers."""


def _check_one_each(name: str, values: Any, responses: Mapping[str, Any]) -> None:
    if len(values) != len(responses):
        raise _label_error(name, values, f"one for each of {len(responses)} completions")


def get_format_class(name: str) -> type[Sample[Any]]:
    """The class of the format of that name.

    >>> get_format_class("preference").response_names
    ('chosen', 'rejected')

    Raises:
        UnknownNameError: there is no such format.
    """
    if name not in FORMATS:
        raise UnknownNameError(
            f"no format {name!r}." + (did_you_mean(str(name), FORMATS) or f" There are: {', '.join(FORMATS)}.")
        )
    return FORMATS[name]
