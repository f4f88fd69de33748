"""Prepare a run: read, load and check everything that it needs before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preftemplates_train.data.dataset import encode_data, read_data
from preftemplates_train.data.label_checks import check_both_labels
from preftemplates_train.data.score_scale import UNSCALED
from preftemplates_train.data.tokenizer import (
    NO_ADDED_TEXT,
    AddedText,
    find_added_text,
    load_tokenizer,
    prepare_tokenizer,
)
from preftemplates_train.errors import SetupError
from preftemplates_train.heads.frozen_head import check_frozen_model
from preftemplates_train.model.adapters import add_lora
from preftemplates_train.model.attention import explain_no_branches
from preftemplates_train.model.checkpoint import CheckpointRecord, hash_tokenizer, prepare_for_consumers
from preftemplates_train.model.checks import check_padding, check_tokenizer_reload
from preftemplates_train.model.loading import (
    choose_max_length,
    count_positions,
    fit_vocabulary,
    load_model,
    load_model_config,
)
from preftemplates_train.model.tiny import make_tiny_model, train_tiny_tokenizer
from preftemplates_train.model.weight_hashes import hash_base_weights
from preftemplates_train.settings.objectives import OBJECTIVES
from preftemplates_train.training.resume import select_compared_settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from preftemplates_train.data.dataset import TextData, TokenData
    from preftemplates_train.model.loading import HeadOrigin
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.settings.run_settings import BatchLayout


@dataclass
class PreparedRun:
    """Everything that a run needs before its first step.

    Attributes:
        data: the samples as texts.
        encoded: the samples as token ids.
        tokenizer: the tokenizer, with its pad token and chat template.
        model: the model, with adapters if there are any.
        head: the origin of its head; None for a small decoder from scratch.
        layout: the chosen layout of batches.
        no_branches: the reason why the layout is not branches; None if it is.
        record: the record for the checkpoints.
    """

    data: TextData
    encoded: TokenData
    tokenizer: PreTrainedTokenizerFast
    model: Any
    head: HeadOrigin | None
    layout: BatchLayout
    no_branches: str | None
    record: CheckpointRecord


def prepare_run(config: RewardConfig, date: str | None = None) -> PreparedRun:
    """Read the data, load the model and check that they fit together.

    Args:
        config: the settings.
        date: the date for styles that print one: that of the checkpoint to continue, or today by default.

    Raises:
        SetupError: the data, the model, the tokenizer or the settings do not fit together.
    """
    tokenizer, added = load_run_tokenizer(config)
    name = config.model_name_or_path
    model_config = (
        load_model_config(name, config.model_revision, disable_dropout=config.disable_dropout) if name else None
    )
    max_length = choose_max_length(config.max_length, count_positions(model_config) if name else None)
    tokens_before = 0 if tokenizer is None else len(tokenizer)
    data = read_data(config, added, tokenizer, date)
    tokenizer = data.tokenizer
    if tokenizer is None:
        tiny = train_tiny_tokenizer(text for sample in data.train for text in sample.texts)
        tokens_before = len(tiny)
        tokenizer = prepare_tokenizer(tiny, data.style, config.pad_token)
    pad_id = int(tokenizer.pad_token_id)
    encoded = encode_data(data, tokenizer, max_length=max_length, config=config)
    check_both_labels(encoded.train, OBJECTIVES[config.objective])
    model, head = (
        load_model(name, model_config, config) if name else (make_tiny_model(tokenizer, max_length, config.seed), None)
    )
    base_weights = hash_base_weights(model, head.new) if config.use_peft and head is not None else None
    largest_id = max(max(ids) for one in encoded.all_samples for ids in one.ids)
    fit_vocabulary(model, tokenizer, tokens_before, largest_id)
    if config.train == "head":
        check_frozen_model(model, head, config)
    check_padding(model, pad_id)
    check_tokenizer_reload(tokenizer, model.config, [one.sample.texts[0] for one in encoded.train[:100]])
    record = _make_record(config, data, encoded, tokenizer, added, max_length, base_weights)
    layout, no_branches = choose_layout(model, pad_id, config)
    prepare_for_consumers(model.config, tokenizer, max_length)  # for checkpoints, which transformers saves
    model = add_lora(model, config) if config.use_peft else model
    return PreparedRun(data, encoded, tokenizer, model, head, layout, no_branches, record)


def load_run_tokenizer(config: RewardConfig) -> tuple[PreTrainedTokenizerFast | None, AddedText]:
    """Load the tokenizer of the model that the settings name, and return it with the text that it adds.

    Returns:
        None instead of a tokenizer if no model is named: the small decoder's tokenizer is trained on the texts.
    """
    if config.model_name_or_path is None:
        return None, NO_ADDED_TEXT
    tokenizer = load_tokenizer(config.model_name_or_path, config.model_revision)
    return tokenizer, find_added_text(tokenizer)


def choose_layout(model: Any, pad_id: int, config: RewardConfig) -> tuple[BatchLayout, str | None]:
    """Return the layout of batches, and the reason why it is not branches.

    Raises:
        SetupError: the settings name the layout branches, and the model does not support it.
    """
    if config.layout in ("grouped", "padded"):
        return config.layout, f"layout is {config.layout}"
    if config.attn_implementation:
        return "grouped", f"attn_implementation is {config.attn_implementation}"
    reason = explain_no_branches(model, pad_id)
    if reason is not None and config.layout == "branches":
        raise SetupError(f"the model does not support --layout branches: {reason}; use --layout grouped")
    return ("branches", None) if reason is None else ("grouped", reason)


def _make_record(
    config: RewardConfig,
    data: TextData,
    encoded: TokenData,
    tokenizer: PreTrainedTokenizerFast,
    added: AddedText,
    max_length: int,
    base_weights: str | None,
) -> CheckpointRecord:
    special = {"bos": tokenizer.bos_token, "eos": tokenizer.eos_token, "pad": tokenizer.pad_token, **added._asdict()}
    return CheckpointRecord(
        templates={
            name: {"name": template.name, "digest": template.text_digest} for name, template in data.templates.items()
        },
        dialects={
            name: {"name": template.dialect.name, "digest": template.dialect.digest}
            for name, template in data.templates.items()
            if not template.is_custom
        },
        style=None if data.style is None else {"name": data.style.name, "digest": data.style.digest},
        date=data.choice.date,
        special_tokens={**special, "written_by": "tokenizer" if data.style is None else "style"},
        max_length=max_length,
        length_policy=config.length_policy,
        tokenizer=hash_tokenizer(tokenizer),
        data=encoded.digest,
        settings=select_compared_settings(config),
        score_scale=None if encoded.scale == UNSCALED else encoded.scale._asdict(),
        base_weights=base_weights,
    )
