"""Attention over branches: each token sees its own branch and the trunk of its group, and nothing else.

It is one of transformers' attention functions, so any model takes it that takes those. A trunk and its first branch
are one causal sequence; the branches behind it see the trunk through a mask. Sliding windows count positions, so a
window that reaches from a branch into its trunk is as wide as in a sequence that stands alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv

from preftemplates_train.data.branches import Group, Laid, lay_out
from preftemplates_train.errors import summarize_error
from preftemplates_train.model.kernels import ROW_KERNEL

NAME = "branches"
"""What the attention function is called among transformers' own."""

UNKNOWN = ("softcap", "s_aux", "position_bias", "cache")
"""What some models hand to their attention that this one does not compute."""


def branch_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    branches: tuple[Group, ...] = (),
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention in a row of groups.

    Args:
        module: the model's attention layer.
        query: shape (1, heads, T, width); key and value may have fewer heads.
        key: likewise.
        value: likewise.
        attention_mask: None: the groups say what a token sees.
        scaling: of the scores; one over the root of the width if it is None.
        dropout: of the weights.
        sliding_window: how many positions a token sees at most, its own included.
        branches: the groups of the row.
        others: what else the model says.

    Returns:
        The values, shape (1, T, heads, width), and None.

    Raises:
        NotImplementedError: the model wants something else than scaled and masked scores.
    """
    wanted = [name for name in UNKNOWN if others.get(name) is not None]
    if wanted or attention_mask is not None or not branches or not getattr(module, "is_causal", True):
        raise NotImplementedError(f"no attention over branches with {', '.join(wanted) or 'this mask'}")
    plain = partial(by_sequences, query, key, value, branches, sliding_window, scaling, dropout)
    if query.is_cuda and not dropout:
        found = ROW_KERNEL.attend(query, key, value, branches, sliding_window, scaling, plain)
    else:
        found = plain()
    return found.transpose(1, 2), None


def by_sequences(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    branches: tuple[Group, ...],
    window: int | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """The plain way: an attention for each branch, and one for the trunk with the first; runs on any device.

    Returns:
        Shape (1, heads, T, width), as the query.
    """
    times = query.shape[1] // key.shape[1]
    attend = partial(scaled_dot_product_attention, scale=scaling, dropout_p=dropout)
    states = (query, repeat_kv(key, times), repeat_kv(value, times))
    sizes = [trunk + sum(lengths) for trunk, lengths in branches]
    found = list[Tensor]()
    for *of_group, group in zip(*(state.split(sizes, dim=2) for state in states), branches, strict=True):
        for own, keys, values in _sequences(group, *of_group):
            mask = _mask(own.shape[2], keys.shape[2], window, query.device)
            found.append(attend(own, keys, values, attn_mask=mask, is_causal=mask is None))
    return torch.cat(found, dim=2)


def _sequences(group: Group, queries: Tensor, keys: Tensor, values: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The tokens that a group's sequences have of their own, with all that these see; the first has the trunk."""
    trunk, (first, *others) = group
    if not others:
        yield queries, keys, values
        return
    seen = [state.split([trunk, first, *others], dim=2) for state in (keys, values)]
    for number, own in enumerate(queries.split([trunk + first, *others], dim=2)):
        if own.shape[2]:
            yield own, *(torch.cat((parts[0], parts[number + 1]), dim=2) for parts in seen)


def _mask(own: int, seen: int, window: int | None, device: torch.device) -> Tensor | None:
    """What the last `own` of `seen` tokens see of these, shape (own, seen); None where that is all up to their own."""
    if own == seen and (window is None or seen <= window):
        return None
    places = torch.arange(seen, device=device)
    distance = places[seen - own :, None] - places
    return (distance >= 0) if window is None else (distance >= 0) & (distance < window)


AttentionInterface.register(NAME, branch_attention)


class BranchReader:
    """Has a sequence classifier give the rewards of all sequences of a row.

    A classifier's head scores every token, and the model then picks one token a row. While a row is read, the head
    gives the scores at the sequences' ends to every token, so that the one that is picked holds all of them: they
    leave through the model's own forward, and with it through whatever wraps the model.

    Args:
        head: the module that scores every token.
    """

    def __init__(self, head: nn.Module) -> None:
        self._ends: Tensor | None = None
        self.hook = head.register_forward_hook(self._spread)

    def _spread(self, head: nn.Module, inputs: Any, scores: Tensor) -> Tensor:
        if self._ends is None:
            return scores
        return scores[0, self._ends, 0].expand(1, scores.shape[1], -1)

    def rewards(self, model: nn.Module, laid: Laid) -> Tensor:
        """The rewards of the sequences of a row, shape (S,).

        Args:
            model: the classifier, or what wraps it.
            laid: the row.
        """
        self._ends = laid.ends
        try:
            found: Tensor = model(
                input_ids=laid.input_ids, position_ids=laid.position_ids, branches=laid.groups, use_cache=False
            ).logits
        finally:
            self._ends = None
        return found[0].float()


def take_branches(model: Any) -> BranchReader:
    """Have a model, or one with adapters, compute attention over branches from now on."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    plain.set_attn_implementation(NAME)
    return BranchReader(plain.score)


def why_no_branches(model: Any, pad_id: int) -> str | None:
    """Why a model does not give in branches the rewards that it gives each text alone; None if it does.

    Some texts are scored both ways. The model is left as it was.
    """
    head = getattr(model, "score", None)
    if not isinstance(head, nn.Module):
        return "its head does not score every token"
    before, reader = model.config._attn_implementation, BranchReader(head)
    groups = _groups(range(2, min(int(model.get_input_embeddings().num_embeddings), 1000)), pad_id)
    laid = lay_out(groups, lambda trunk, lengths: True).to(model.device)
    try:
        with torch.no_grad():
            texts = [torch.tensor([text], device=model.device) for texts in groups for text in texts]
            alone = torch.stack([model.eval()(input_ids=text).logits[0, 0] for text in texts]).float()
            model.set_attn_implementation(NAME)
            together = reader.rewards(model, laid)
    except Exception as error:
        return summarize_error(error)
    finally:
        model.set_attn_implementation(before)
        reader.hook.remove()
    moved = float((alone - together).abs().max())
    allowed = float(alone.std()) * (1e-3 if model.dtype == torch.float32 else 0.2)
    return None if moved <= allowed else f"it moves a reward by {moved:.4f}"


def _groups(ids: Sequence[int], pad_id: int) -> list[list[list[int]]]:
    """Two groups of texts that begin alike, drawn from these ids without the pad token's."""
    draw = Random(0)
    known = [id for id in ids if id != pad_id]
    return [
        [trunk + draw.choices(known, k=length) for length in lengths]
        for trunk, lengths in ((draw.choices(known, k=17), (7, 12)), (draw.choices(known, k=5), (11, 3)))
    ]
