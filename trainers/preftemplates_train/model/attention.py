"""Attention over branches: a token attends to its own branch and the prefix of its group only.

It is registered as one of transformers' attention functions, so it works for every model that uses them. A prefix and
its first branch are one causal sequence; each other branch attends to the prefix through a mask. Sliding windows count
positions and not places in the row, so a window that reaches from a branch into its prefix is as wide as in a sequence
of its own.
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
"""Arguments that some models pass to their attention function, and that this one does not support."""


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
        attention_mask: must be None: the groups define which tokens a token attends to.
        scaling: the factor of the scores; if None, one over the square root of the width.
        dropout: the dropout of the attention weights.
        sliding_window: the number of positions that a token attends to, including its own.
        branches: the groups of the row.
        others: further arguments of the model.

    Returns:
        The values, shape (1, T, heads, width), and None.

    Raises:
        NotImplementedError: the model needs more than scaled and masked scores.
    """
    # Without this check, a model with soft-capped scores or sinks would run and give wrong rewards without an error.
    # Gemma 2 caps its scores (softcap), gpt-oss has sinks (s_aux), and T5 adds a bias per distance (position_bias).
    unsupported = [name for name in UNSUPPORTED if others.get(name) is not None]
    if unsupported or attention_mask is not None or not branches or not getattr(module, "is_causal", True):
        raise NotImplementedError(f"attention over branches does not support {', '.join(unsupported) or 'this mask'}")
    # The kernel has no dropout, so training with dropout computes each branch by itself.
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
    """Compute one attention per branch, the first together with the prefix; runs on any device.

    Returns:
        Shape (1, heads, T, width), as the query.
    """
    times = query.shape[1] // key.shape[1]
    attend = partial(scaled_dot_product_attention, scale=scaling, dropout_p=dropout)
    # With a mask, sdpa's own `enable_gqa` falls back to the math kernel on CUDA (transformers' use_gqa_in_sdpa).
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
    """Yield the queries of each branch with the keys and values that they attend to.

    The first branch comes with the prefix: together they are a plain causal sequence, which needs no mask.
    """
    prefix, (first, *others) = group
    if not others:  # a text that shares nothing is not copied
        yield queries, keys, values
        return
    seen = [state.split([prefix, first, *others], dim=2) for state in (keys, values)]
    for number, branch_queries in enumerate(queries.split([prefix + first, *others], dim=2)):
        if branch_queries.shape[2]:  # a sequence that is all prefix has an empty branch
            yield branch_queries, *(torch.cat((parts[0], parts[number + 1]), dim=2) for parts in seen)


def _mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor | None:
    """Return which keys the queries of the last keys attend to, shape (queries, keys).

    The keys of a branch are those of its prefix and its own, so their places are the positions in the sequence, and a
    window is measured in them. None stands for a plain causal mask: kernels skip hidden pairs only if they get no
    tensor.
    """
    # With fewer queries than keys, `is_causal` would let the first query see the first key only.
    if queries == keys and (window is None or keys <= window):
        return None
    places = torch.arange(keys, device=device)
    distance = places[keys - queries :, None] - places
    return (distance >= 0) if window is None else (distance >= 0) & (distance < window)


AttentionInterface.register(BRANCH_ATTENTION, attend_in_branches)


class BranchReader:
    """Makes a sequence classifier return the rewards of all sequences of a row.

    A classifier's head scores every token, and the model then picks one token of each row. While a row is read, a hook
    gives every token the scores at the ends of all sequences, so the token that the model picks holds all of them.
    So the rewards leave through the model's own forward pass, and through wrappers such as DDP or FSDP, which would
    not see a call of the head alone.

    Args:
        head: the module that scores every token.
    """

    def __init__(self, head: nn.Module) -> None:
        self._ends: Tensor | None = None
        self.hook = head.register_forward_hook(self._spread)

    def _spread(self, _head: nn.Module, _inputs: Any, scores: Tensor) -> Tensor:
        if self._ends is None:
            return scores
        # The shape stays (1, T, any), so the model's own indexing by row and token gives (1, S).
        return scores[0, self._ends, 0].expand(1, scores.shape[1], -1)

    def compute_rewards(self, model: nn.Module, row: PackedRow) -> Tensor:
        """Return the rewards of the sequences of a row, shape (S,).

        Args:
            model: the classifier, or its wrapper.
            row: the row.
        """
        self._ends = row.ends
        try:
            logits: Tensor = model(
                input_ids=row.input_ids, position_ids=row.position_ids, branches=row.groups, use_cache=False
            ).logits
        finally:
            self._ends = None  # the hook changes nothing outside of this call, such as in an evaluation with padding
        return logits[0].float()


def enable_branches(model: Any) -> BranchReader:
    """Switch a model, with or without adapters, to attention over branches."""
    base_model = model.get_base_model() if hasattr(model, "get_base_model") else model
    base_model.set_attn_implementation(BRANCH_ATTENTION)
    return BranchReader(base_model.score)


def explain_no_branches(model: Any, pad_id: int) -> str | None:
    """Return the reason why a model's rewards in branches differ from those of each text alone; None if they agree.

    No list of architectures would be complete, so a few texts are scored both ways. The model is left as it was,
    except that it is in evaluation mode.
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
    # Relative to the spread, because a new head may give rewards that are all small.
    allowed = float(alone.std()) * (1e-3 if model.dtype == torch.float32 else 0.2)
    return None if difference <= allowed else f"rewards in branches differ by {difference:.4f}"


def _draw_groups(ids: Sequence[int], pad_id: int) -> list[list[list[int]]]:
    """Draw two groups of texts with common prefixes, from these ids without the pad token's."""
    rng = Random(0)  # each process of a distributed run has to come to the same result
    candidates = [id for id in ids if id != pad_id]  # classifiers score the last token that is not this one
    return [
        [prefix + rng.choices(candidates, k=length) for length in lengths]
        for prefix, lengths in ((rng.choices(candidates, k=17), (7, 12)), (rng.choices(candidates, k=5), (11, 3)))
    ]
