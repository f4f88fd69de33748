"""Length policies: how a sample with more token ids than the maximum length is handled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from preftemplates.errors import DefinitionError, did_you_mean, preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preftemplates.core.messages import Message

TooLong = Literal["drop", "cut_prompt", "truncate"]
"""Skip the sample, leave out the oldest turns of its prompt, or cut off the end of its texts."""


@dataclass(frozen=True)
class LengthLimit:
    """The most token ids that a text may have, and how a longer one is handled.

    Attributes:
        max_length: the most ids; None for no limit.
        too_long: `drop` skips the sample. `cut_prompt` leaves out as few of the oldest turns of its prompt as
            possible, and skips the sample if that is not enough. `truncate` cuts off the end of its texts, and skips
            the sample if no token is left to train on.

    Raises:
        DefinitionError: the choice does not exist, or the maximum is below 1.
    """

    max_length: int | None = None
    too_long: TooLong = "drop"

    def __post_init__(self) -> None:
        choices = get_args(TooLong)
        if self.too_long not in choices:
            guess = did_you_mean(str(self.too_long), choices)
            raise DefinitionError(
                f"too_long must be one of {', '.join(choices)}; got {preview(self.too_long)}.{guess}"
            )
        if self.max_length is not None and (type(self.max_length) is not int or self.max_length < 1):
            raise DefinitionError(f"max_length must be a whole number, 1 or more; got {preview(self.max_length)}")

    def allows(self, length: int) -> bool:
        """Return whether a text may have this many ids."""
        return self.max_length is None or length <= self.max_length


def shorten_prompt(prompt: Sequence[Message]) -> Iterator[list[Message]]:
    """Yield the prompt with fewer and fewer old turns; system messages stay, and a user's turn comes first.

    >>> turns = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    >>> [[message["role"] for message in shorter] for shorter in shorten_prompt(turns)]
    [['system', 'user']]
    """
    system = [message for message in prompt if message["role"] in ("system", "developer")]
    turns = [message for message in prompt if message["role"] not in ("system", "developer")]
    for start in range(1, len(turns)):
        if turns[start]["role"] == "user":
            yield system + turns[start:]
