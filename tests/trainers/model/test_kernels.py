"""A whole row in one kernel sees what the plain way sees, and is used only where it gives the same.

FlexAttention runs without a compiler on a CPU, forward only; the tests marked `gpu` have it compiled, with gradients.
"""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.branches import pack_groups
from preftemplates_train.model.attention import BranchReader, attend_by_sequence, enable_branches
from preftemplates_train.model.kernels import MAX_ROW_TOKENS, RowKernel, build_block_mask
from torch.nn.attention.flex_attention import flex_attention
from transformers import LlamaConfig, LlamaForSequenceClassification

GROUPS = ((17, (7, 12)), (0, (5,)), (5, (11, 3, 4)), (3, (0, 2)))
group = st.tuples(st.integers(0, 9), st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple))


def states(groups, heads=4, shared=2, width=16, seed=0, **kind):
    draw = torch.Generator().manual_seed(seed)
    length = sum(trunk + sum(lengths) for trunk, lengths in groups)
    return [torch.randn(1, count, length, width, generator=draw).to(**kind) for count in (heads, shared, shared)]


def flex(query, key, value, block_mask, scale, enable_gqa):
    with torch.no_grad():
        return flex_attention(query, key, value, block_mask=block_mask, scale=scale, enable_gqa=enable_gqa)


@given(st.lists(group, min_size=1, max_size=4).map(tuple), st.sampled_from([None, 1, 3, 8]), st.booleans())
def test_a_row_in_one_kernel_is_what_its_sequences_are(groups, window, grouped):
    own = states(groups, shared=2 if grouped else 4)
    found = flex(*own, build_block_mask(groups, window, torch.device("cpu")), None, grouped)
    assert torch.allclose(found, attend_by_sequence(*own, groups, window), atol=1e-5)


class Counted:
    """The plain way, which counts how often it is asked."""

    def __init__(self, own, groups):
        self.own, self.groups, self.asked = own, groups, 0

    def __call__(self):
        self.asked += 1
        return attend_by_sequence(*self.own, self.groups)


def attend(kernel, own, plain, groups=GROUPS):
    return kernel.attend(*own, groups, None, None, plain)


def test_it_is_tried_beside_the_plain_way_once_and_then_used_alone():
    kernel, own = RowKernel(lambda: flex), states(GROUPS)
    plain = Counted(own, GROUPS)
    wanted = attend_by_sequence(*own, GROUPS)
    for _ in range(3):
        assert torch.allclose(attend(kernel, own, plain), wanted, atol=1e-5)
    assert plain.asked == 1
    others = states(GROUPS, heads=8)
    attend(kernel, others, Counted(others, GROUPS))
    attend(kernel, own, plain)
    assert plain.asked == 1


def wrong(*own, block_mask, scale, enable_gqa):
    return flex(*own, block_mask, scale, enable_gqa) * 1.01


def broken(*_, **__):
    raise RuntimeError("no compiler here\nand more")


def not_a_number(*own, **_):
    return torch.full_like(own[0], float("nan"))


@pytest.mark.parametrize(
    ("attention", "reason"),
    [(wrong, "its values differ by"), (broken, "no compiler here"), (not_a_number, "its values differ by nan")],
)
def test_one_that_fails_or_differs_is_told_of_once_and_the_plain_way_stays(attention, reason):
    kernel, own = RowKernel(lambda: attention), states(GROUPS)
    plain, wanted = Counted(own, GROUPS), attend_by_sequence(*own, GROUPS)
    with pytest.warns(UserWarning, match=f"attention over branches runs without FlexAttention: {reason}") as told:
        found = [attend(kernel, own, plain) for _ in range(3)]
    assert len(told) == 1
    assert all(torch.equal(one, wanted) for one in found)
    assert plain.asked == 3


def test_a_row_so_long_that_its_mask_would_fill_the_memory_goes_the_plain_way():
    groups = ((0, (MAX_ROW_TOKENS + 1,)),)
    own = [torch.zeros(1, 1, MAX_ROW_TOKENS + 1, 1)] * 3
    assert attend(RowKernel(lambda: broken), own, lambda: own[0], groups) is own[0]


# --- on an accelerator -----------------------------------------------------------------------------------------------

needs_one = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no accelerator")


@needs_one
@pytest.mark.gpu
@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_compiled_kernel_has_the_values_and_gradients_of_the_plain_way(kind, window):
    kernel, found = RowKernel(), []
    for way in ("kernel", "plain"):
        own = [state.requires_grad_() for state in states(GROUPS, device="cuda", dtype=kind)]
        plain = partial(attend_by_sequence, *own, GROUPS, window)
        for _ in range(2 if way == "kernel" else 1):  # the first is the trial
            values = kernel.attend(*own, GROUPS, window, None, plain) if way == "kernel" else plain()
        values.float().square().sum().backward()
        found.append([values.detach().float(), *(state.grad.float() for state in own)])
    assert list(kernel._is_usable.values()) == [True]
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() <= (1e-4 if kind == torch.float32 else 5e-2) * other.abs().max()


@needs_one
@pytest.mark.gpu
def test_a_model_gives_the_rewards_on_an_accelerator_that_it_gives_on_a_processor():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=99, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, num_labels=1, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForSequenceClassification(config).eval()
    texts = [[[*range(1, 30), 40], [*range(1, 30), 50, 51]], [[*range(60, 90)], [*range(60, 80), 3]]]
    laid = pack_groups(texts, lambda *_: True)
    reader: BranchReader = enable_branches(model)
    with torch.no_grad():
        wanted = reader.compute_rewards(model, laid)
        model.cuda()
        for _ in range(2):
            found = reader.compute_rewards(model, laid.to(torch.device("cuda"))).cpu()
    assert torch.allclose(found, wanted, atol=1e-3)
