"""Loss selection: the tokens of a conversation that are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from preftemplates.core.loss_flags import has_loss_flags, select_trained_messages
from preftemplates.errors import DefinitionError, SpanError, did_you_mean, preview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.core.messages import Message
    from preftemplates.core.spans import SpanKind
    from preftemplates.tokens.tokens import Tokens

TrainedTurns = Literal["response", "conversation", "last"]
"""The turns to train on: those of the response, those of the whole conversation, or only the last one."""


@dataclass(frozen=True)
class LossSelection:
    """The tokens of a conversation to train on.

    A message with a loss flag follows its flag (`select_trained_messages`).

    Attributes:
        turns: `response` for turns of the response, `conversation` for turns of the prompt too, and `last` for the
            last turn only.
        stop: whether to train on the end-of-turn tokens too, where the style writes them.
        roles: the roles of these turns.
        messages: the indices of the messages that may be trained on; negative ones count from the end. None for all.
            Indices that a conversation does not have select nothing.

    Raises:
        DefinitionError: the choice of turns does not exist, or roles or messages are empty.

    Example:
        >>> talk = [{"role": role, "content": role} for role in ("user", "assistant", "user", "assistant")]
        >>> [LossSelection(turns).select_messages(talk, prompt_length=3) for turns in ("response", "conversation")]
        [[3], [1, 3]]
        >>> LossSelection("conversation", messages=(1,)).select_messages(talk, prompt_length=3)
        [1]
    """

    turns: TrainedTurns = "response"
    stop: bool = True
    roles: tuple[str, ...] = ("assistant",)
    messages: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        choices = get_args(TrainedTurns)
        if self.turns not in choices:
            guess = did_you_mean(str(self.turns), choices)
            raise DefinitionError(f"turns must be one of {', '.join(choices)}; got {preview(self.turns)}.{guess}")
        for name, values in (("roles", self.roles), ("messages", self.messages)):
            if values is not None and (isinstance(values, str) or not values):
                raise DefinitionError(f"{name} must be a tuple with at least one item; got {preview(values)}")

    @property
    def kinds(self) -> tuple[SpanKind, ...]:
        """Return the kinds of spans to train on."""
        # derived: the model itself writes tool calls as JSON, which a row holds as an object
        return ("content", "derived", "stop") if self.stop else ("content", "derived")

    def select_messages(self, messages: Sequence[Message], prompt_length: int) -> list[int]:
        """Return the indices of the messages to train on.

        Args:
            messages: the conversation.
            prompt_length: how many messages at the start are the prompt.

        Raises:
            RowError: as for `select_trained_messages`.
        """
        default = [
            index
            for index in select_trained_messages(messages, roles=self.roles)
            # a flag may also have selected another role; that one is added below, whatever the turns
            if messages[index]["role"] in self.roles and self._may_train(index, len(messages))
        ]
        if self.turns == "last":
            default = default[-1:]
        elif self.turns == "response":
            default = [index for index in default if index >= prompt_length]
        if not has_loss_flags(messages):
            return default
        # without roles, only flags select: a flag of 1 trains a turn outside of `turns` and `messages` too
        return sorted({*default, *select_trained_messages(messages, roles=())})

    def _may_train(self, index: int, count: int) -> bool:
        return self.messages is None or index in self.messages or index - count in self.messages

    def mask(self, tokens: Tokens, messages: Sequence[Message], prompt_length: int) -> list[bool]:
        """Return one bool per token: True if it is trained on.

        Args:
            tokens: the tokens of the conversation.
            messages: the conversation.
            prompt_length: how many messages at the start are the prompt.

        Raises:
            SpanError: as for `Tokens.mask`, and if no message is trained on.
            RowError: as for `select_trained_messages`.
        """
        trained = self.select_messages(messages, prompt_length)
        if not trained:  # `Tokens.mask` would report an empty `messages`, as if the caller had named none
            raise SpanError("no message is trained on")
        return tokens.mask(*self.kinds, messages=trained)
