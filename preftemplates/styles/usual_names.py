"""Usual names of models without a bundled style: an error for them is better than the layout of a similar model."""

from __future__ import annotations

from preftemplates.core.registry import fold_name

MODEL_FAMILIES = {
    "Command R7B and Command A": ("command-r7b", "command-a", "cohere2"),
    "DeepSeek's first models": ("deepseek", "deepseek-llm", "deepseek-v2-lite", "deepseek2"),
    "DeepSeek Coder": ("deepseek-coder", "deepseek-coder-v2"),
    "DeepSeek V3.1 and later": ("deepseek-v3.1", "deepseek-v3.2", "deepseek-v4"),
    "DeepSeek R1 Distill": ("deepseek-r1-distill", "deepseek-r1-distill-qwen", "deepseek-r1-distill-llama"),
    "EXAONE 4": ("exaone4", "exaone-4.0"),
    "Falcon H1": ("falcon-h1",),
    "Gemma 3n": ("gemma3n",),
    "Gemma 4": ("gemma4", "gemma-4-thinking"),
    "GLM 4.7 and later": ("glm4.7", "glm5"),
    "Granite 3.1 to 3.3": ("granite3.1", "granite3.2", "granite3.3"),
    "Hermes": ("hermes", "hermes-2", "hermes-3", "hermes-4"),
    "Hunyuan A13B": ("hunyuan-a13b", "hunyuan-moe"),
    "Kimi K2 Thinking and K2.5": ("kimi-k2-thinking", "kimi-k2.5"),
    "LFM 2.5": ("lfm2.5",),
    "Llama 3.2 Vision": ("llama3.2-vision", "mllama"),
    "LLaVA": ("llava", "llava-next"),
    "MiniCPM": ("minicpm", "minicpm3", "minicpm4"),
    "MiniMax M2.1 and later": ("minimax-m2.1", "minimax-m2.5"),
    "Ministral 3": ("ministral", "ministral-3"),
    "Mistral Small and Devstral": ("mistral-small", "devstral", "magistral"),
    "Mixtral": ("mixtral",),
    "OLMo 3": ("olmo3",),
    "Phi-4 mini and Phi-4 reasoning": ("phi4-mini", "phi4-reasoning", "phi4-multimodal"),
    "Pixtral": ("pixtral",),
    "Qwen 1.5 and 2": ("qwen1.5", "qwen2"),
    "Qwen-VL": ("qwen2-vl", "qwen2.5-vl", "qwen3-vl"),
    "Qwen3 2507": ("qwen3-instruct", "qwen3-instruct-2507", "qwen3-thinking", "qwen3-nothink", "qwen3-2507"),
    "Qwen3-Coder": ("qwen3-coder", "qwen3-coder-next"),
    "QwQ": ("qwq",),
    "SmolVLM": ("smolvlm",),
}
"""Families of models, each with the names that people type, including those of LLaMA-Factory, axolotl, Unsloth,
FastChat and llama.cpp."""


def find_missing_family(name: str) -> str | None:
    """Return the family of models that a name stands for if no bundled style writes its layout; None for other names.

    >>> find_missing_family("gemma-4"), find_missing_family("chatml")
    ('Gemma 4', None)
    """
    folded = fold_name(name)
    families = (family for family, names in MODEL_FAMILIES.items() if folded in map(fold_name, names))
    return next(families, None)
