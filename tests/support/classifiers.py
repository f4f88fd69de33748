"""Small untrained classifiers of many kinds."""

import torch
import transformers

SHAPE = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_labels": 1,
    "pad_token_id": 0,
    "initializer_range": 0.2,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}

OPTIONS = {
    "LlamaForSequenceClassification": ("LlamaConfig", {**SHAPE, "num_key_value_heads": 2}),
    "MistralForSequenceClassification": ("MistralConfig", {**SHAPE, "num_key_value_heads": 2, "sliding_window": 6}),
    "Qwen3ForSequenceClassification": ("Qwen3Config", {**SHAPE, **GROUPED}),
    "Gemma2ForSequenceClassification": (
        "Gemma2Config",
        {**SHAPE, **GROUPED, "bos_token_id": 2, "eos_token_id": 1, "sliding_window": 6},
    ),
    "Gemma3TextForSequenceClassification": (
        "Gemma3TextConfig",
        {**SHAPE, **GROUPED, "bos_token_id": 2, "eos_token_id": 1, "sliding_window": 6},
    ),
    "SmolLM3ForSequenceClassification": ("SmolLM3Config", {**SHAPE, "num_key_value_heads": 2}),
    "GptOssForSequenceClassification": (
        "GptOssConfig",
        {**SHAPE, **GROUPED, "num_local_experts": 4, "sliding_window": 6},
    ),
    "Qwen2MoeForSequenceClassification": (
        "Qwen2MoeConfig",
        {**SHAPE, "num_key_value_heads": 2, "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    ),
    "GPT2ForSequenceClassification": (
        "GPT2Config",
        {
            "vocab_size": 120, "n_embd": 32, "n_layer": 6, "n_head": 4, "num_labels": 1, "pad_token_id": 0,
            "bos_token_id": 1, "eos_token_id": 1, "initializer_range": 0.2,
        },
    ),
    "ModernBertForSequenceClassification": (
        "ModernBertConfig",
        {
            **SHAPE, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2,
            "initializer_cutoff_factor": 10.0,
        },
    ),
    "BertForSequenceClassification": ("BertConfig", SHAPE),
    "DistilBertForSequenceClassification": (
        "DistilBertConfig",
        {
            "vocab_size": 120, "dim": 32, "hidden_dim": 64, "n_layers": 6, "n_heads": 4, "num_labels": 1,
            "initializer_range": 0.2,
        },
    ),
    "RobertaForSequenceClassification": ("RobertaConfig", SHAPE),
    "AlbertForSequenceClassification": ("AlbertConfig", {**SHAPE, "embedding_size": 16}),
}  # fmt: skip

UNCUTTABLE = ("AlbertForSequenceClassification",)
CUTTABLE = [kind for kind in OPTIONS if kind not in UNCUTTABLE]


def make_classifier(kind, **changed):
    """An untrained classifier with one output, without dropout; the same for the same arguments."""
    config_kind, options = OPTIONS[kind]
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, config_kind)(**{**options, **changed}))
    return model.eval()
