"""A single kernel for the attention of a whole row of branches, on accelerators that support it.

The plain attention makes one call per branch; on an accelerator, most of that time is spent on launches.
FlexAttention computes the whole row at once and skips blocks that the mask hides entirely. It is compiled for the
machine at hand, so it is used only after its values agreed with the plain attention's; if it fails or differs, the
plain attention is used.

Source: Dong et al., "Flex Attention: A Programming Model for Generating Optimized Attention Kernels" (2024), as
implemented in `torch.nn.attention.flex_attention`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from preftemplates_train.errors import summarize_error

if TYPE_CHECKING:
    from preftemplates_train.data.branches import BranchLengths

RowAttention = Callable[..., Tensor]
"""Maps query, key and value, each of shape (1, heads, T, width), and a block mask to shape (1, heads, T, width)."""

MAX_ROW_TOKENS = 32_768
"""The longest row: its mask is built from a table of all pairs of tokens, one byte each."""


# All layers of a model that have the same window share one mask per row.
@lru_cache(maxsize=4)
def build_block_mask(branches: tuple[BranchLengths, ...], window: int | None, device: torch.device) -> BlockMask:
    """Build the mask of a row: a token attends to its prefix and its own branch, up to itself and within a window.

    Args:
        branches: the groups of the row.
        window: the number of positions that a token attends to, including its own; None for all.
        device: the device of the row.
    """
    groups, owners, positions = list[int](), list[int](), list[int]()
    for number, (prefix, lengths) in enumerate(branches):
        for owner, (start, length) in enumerate([(0, prefix), *((prefix, length) for length in lengths)]):
            groups += [number] * length
            owners += [owner] * length
            positions += range(start, start + length)
    group_of, owner_of, position_of = (torch.tensor(values, device=device) for values in (groups, owners, positions))
    reach = len(groups) if window is None else window  # no distance in the row is as large as its length

    def is_seen(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        # Owner 0 is the prefix, which every branch of its group sees.
        is_own = (owner_of[key] == 0) | (owner_of[key] == owner_of[query])
        is_near = (key <= query) & (position_of[query] - position_of[key] < reach)
        return (group_of[query] == group_of[key]) & is_own & is_near

    return create_block_mask(is_seen, None, None, len(groups), len(groups), device=device)


@cache
def compile_flex_attention() -> RowAttention:
    """Compile FlexAttention for rows of any length."""
    # Rows differ in length; with dynamic=False, each length is compiled, up to the `recompile_limit` of 8.
    return torch.compile(flex_attention, dynamic=True)


class RowKernel:
    """An attention of whole rows that is compared with the plain attention before it is used.

    Args:
        make_attention: returns the attention; called when it is needed.
    """

    def __init__(self, make_attention: Callable[[], RowAttention] = compile_flex_attention) -> None:
        self._make_attention = make_attention
        self._is_usable: dict[Any, bool] = {}

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        branches: tuple[BranchLengths, ...],
        window: int | None,
        scaling: float | None,
        attend_plainly: Callable[[], Tensor],
    ) -> Tensor:
        """Return the values, in the shape of the query; the plain attention's if the kernel fails or differs.

        Args:
            query: shape (1, heads, T, width); key and value may have fewer heads.
            key: likewise.
            value: likewise.
            branches: the groups of the row.
            window: the number of positions that a token attends to; None for all.
            scaling: the factor of the scores; if None, one over the square root of the width.
            attend_plainly: computes the plain attention.
        """
        # Other kernels are compiled for these, so each is compared once; the length of a row is not among them.
        shape = query.dtype, query.shape[1], key.shape[1], query.shape[3], window
        if self._is_usable.get(shape) is False or query.shape[2] > MAX_ROW_TOKENS:
            return attend_plainly()
        try:
            mask = build_block_mask(branches, window, query.device)
            has_groups = query.shape[1] != key.shape[1]  # else FlexAttention raises ValueError
            values = self._make_attention()(query, key, value, block_mask=mask, scale=scaling, enable_gqa=has_groups)
        except Exception as error:  # noqa: BLE001  a compiler may raise anything
            return self._reject(shape, summarize_error(error), attend_plainly())
        if shape in self._is_usable:
            return values
        expected = attend_plainly()
        allowed = 1e-3 if query.dtype == torch.float32 else 3e-2
        largest = expected.detach().abs().max().clamp(min=1e-6)
        difference = float((values.detach() - expected.detach()).abs().max() / largest)
        if not difference <= allowed:  # also true of NaN
            return self._reject(shape, f"its values differ by {difference:.4f} of the largest", expected)
        self._is_usable[shape] = True
        return values

    def _reject(self, shape: Any, reason: str, expected: Tensor) -> Tensor:
        self._is_usable[shape] = False
        warnings.warn(f"attention over branches runs without FlexAttention: {reason}", stacklevel=2)
        return expected


ROW_KERNEL = RowKernel()
"""The kernel of this process."""
