"""Message trees: each message with its replies, some of which people have ranked."""

from collections.abc import Iterator, Mapping
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, did_you_mean, preview

ROLES = {"prompter": "user", "assistant": "assistant"}


@register_filter
def ranked_threads(root: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the threads of a tree that end with ranked replies of an assistant: `prompt`, `replies` and `ranks`.

    A message has `role` (prompter or assistant), `text`, `replies` and `rank`. The prompt is the path from the root.
    Replies without a rank are left out, and so are threads with fewer than two ranked replies.

    >>> replies = [{"role": "assistant", "text": text, "rank": rank, "replies": []} for rank, text in enumerate("ab")]
    >>> ranked_threads({"role": "prompter", "text": "Hi", "replies": replies})
    [{'prompt': [{'role': 'user', 'content': 'Hi'}], 'replies': ['a', 'b'], 'ranks': [0.0, 1.0]}]

    Raises:
        RowError: `missing_field` or `wrong_type` if a message lacks a part, `bad_role`, or `bad_label` if a rank is
            not a whole number of 0 or more.
    """
    return list(_threads(root))


def _threads(root: Any) -> Iterator[dict[str, Any]]:
    """Yield the threads in the order of a walk through the tree, without recursion, since trees may be deep."""
    waiting: list[tuple[Any, list[dict[str, Any]]]] = [(root, [])]
    while waiting:
        node, before = waiting.pop()
        path = [*before, {"role": _role(node), "content": _part(node, "text", str)}]
        replies = _part(node, "replies", list)
        ranked = [reply for reply in replies if _role(reply) == "assistant" and _rank(reply) is not None]
        if len(ranked) > 1:
            texts = [_part(reply, "text", str) for reply in ranked]
            yield {"prompt": path, "replies": texts, "ranks": [_rank(reply) for reply in ranked]}
        waiting += [(reply, path) for reply in reversed(replies)]


def _part(node: Any, name: str, kind: type) -> Any:
    if not isinstance(node, Mapping) or node.get(name) is None:
        raise RowError(f"a message of the tree has no {name}", code=Code.MISSING_FIELD)
    if not isinstance(node[name], kind):
        raise RowError(f"the {name} of a message is {preview(node[name])}", code=Code.WRONG_TYPE, value=node[name])
    return node[name]


def _role(node: Any) -> str:
    role = str(_part(node, "role", str))
    if role not in ROLES:
        raise RowError(f"unknown role {preview(role)}.{did_you_mean(role, ROLES)}", code=Code.BAD_ROLE, value=role)
    return ROLES[role]


def _rank(node: Mapping[str, Any]) -> float | None:
    rank = node.get("rank")
    if rank is None:
        return None
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 0:
        raise RowError(f"expected a rank of 0 or more, got {preview(rank)}", code=Code.BAD_LABEL, value=rank)
    return float(rank)
