"""One kernel for the attention of a whole row of branches, on accelerators that have it.

The plain way calls an attention for each branch; on an accelerator most of that is waiting. FlexAttention takes the
whole row at once and skips the blocks that nothing sees. It is compiled for the machine at hand, so it is believed
only once it has given what the plain way gives; where it fails or differs, the plain way stays.

Source: Dong et al., "Flex Attention: A Programming Model for Generating Optimized Attention Kernels" (2024), as
`torch.nn.attention.flex_attention` has it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from preftemplates_train.data.branches import Group
from preftemplates_train.errors import summarize_error

Attention = Callable[..., Tensor]
"""From query, key and value, each of shape (1, heads, T, width), and a block mask to shape (1, heads, T, width)."""

LONGEST = 32_768
"""Tokens of a row; the mask is made from a table of all pairs of them, one byte each."""


@lru_cache(maxsize=4)
def block_mask(branches: tuple[Group, ...], window: int | None, device: torch.device) -> BlockMask:
    """What each token of a row sees: its own branch and the trunk of its group, up to itself, and within a window.

    Args:
        branches: the groups of the row.
        window: how many positions a token sees at most, its own included; None for all.
        device: where the row is.
    """
    groups, owners, positions = list[int](), list[int](), list[int]()
    for number, (trunk, lengths) in enumerate(branches):
        for owner, (start, length) in enumerate([(0, trunk), *((trunk, length) for length in lengths)]):
            groups += [number] * length
            owners += [owner] * length
            positions += range(start, start + length)
    group, owner_of, position = (torch.tensor(values, device=device) for values in (groups, owners, positions))
    reach = len(groups) if window is None else window

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        own = (owner_of[key] == 0) | (owner_of[key] == owner_of[query])
        near = (key <= query) & (position[query] - position[key] < reach)
        return (group[query] == group[key]) & own & near

    return create_block_mask(sees, None, None, len(groups), len(groups), device=device)


@cache
def compiled() -> Attention:
    """FlexAttention, compiled for rows of any length."""
    return torch.compile(flex_attention, dynamic=True)


class RowKernel:
    """An attention of whole rows, tried beside the plain one before it is used.

    Args:
        attention: makes the attention; called once, when it is first needed.
    """

    def __init__(self, attention: Callable[[], Attention] = compiled) -> None:
        self._attention = attention
        self._tried: dict[Any, bool] = {}

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        branches: tuple[Group, ...],
        window: int | None,
        scaling: float | None,
        plain: Callable[[], Tensor],
    ) -> Tensor:
        """The values, of the shape of the query; those of `plain` where the kernel fails or differs.

        Args:
            query: shape (1, heads, T, width); key and value may have fewer heads.
            key: likewise.
            value: likewise.
            branches: the groups of the row.
            window: how many positions a token sees at most.
            scaling: of the scores; one over the root of the width if it is None.
            plain: gives the values in the plain way.
        """
        kind = query.dtype, query.shape[1], key.shape[1], query.shape[3], window
        if self._tried.get(kind) is False or query.shape[2] > LONGEST:
            return plain()
        try:
            mask = block_mask(branches, window, query.device)
            grouped = query.shape[1] != key.shape[1]
            found = self._attention()(query, key, value, block_mask=mask, scale=scaling, enable_gqa=grouped)
        except Exception as error:  # a compiler may raise anything
            return self._refuse(kind, summarize_error(error), plain())
        if kind in self._tried:
            return found
        wanted = plain()
        allowed = 1e-3 if query.dtype == torch.float32 else 3e-2
        moved = float((found.detach() - wanted.detach()).abs().max() / wanted.detach().abs().max().clamp(min=1e-6))
        if not moved <= allowed:
            return self._refuse(kind, f"it moves a value by {moved:.4f} of the largest", wanted)
        self._tried[kind] = True
        return found

    def _refuse(self, kind: Any, reason: str, wanted: Tensor) -> Tensor:
        self._tried[kind] = False
        warnings.warn(f"no single kernel for rows of branches: {reason}", stacklevel=2)
        return wanted


ROW_KERNEL = RowKernel()
"""The kernel of this process."""
