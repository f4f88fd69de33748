"""Split samples into training and held-out samples, by prompt."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from preftemplates_train.data.labelled_texts import LabelledTexts


def split_by_prompt(
    samples: list[LabelledTexts], share: float, seed: int
) -> tuple[list[LabelledTexts], list[LabelledTexts]]:
    """Split into training and held-out samples; all samples with the same prompt are on one side.

    Args:
        samples: the samples.
        share: the share of prompts to hold out, from 0 to 1.
        seed: decides which prompts are held out.

    Raises:
        SetupError: there are fewer than two prompts.
    """
    prompts = sorted({sample.prompt for sample in samples}, key=lambda prompt: _hash_prompt(prompt, seed))
    if len(prompts) < 2:
        reason = ", since the custom template writes no prompt" if prompts == [""] else ""
        raise SetupError(
            f"holding out prompts needs at least two of them, got {len(prompts)}{reason}; name held-out rows with"
            " --eval_data, or set --eval_size 0"
        )
    held_out = set(prompts[: min(len(prompts) - 1, max(1, round(share * len(prompts))))])
    sides: tuple[list[LabelledTexts], list[LabelledTexts]] = ([], [])
    for sample in samples:
        sides[sample.prompt in held_out].append(sample)
    return sides


def _hash_prompt(prompt: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{prompt}".encode("utf-8", "backslashreplace")).digest()
