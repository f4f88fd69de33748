"""Attention over branches: each token sees its own branch and the prefix of its group, and nothing else.

It is one of transformers' attention functions, so it works for any model that uses these. A prefix and its first
branch are one causal sequence; the other branches see the prefix through a mask. Sliding windows count positions, so
a window that reaches from a branch into its prefix is as wide as in a sequence of its own.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv

from preftemplates_train.data.branches import BranchLengths, PackedRow, pack_groups
from preftemplates_train.errors import summarize_error
from preftemplates_train.model.kernels import ROW_KERNEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BRANCH_ATTENTION = "branches"
"""The name of the attention function among transformers' own."""

UNSUPPORTED = ("softcap", "s_aux", "position_bias", "cache")
"""Arguments that some models pass to their attention, and that this one does not compute."""


def attend_in_branches(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    branches: tuple[BranchLengths, ...] = (),
    **others: Any,
) -> tuple[Tensor, None]:
    """Compute attention in a row of groups.

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
        others: further arguments of the model.

    Returns:
        The values, shape (1, T, heads, width), and None.

    Raises:
        NotImplementedError: the model asks for something else than scaled and masked scores.
    """
    unsupported = [name for name in UNSUPPORTED if others.get(name) is not None]
    if unsupported or attention_mask is not None or not branches or not getattr(module, "is_causal", True):
        raise NotImplementedError(f"no attention over branches with {', '.join(unsupported) or 'this mask'}")
    attend_plainly = partial(attend_by_sequence, query, key, value, branches, sliding_window, scaling, dropout)
    if query.is_cuda and not dropout:
        values = ROW_KERNEL.attend(query, key, value, branches, sliding_window, scaling, attend_plainly)
    else:
        values = attend_plainly()
    return values.transpose(1, 2), None


def attend_by_sequence(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    branches: tuple[BranchLengths, ...],
    window: int | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Compute an attention for each branch, and one for the prefix with the first; runs on any device.

    Returns:
        Shape (1, heads, T, width), as the query.
    """
    times = query.shape[1] // key.shape[1]
    attend = partial(scaled_dot_product_attention, scale=scaling, dropout_p=dropout)
    states = (query, repeat_kv(key, times), repeat_kv(value, times))
    sizes = [prefix + sum(lengths) for prefix, lengths in branches]
    outputs = list[Tensor]()
    for *group_states, group in zip(*(state.split(sizes, dim=2) for state in states), branches, strict=True):
        for queries, keys, values in _split_sequences(group, *group_states):
            mask = _mask(queries.shape[2], keys.shape[2], window, query.device)
            outputs.append(attend(queries, keys, values, attn_mask=mask, is_causal=mask is None))
    return torch.cat(outputs, dim=2)


def _split_sequences(
    group: BranchLengths, queries: Tensor, keys: Tensor, values: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the queries of each branch, with the keys and values that they see; the first has the prefix's too."""
    prefix, (first, *others) = group
    if not others:
        yield queries, keys, values
        return
    seen = [state.split([prefix, first, *others], dim=2) for state in (keys, values)]
    for number, branch_queries in enumerate(queries.split([prefix + first, *others], dim=2)):
        if branch_queries.shape[2]:
            yield branch_queries, *(torch.cat((parts[0], parts[number + 1]), dim=2) for parts in seen)


def _mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor | None:
    """Return which of the keys the last ones' queries see, shape (queries, keys); None where it is causal alone."""
    if queries == keys and (window is None or keys <= window):
        return None
    places = torch.arange(keys, device=device)
    distance = places[keys - queries :, None] - places
    return (distance >= 0) if window is None else (distance >= 0) & (distance < window)


AttentionInterface.register(BRANCH_ATTENTION, attend_in_branches)


class BranchReader:
    """Has a sequence classifier give the rewards of all sequences of a row.

    A classifier's head scores every token, and the model then picks one token of each row. While a row is read, the
    head gives the scores at the sequences' ends to every token, so that the one that is picked holds all of them: they
    leave through the model's own forward, and with it through whatever wraps the model.

    Args:
        head: the module that scores every token.
    """

    def __init__(self, head: nn.Module) -> None:
        self._ends: Tensor | None = None
        self.hook = head.register_forward_hook(self._spread)

    def _spread(self, _head: nn.Module, _inputs: Any, scores: Tensor) -> Tensor:
        if self._ends is None:
            return scores
        return scores[0, self._ends, 0].expand(1, scores.shape[1], -1)

    def compute_rewards(self, model: nn.Module, row: PackedRow) -> Tensor:
        """Return the rewards of the sequences of a row, shape (S,).

        Args:
            model: the classifier, or what wraps it.
            row: the row.
        """
        self._ends = row.ends
        try:
            logits: Tensor = model(
                input_ids=row.input_ids, position_ids=row.position_ids, branches=row.groups, use_cache=False
            ).logits
        finally:
            self._ends = None
        return logits[0].float()


def enable_branches(model: Any) -> BranchReader:
    """Have a model, or one with adapters, compute attention over branches from now on."""
    base_model = model.get_base_model() if hasattr(model, "get_base_model") else model
    base_model.set_attn_implementation(BRANCH_ATTENTION)
    return BranchReader(base_model.score)


def explain_no_branches(model: Any, pad_id: int) -> str | None:
    """Return why a model does not give in branches the rewards that it gives each text alone; None if it does.

    Some texts are scored both ways. The model is left as it was.
    """
    head = getattr(model, "score", None)
    if not isinstance(head, nn.Module):
        return "its head does not score every token"
    attention_before, reader = model.config._attn_implementation, BranchReader(head)
    groups = _draw_groups(range(2, min(int(model.get_input_embeddings().num_embeddings), 1000)), pad_id)
    row = pack_groups(groups, lambda *_: True).to(model.device)
    try:
        with torch.no_grad():
            texts = [torch.tensor([text], device=model.device) for texts in groups for text in texts]
            alone = torch.stack([model.eval()(input_ids=text).logits[0, 0] for text in texts]).float()
            model.set_attn_implementation(BRANCH_ATTENTION)
            together = reader.compute_rewards(model, row)
    except Exception as error:  # noqa: BLE001  a model may raise anything; it then gets another layout
        return summarize_error(error)
    finally:
        model.set_attn_implementation(attention_before)
        reader.hook.remove()
    difference = float((alone - together).abs().max())
    allowed = float(alone.std()) * (1e-3 if model.dtype == torch.float32 else 0.2)
    return None if difference <= allowed else f"it moves a reward by {difference:.4f}"


def _draw_groups(ids: Sequence[int], pad_id: int) -> list[list[list[int]]]:
    """Draw two groups of texts that begin alike, from these ids without the pad token's."""
    rng = Random(0)
    candidates = [id for id in ids if id != pad_id]
    return [
        [prefix + rng.choices(candidates, k=length) for length in lengths]
        for prefix, lengths in ((rng.choices(candidates, k=17), (7, 12)), (rng.choices(candidates, k=5), (11, 3)))
    ]
