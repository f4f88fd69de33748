"""Strategies that draw samples with messages: one for each format from which others are derived."""

from hypothesis import strategies as st
from support import texts

from preftemplates import Preference, Ranked, Scored, Stepwise, Unpaired
from preftemplates.templates.filters.choices import ranks


def says(text, role="assistant"):
    return [{"role": role, "content": text}]


def text_of(messages):
    return "".join(message["content"] for message in messages)


prompts = texts().map(lambda text: says(text, "user"))
answers = texts().map(says)
numbers = st.integers(-3, 3) | st.floats(-5, 5)


def some(values):
    return st.none() | values


preferences = st.builds(
    Preference,
    prompt=prompts, chosen=answers, rejected=answers,
    margin=some(st.sampled_from([0, 0.0, 1, 2.5])), probability=some(st.sampled_from([0.5, 0.75, 1])),
)  # fmt: skip
unpaired = st.builds(Unpaired, prompt=prompts, completion=answers, label=st.booleans())
attributes = st.dictionaries(st.sampled_from("ab"), numbers)
scored = st.builds(Scored, prompt=prompts, completion=answers, score=numbers, attributes=some(attributes))


@st.composite
def rankings(draw):
    """Answers with ranks alone, or with scores that agree with them; ties often. No two answers are alike."""
    numbered = draw(st.lists(st.integers(-2, 2) | st.floats(-2, 2), min_size=1, max_size=6))
    completions = tuple(says(f"{index}: {draw(texts())}") for index in range(len(numbered)))
    scores = numbered if draw(st.booleans()) else None
    return Ranked(prompt=draw(prompts), completions=completions, ranks=ranks(numbered), scores=scores)


@st.composite
def stepwise(draw):
    labels = draw(st.lists(st.booleans(), min_size=1, max_size=5))
    steps = tuple(says(draw(texts())) for _ in labels)
    return Stepwise(prompt=draw(prompts), completions=steps, labels=labels)


SOURCES = {
    "preference": preferences, "ranked": rankings(), "unpaired": unpaired, "scored": scored, "stepwise": stepwise(),
}  # fmt: skip
