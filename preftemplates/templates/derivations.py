"""Derivations: samples of one dataset type made from those of another, with a count of the losses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from preftemplates.core.messages import Message
from preftemplates.core.provenance import concat
from preftemplates.core.samples import (
    Format,
    Judge,
    OwnFormat,
    Preference,
    Ranked,
    Sample,
    Scored,
    Stepwise,
    Supervised,
    Unpaired,
)
from preftemplates.errors import Code, DefinitionError, RowError, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Messages = list[Message]
Pairs = Literal["all", "adjacent", "best-worst"]
"""The pairs that a ranking gives: each with each, each with the next, or the best with the worst."""

Lost = Counter[str]
"""The number of losses by the name of a response or label; `tie` for two answers of equal rank."""


@dataclass(frozen=True)
class Derivation:
    """A way to make samples of one dataset type from those of another.

    Attributes:
        source, target: the dataset types.
        make: a function that yields the samples and counts the losses.
        labels: the source's label that each label of the target needs; None for a label that is always present.
    """

    source: str
    target: str
    make: Callable[[Any, Pairs, Lost], Iterator[Sample[Messages]]]
    labels: Mapping[str, str | None]

    def labels_from(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the labels of the target if the source has these labels."""
        return tuple(name for name, origin in self.labels.items() if origin is None or origin in labels)

    @property
    def keeps_prompt(self) -> bool:
        """Whether the target has the prompt of the source, and therefore its tools."""
        return self.target != Judge.format

    def samples(self, sample: Sample[Messages], pairs: Pairs, lost: Lost) -> Iterator[Sample[Messages]]:
        """Yield the samples made from one sample, with its tools, and count the losses."""
        derived_samples = self.make(sample, pairs, lost)
        if sample.tools is None:
            yield from derived_samples
        elif self.keeps_prompt:
            yield from (replace(derived, tools=sample.tools) for derived in derived_samples)
        else:
            lost["tools"] += 1
            yield from derived_samples


DERIVATIONS: dict[tuple[str, str], Derivation] = {}
"""The derivations by source and target."""


def register_derivation(
    source: type[Sample[Any]], target: type[Sample[Any]], **labels: str | None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function that makes samples of one dataset type from those of another."""

    def enter(make: Callable[..., Any]) -> Callable[..., Any]:
        DERIVATIONS[source.format, target.format] = Derivation(source.format, target.format, make, labels)
        return make

    return enter


def find_derivation(formats: Sequence[str], target: str) -> Derivation | None:
    """Return the first derivation of a dataset type from one of these; None if there is none."""
    return next((DERIVATIONS[name, target] for name in formats if (name, target) in DERIVATIONS), None)


def list_derived_formats(formats: Sequence[str]) -> tuple[Format, ...]:
    """Return the dataset types that can be derived from these, without these themselves."""
    targets = [OwnFormat(target) for source, target in DERIVATIONS if source in formats and target not in formats]
    return tuple(dict.fromkeys(targets))


def check_pairs(pairs: Any) -> None:
    """Check that a value is a choice of pairs.

    Raises:
        DefinitionError: it is not.
    """
    if pairs not in get_args(Pairs):
        raise DefinitionError(f"pairs must be one of {', '.join(get_args(Pairs))}; got {preview(pairs)}")


@register_derivation(Preference, Supervised)
def keep_chosen(sample: Preference[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Supervised[Messages]]:
    """Keep the chosen answer; a tie has none."""
    lost.update(["rejected", *sample.label_values])
    if sample.is_tie:
        lost.update(["chosen", "tie"])
    else:
        yield Supervised(prompt=sample.prompt, completion=sample.chosen)


@register_derivation(Preference, Unpaired, label=None)
def label_both_answers(sample: Preference[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Unpaired[Messages]]:
    """Label the chosen answer good and the rejected one bad; a tie gives neither."""
    lost.update([*sample.label_values])
    if sample.is_tie:
        lost.update(["chosen", "rejected", "tie"])
    else:
        yield Unpaired(prompt=sample.prompt, completion=sample.chosen, label=True)
        yield Unpaired(prompt=sample.prompt, completion=sample.rejected, label=False)


@register_derivation(Preference, Ranked, ranks=None)
def rank_both_answers(sample: Preference[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Ranked[Messages]]:
    """Rank the two answers; those of a tie share a rank."""
    lost.update([*sample.label_values])
    ranks = [0.0, 0.0 if sample.is_tie else 1.0]
    yield Ranked(prompt=sample.prompt, completions=(sample.chosen, sample.rejected), ranks=ranks)


@register_derivation(Preference, Judge, verdict=None)
def judge_in_both_orders(sample: Preference[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Judge[Messages]]:
    """Ask which answer is better, with the answers in both orders, and answer with the label."""
    lost.update([*sample.label_values])
    for answers, better in (((sample.chosen, sample.rejected), "A"), ((sample.rejected, sample.chosen), "B")):
        verdict = "tie" if sample.is_tie else better
        answer = {"role": "assistant", "content": verdict}
        yield Judge(
            prompt=make_judging_prompt(sample.prompt, *answers), completion=[cast("Message", answer)], verdict=verdict
        )


@register_derivation(Ranked, Preference, margin="scores")
def pair_ranked_answers(sample: Ranked[Messages], pairs: Pairs, lost: Lost) -> Iterator[Preference[Messages]]:
    """Pair ranked answers, the better one first; the margin is the difference of their scores, and 0 in a tie."""
    ranks, completions = cast("list[float]", sample.ranks), list(sample.responses.values())
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    if pairs == "all":
        index_pairs = list(combinations(order, 2))
    else:
        index_pairs = (
            list(pairwise(order)) if pairs == "adjacent" else [(order[0], order[-1])] if len(order) > 1 else []
        )
    used = {index for pair in index_pairs for index in pair}
    lost.update(["completions"] * (len(order) - len(used)))
    for better, worse in index_pairs:
        scores = cast("list[float] | None", sample.scores)
        is_tied = ranks[better] == ranks[worse]
        margin = None if scores is None else 0.0 if is_tied else float(scores[better] - scores[worse])
        yield Preference(
            prompt=sample.prompt, chosen=completions[better], rejected=completions[worse],
            margin=margin, probability=0.5 if is_tied else None,
        )  # fmt: skip


@register_derivation(Ranked, Supervised)
def keep_best(sample: Ranked[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Supervised[Messages]]:
    """Keep the best answer, or the first one listed if several are best; a ranking of ties has none."""
    ranks = cast("list[float]", sample.ranks)
    lost.update([*sample.label_values])
    if len(ranks) > 1 and sample.is_tie:
        lost.update(["completions"] * len(ranks) + ["tie"])
        return
    lost.update(["completions"] * (len(ranks) - 1))
    yield Supervised(prompt=sample.prompt, completion=list(sample.responses.values())[ranks.index(min(ranks))])


@register_derivation(Unpaired, Supervised)
def keep_good(sample: Unpaired[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Supervised[Messages]]:
    """Keep a good answer; a bad one is lost."""
    lost.update(["label"])
    if sample.label:
        yield Supervised(prompt=sample.prompt, completion=sample.completion)
    else:
        lost.update(["completion"])


@register_derivation(Scored, Supervised)
def drop_score(sample: Scored[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Supervised[Messages]]:
    """Keep the answer, whatever its score."""
    lost.update([*sample.label_values])
    yield Supervised(prompt=sample.prompt, completion=sample.completion)


@register_derivation(Stepwise, Unpaired, label=None)
def join_all_steps(sample: Stepwise[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Unpaired[Messages]]:
    """Join the steps to one answer, which is good if all steps are right."""
    lost.update(["labels"])
    is_right = all(cast("list[bool]", sample.labels))
    yield Unpaired(prompt=sample.prompt, completion=[join_steps(list(sample.responses.values()))], label=is_right)


@register_derivation(Stepwise, Supervised)
def join_right_steps(sample: Stepwise[Messages], _pairs: Pairs, lost: Lost) -> Iterator[Supervised[Messages]]:
    """Join the steps to one answer, if all steps are right."""
    lost.update(["labels"])
    if all(cast("list[bool]", sample.labels)):
        yield Supervised(prompt=sample.prompt, completion=[join_steps(list(sample.responses.values()))])
    else:
        lost.update(["completions"] * len(sample.responses))


def join_steps(steps: Sequence[Messages]) -> Message:
    r"""Join the steps of an answer to one message, with one line per step.

    >>> say = lambda text: [{"role": "assistant", "content": text}]
    >>> join_steps([say("a"), say("b")])
    {'role': 'assistant', 'content': 'a\nb'}

    Raises:
        RowError: `bad_turns` or `unsupported_content` if a step is more than one text.
    """
    texts = [_require_text(message) for step in steps for message in step]
    if len(texts) != len(steps):
        raise RowError("a step must be one message", code=Code.BAD_TURNS)
    return {"role": "assistant", "content": concat([part for text in texts for part in ("\n", text)][1:])}


_JUDGING_TEXTS = (
    "Below are a conversation and two answers to it. Say which answer is better: A, B, or tie.\n\n[Conversation]",
    "\n\n[Answer A]\n",
    "\n\n[Answer B]\n",
    "\n\nWhich answer is better?",
)
"""The texts around the conversation and the answers in a judge's prompt."""


def make_judging_prompt(prompt: Messages, first: Messages, second: Messages) -> Messages:
    """Return the question which of two answers is better, as one message of the user.

    Raises:
        RowError: `unsupported_content` if a message is more than text.
    """
    parts = [_JUDGING_TEXTS[0]]
    for message in prompt:
        parts += [f"\n{message['role']}: ", _require_text(message)]
    for opening, answer in zip(_JUDGING_TEXTS[1:3], (first, second), strict=True):
        parts.append(opening)
        parts += [part for message in answer for part in ("\n", _require_text(message))][1:]
    return [{"role": "user", "content": concat([*parts, _JUDGING_TEXTS[3]])}]


def _require_text(message: Message) -> str:
    content = message.get("content")
    if not isinstance(content, str) or set(message) - {"role", "content"}:
        raise RowError("a message here may have only text", code=Code.UNSUPPORTED_CONTENT, value=content)
    return content
