"""Planted near copies of prompts: six kinds, drawn from a seed, and prompts of three lengths."""

from __future__ import annotations

import re
import string
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

LENGTHS = {"short": (4, 12), "medium": (12, 60), "long": (60, 100_000)}
"""How many words the prompts of a length have, from the first number up to the second."""

PREFIXES = (
    "Tell me:", "Please answer the following question.", "Question:", "Hello! I have a question for you.",
    "You are an expert. Read what follows with care and answer it as well as you can:\n\n", "### Instruction:\n",
    "Hi there. I hope you are well! Could you help me with this?", "回答下面的问题：",
    "Here is what I want to know -->\n",
)  # fmt: skip
SUFFIXES = (
    "Answer shortly.", "Thanks!", "Please think step by step, and explain your reasoning before you answer.",
    "\n### Response:", "Thank you in advance. Be brief!", "请简短回答。", "\n\nDo not use more than 50 words.",
)  # fmt: skip
WORDS = ("purple", "seventeen", "quickly", "Norway", "umbrella", "because")


def change_case(text: str, rng: random.Random) -> str:
    """Return the text in another case."""
    changed = rng.choice((str.lower, str.upper, str.title, str.swapcase))(text)
    return changed if changed != text else text.swapcase()


def change_punctuation(text: str, rng: random.Random) -> str:
    """Return the text without some or all of its punctuation, or with more or other marks."""
    marks = string.punctuation
    ways: list[Callable[[str], str]] = [
        lambda text: text.translate(str.maketrans("", "", marks)),
        lambda text: re.sub(rf"[{re.escape(marks)}]", " ", text),
        lambda text: text.rstrip(".?!。？！") + "...",
        lambda text: text.replace("?", "!").replace(".", ";") + "!!",
        lambda text: text.replace(" ", ", ", 2) + " ?",
        lambda text: text.replace("'", "’").replace('"', "“") + "…",
        lambda text: f"“{text}”",
    ]
    return rng.choice(ways)(text)


def change_whitespace(text: str, rng: random.Random) -> str:
    """Return the text with other whitespace."""
    ways: list[Callable[[str], str]] = [
        lambda text: f"  {text}\n",
        lambda text: text.replace(" ", "  "),
        lambda text: re.sub(r"\s+", "\n", text) + " ",
        lambda text: "\t" + text.replace(" ", "\u00a0"),
        lambda text: text.replace("\n", " ") + "\r\n",
    ]
    return rng.choice(ways)(text)


def wrap(text: str, rng: random.Random) -> str:
    """Return the text with a sentence before it, after it, or both."""
    prefix, suffix = rng.choice(PREFIXES), rng.choice(SUFFIXES)
    return rng.choice((f"{prefix} {text}", f"{text} {suffix}", f"{prefix} {text} {suffix}"))


def change_word(text: str, rng: random.Random) -> str:
    """Return the text with another word in the place of one."""
    words = list(re.finditer(r"[^\W\d_]+", text))
    if not words:
        return text
    word = rng.choice(words)
    start, end = word.span()
    if word[0].isascii():
        new = rng.choice([one for one in WORDS if one.lower() != word[0].lower()])
    else:
        start, new = rng.randrange(start, max(end - 1, start + 1)), "紫色"
        end = start + 2
    return text[:start] + new + text[end:]


def exchange_sentences(text: str, rng: random.Random) -> str | None:
    """Return the text with two sentences in each other's place; None if it has no two."""
    parts = re.split(r"(?<=[.!?。？！])(\s+|(?<=[。？！]))", text)
    sentences = list(range(0, len(parts), 2))
    if len(sentences) < 2:
        return None
    one, other = rng.sample(sentences, 2)
    if parts[one].strip() == parts[other].strip():
        return None
    parts[one], parts[other] = parts[other], parts[one]
    return "".join(parts)


KINDS: dict[str, Callable[[str, random.Random], str | None]] = {
    "other case": change_case,
    "other punctuation": change_punctuation,
    "other whitespace": change_whitespace,
    "a wrapper sentence": wrap,
    "one word changed": change_word,
    "two sentences exchanged": exchange_sentences,
}
"""The kinds of near copies, of which the first four must be found."""

MUST_BE_FOUND = tuple(KINDS)[:4]


def count_words(text: str) -> float:
    """Return the number of words of a text, two characters of Chinese being one."""
    return len(re.findall(r"[a-zA-Z0-9'’]+", text)) + len(re.findall(r"[\u3040-\u30ff\u3400-\u9fff]", text)) / 2


def find_length(text: str) -> str | None:
    """Return the name of a text's length."""
    size = count_words(text)
    return next((name for name, (low, high) in LENGTHS.items() if low <= size < high), None)


def make_synthetic_prompts(number: int, rng: random.Random) -> list[str]:
    """Return prompts of made-up words: a third each of one, three and twelve sentences."""
    vocabulary = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(5000)]

    def write_sentence(words: int) -> str:
        chosen = rng.choices(vocabulary, k=words)
        return f"{' '.join(chosen).capitalize()}{rng.choice('.?!')}"

    shapes: list[Callable[[], str]] = [
        partial(write_sentence, 7),
        lambda: " ".join(write_sentence(8) for _ in range(3)),
        lambda: " ".join(write_sentence(11) for _ in range(12)),
    ]
    return [shapes[index % 3]() for index in range(number)]
