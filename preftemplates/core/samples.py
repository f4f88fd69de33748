"""Samples: one prompt and its responses. The class of a sample is its dataset type, which its format names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NewType, Self, TypeVar, cast

from preftemplates.core.labels import (
    convert_to_floats,
    holds_floats,
    make_label_check,
    read_field_types,
    spell_label_type,
)
from preftemplates.core.registry import DefinitionSite, Registry
from preftemplates.core.tools import is_json_list
from preftemplates.errors import Code, DefinitionError, RowError, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
U = TypeVar("U")

OwnFormat = NewType("OwnFormat", str)
"""The name of a dataset type defined outside this library, for type checkers: `MyType.format` is one."""

Format = (
    Literal["prompt_only", "supervised", "preference", "unpaired", "ranked", "scored", "stepwise", "judge"] | OwnFormat
)
"""The name of a dataset type."""

SAMPLE_TYPES: Registry[type[Sample[Any]]] = Registry("dataset type")
"""The dataset types by format name; a subclass of `Sample` registers itself."""


@dataclass(frozen=True, kw_only=True)
class Sample(Generic[T]):
    """One prompt of type T and its responses: fields of type `T`, or a tuple of them. All other fields are labels.

    A prompt is messages, and the tools that may be called. T is first an expression (in a template's declaration),
    then a list of messages, a `Rendered` text, and tokens. A label is an expression in a declaration and a value in a
    sample; a label with a default can be left out of the declaration. Every subclass is a new dataset type, unless its
    name begins with an underscore.

    Attributes:
        prompt: the messages to answer.
        tools: the tools that may be called, as the text of a JSON list; None if there are none. A style writes them
            before the messages, and a messages dialect has a key for them.

    Raises (for a subclass):
        DefinitionError: another dataset type has the name, or a label has a type that a row cannot supply.
    """

    prompt: T
    tools: T | str | None = None

    format: ClassVar[OwnFormat] = OwnFormat("")
    """The name of the format: the name of the class in snake case."""
    prompt_parts: ClassVar[tuple[str, ...]] = ("prompt", "tools")
    response_names: ClassVar[tuple[str, ...]] = ()
    label_types: ClassVar[dict[str, Any]] = {}
    """The type of each label's value: `float`, `list[bool]`."""
    label_kinds: ClassVar[dict[str, str]] = {}
    """The spelling of these types."""
    several: ClassVar[str | None] = None
    """The response that is a tuple, if there is one."""
    pieces: ClassVar[bool] = False
    """Whether the several responses are pieces of one answer, in order; the text of one includes those before it."""
    labels_in_text: ClassVar[tuple[str, ...]] = ()
    """The labels that a response expresses in words."""

    def __init_subclass__(cls) -> None:
        cls.format = OwnFormat(re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower())
        types = read_field_types(cls)
        for name in (*types.responses, *types.labels):
            if name in Sample.prompt_parts or hasattr(Sample, name):
                raise DefinitionError(f"{cls.__name__}.{name}: every sample has {name} already; choose another name")
        cls.response_names = tuple(dict.fromkeys((*cls.response_names, *types.responses)))
        cls.several = types.several or cls.several
        cls.label_types = {**cls.label_types, **types.labels}
        cls.label_kinds = {name: spell_label_type(kind) for name, kind in cls.label_types.items()}
        if not cls.__name__.startswith("_"):
            SAMPLE_TYPES.register(cls.format, cls, DefinitionSite.of(cls))

    @classmethod
    def is_optional(cls, part: str) -> bool:
        """Return whether a template may leave a part of the sample out."""
        return hasattr(cls, part)  # a class attribute is the default of its field

    @property
    def responses(self) -> dict[str, T]:
        """Return the responses by name, in the order of the class; a tuple's are named `completions[0]` and so on."""
        if self.several is None:
            return {name: getattr(self, name) for name in self.response_names}
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
        """Return the labels by name, without those that are None."""
        return {name: value for name in self.label_types if (value := getattr(self, name)) is not None}

    @property
    def given_parts(self) -> tuple[str, ...]:
        """Return the names of the parts of the prompt and of the labels that are not None."""
        return tuple(name for name in (*self.prompt_parts, *self.label_types) if getattr(self, name) is not None)

    @property
    def is_tie(self) -> bool:
        """Return whether the labels say that no response is better than the others."""
        return False

    def check_labels(self) -> None:
        """Check that every label has its type and a possible value.

        Raises:
            RowError: `wrong_type` or `bad_label`.
        """
        for name, value in self.label_values.items():
            if not make_label_check(self.label_types[name])(value):
                raise _label_error(name, value, f"a {self.label_kinds[name]}", Code.WRONG_TYPE)

    def check_tools(self) -> None:
        """Check that the tools are the text of a JSON list of objects.

        Raises:
            RowError: `wrong_type`.
        """
        if self.tools is not None and not is_json_list(cast("str", self.tools)):
            raise _label_error("tools", self.tools, "the text of a JSON list of objects", Code.WRONG_TYPE)

    def with_float_labels(self) -> Self:
        """Return the sample with float labels as floats, so that whole numbers are spelled alike everywhere."""
        changed = {
            name: convert_to_floats(value)
            for name, value in self.label_values.items()
            if holds_floats(self.label_types[name])
        }
        return replace(self, **changed) if changed else self

    def map(self, prompt: Callable[[T], U], response: Callable[[T], U]) -> Sample[U]:
        """Apply functions to the prompt's messages and to each response; tools and labels stay."""
        return self.refilled(prompt(self.prompt), [response(value) for value in self.responses.values()])

    def refilled(self, prompt: U, responses: Sequence[U]) -> Sample[U]:
        """Return the sample with another prompt and other responses, given in order; tools and labels stay."""
        if self.several:
            filled: dict[str, Any] = {self.several: tuple(responses)}
        else:
            filled = dict(zip(self.response_names, responses, strict=True))
        filled |= {"tools": self.tools, **self.label_values}
        return cast("type[Sample[U]]", type(self))(prompt=prompt, **filled)


def _label_error(name: str, value: Any, expected: str, code: Code = Code.BAD_LABEL) -> RowError:
    return RowError(f"{name}: expected {expected}, got {preview(value)}", code=code, value=value)


@dataclass(frozen=True, kw_only=True)
class PromptOnly(Sample[T]):
    """A prompt to answer.

    Labels:
        answer: a reference answer, for example a result with which a reward function compares.
        source: the dataset that the prompt is from, such as `openai/gsm8k`, by which a reward function is chosen.
    """

    answer: T | str | None = None
    source: T | str | None = None


@dataclass(frozen=True, kw_only=True)
class Supervised(Sample[T]):
    """A prompt and the answer to learn."""

    completion: T


@dataclass(frozen=True, kw_only=True)
class Preference(Sample[T]):
    """A prompt, the preferred answer and the other one.

    Labels:
        margin: how much better the chosen answer is, in the dataset's own units; 0 is a tie.
        probability: the probability that the chosen answer is better, from 0.5 (a tie) to 1.
        chosen_safe: whether the chosen answer is safe, if the dataset reports it.
        rejected_safe: whether the rejected answer is safe, if the dataset reports it.
    """

    chosen: T
    rejected: T
    margin: T | float | None = None
    probability: T | float | None = None
    chosen_safe: T | bool | None = None
    rejected_safe: T | bool | None = None

    @property
    def is_tie(self) -> bool:
        """Return whether the labels say that neither answer is better."""
        return self.margin == 0 or self.probability == 0.5

    def check_labels(self) -> None:
        """Check the types of the labels, that a margin is not below 0 and that a probability is not below 0.5."""
        super().check_labels()
        if self.margin is not None and cast("float", self.margin) < 0:
            raise _label_error("margin", self.margin, "0 or more, because the chosen answer is the better one")
        if self.probability is not None and not 0.5 <= cast("float", self.probability) <= 1:
            raise _label_error(
                "probability", self.probability, "0.5 to 1, because the chosen answer is the better one"
            )


@dataclass(frozen=True, kw_only=True)
class Unpaired(Sample[T]):
    """A prompt, one answer, and whether the answer is good."""

    completion: T
    label: T | bool


@dataclass(frozen=True, kw_only=True)
class Ranked(Sample[T]):
    """A prompt and any number of ranked answers.

    Labels:
        ranks: a number for each answer; the lowest is the best, and equal numbers are ties.
        scores: a number for each answer, if the dataset has them; higher is better.
    """

    completions: T | tuple[T, ...]
    ranks: T | list[float]
    scores: T | list[float] | None = None

    @property
    def is_tie(self) -> bool:
        """Return whether all answers are tied."""
        return len(set(cast("list[float]", self.ranks))) == 1

    def check_labels(self) -> None:
        """Check the types of the labels, that there is one per answer and that they do not contradict each other."""
        super().check_labels()
        for name, values in self.label_values.items():
            _check_one_each(name, values, self.responses)
        if self.scores is not None:
            ranks, scores = cast("list[float]", self.ranks), cast("list[float]", self.scores)
            order = sorted(zip(ranks, scores, strict=True), key=lambda both: (both[0], -both[1]))
            if any(better[0] < worse[0] and better[1] < worse[1] for better, worse in pairwise(order)):
                raise _label_error("scores", scores, f"no higher score for a worse rank (the ranks are {ranks})")


@dataclass(frozen=True, kw_only=True)
class Scored(Sample[T]):
    """A prompt, one answer and its score; higher is better.

    Labels:
        score: the score, in the dataset's own units.
        attributes: scores by name, if there are several.
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
        """Check the types of the labels, and that there is one per step."""
        super().check_labels()
        _check_one_each("labels", self.labels, self.responses)


@dataclass(frozen=True, kw_only=True)
class Judge(Sample[T]):
    """A prompt that asks which of two answers is better, and a judgement as the answer to it.

    Labels:
        verdict: the judgement: "A", "B" or "tie".
    """

    completion: T
    verdict: T | str

    labels_in_text: ClassVar[tuple[str, ...]] = ("verdict",)

    def check_labels(self) -> None:
        """Check that the judgement is "A", "B" or "tie"."""
        super().check_labels()
        if self.verdict not in _VERDICTS:
            raise _label_error("verdict", self.verdict, " or ".join(map(repr, _VERDICTS)))


_VERDICTS = ("A", "B", "tie")
"""The judgements that a judge may give on two answers."""


def _check_one_each(name: str, values: Any, responses: Mapping[str, Any]) -> None:
    if len(values) != len(responses):
        raise _label_error(name, values, f"one for each of {len(responses)} completions")


def list_formats() -> list[OwnFormat]:
    """Return the names of all dataset types, in the order of their declaration.

    >>> list_formats()[:3]
    ['prompt_only', 'supervised', 'preference']
    """
    return [kind.format for kind in SAMPLE_TYPES.registered().values()]
