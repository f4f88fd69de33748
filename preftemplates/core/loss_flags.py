"""Loss flags: the keys of a message with which training libraries select the messages to train on.

Sources: OpenAI's API reference on the rows of fine-tuning files (`weight`, for answers only); axolotl 0.19
(`message_field_training` names the key: `train` and `training` in its documentation, `train` or `weight` by default
for its messages.chat datasets); LLaMA-Factory 0.9.5 (`loss_weight`, in its v1); torchtune 0.6 (`Message.masked`).
TRL 1.16 has no such key. Without a key, all of them train on answers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preftemplates.core.containers import is_gap, unwrap
from preftemplates.core.messages import make_message_error
from preftemplates.errors import Code, preview

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

LOSS_FLAGS: Mapping[str, bool] = {
    "weight": True,
    "loss_weight": True,
    "train": True,
    "training": True,
    "masked": False,
}
"""Each key, with the value that selects a message for training."""


def select_trained_messages(
    messages: Sequence[Mapping[str, Any]], *, roles: Collection[str] = ("assistant",)
) -> list[int]:
    """Return the indices of the messages to train on: those of the given roles, unless a loss flag overrides that.

    The flags `weight`, `loss_weight`, `train` and `training` select a message when they are true or 1 and deselect it
    when they are false or 0; `masked` has the opposite meaning. As in axolotl, torchtune and LLaMA-Factory, a flag
    decides for any role: a user's message with `train: true` is trained on. A null flag counts as absent. Axolotl's
    flags for parts of a message (`train_detail`, and those inside the parts of a content) are not read.

    Args:
        messages: the conversation. For a response, pass the messages of its prompt followed by its own, so that the
            indices match those of `Rendered.mask`.
        roles: the roles that are trained on when a message has no flag.

    Raises:
        RowError: `bad_label` if a flag is a number other than 0 and 1, since a mask cannot weigh a message, or if two
            flags of a message contradict each other; `wrong_type` if a flag is neither a number nor a bool.

    Example:
        >>> talk = [
        ...     {"role": "user", "content": "Mint?"},
        ...     {"role": "assistant", "content": "Full sun.", "weight": 0},
        ...     {"role": "user", "content": "Sure?"},
        ...     {"role": "assistant", "content": "No, half shade."},
        ... ]
        >>> select_trained_messages(talk)
        [3]
    """
    trained: list[int] = []
    for index, message in enumerate(messages):
        flag = _read_loss_flag(message, index)
        if message.get("role") in roles if flag is None else flag:
            trained.append(index)
    return trained


def has_loss_flags(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether any message has a loss flag that is not null.

    >>> has_loss_flags([{"role": "assistant", "content": "Hi", "weight": None}])
    False
    >>> has_loss_flags([{"role": "assistant", "content": "Hi", "weight": 1}])
    True
    """
    return any(True for message in messages for _ in _list_loss_flags(message))


def _list_loss_flags(message: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the flags of a message by key; skip null and NaN, with which tables fill keys that a message lacks."""
    for key in LOSS_FLAGS:
        if key in message and not is_gap(value := unwrap(message[key])):
            yield key, value


def _read_loss_flag(message: Mapping[str, Any], index: int) -> bool | None:
    """Return whether the flags of a message select it for training; None if it has none."""
    trained: dict[bool, str] = {}
    for key, value in _list_loss_flags(message):
        if not isinstance(value, int | float):  # "false" is a string that Python takes for true
            fault = f"got {preview(value)}, expected 0, 1, true or false; correct the value or remove the key"
            raise make_message_error(fault, index, key, code=Code.WRONG_TYPE, value=value)
        if value not in (0, 1):
            fault = f"got {preview(value)}, expected 0 or 1, as a mask cannot weigh a message; round the value"
            raise make_message_error(fault, index, key, code=Code.BAD_LABEL, value=value)
        trained.setdefault(value == LOSS_FLAGS[key], key)  # 1 == True, and 0 == False
        if len(trained) == 2:
            first = next(iter(trained.values()))
            fault = f"got {preview(value)}, which contradicts {first} {preview(message[first])}; remove one of the two"
            raise make_message_error(fault, index, key, code=Code.BAD_LABEL, value=value)
    return next(iter(trained), None)
