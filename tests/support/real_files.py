"""Every file of real rows: the template that reads it, and what becomes of its rows."""

from typing import NamedTuple


class Reads(NamedTuple):
    """Rows = formatted + skipped + rejected; the results are those of the formatted rows.

    Attributes:
        results: where they are not as many as the formatted rows.
        left_out: samples of formatted rows that should not be trained on.
        lost: what has no place in a format that is made from another one.
    """

    template: str
    format: str
    rows: int
    formatted: int
    skipped: int = 0
    rejected: int = 0
    results: int | None = None
    left_out: int = 0
    lost: tuple[tuple[str, int], ...] = ()


FILES = {
    "colossalchat/test_dpo_data.jsonl": Reads("ColossalChat-dpo", "preference", 1, 1),
    "colossalchat/test_kto_data.jsonl": Reads("ColossalChat-kto", "unpaired", 1, 1),
    "colossalchat/test_sft_data.jsonl": Reads("ColossalChat-sft", "supervised", 1, 1),
    "fastchat/dummy_conversation.json": Reads("ShareGPT", "supervised", 500, 500),
    "hh_rlhf/harmless-base_test_even.jsonl.gz": Reads("HH", "preference", 1156, 1149, 2, 5),
    "llamafactory/dpo_en_demo.json": Reads("LLaMA-Factory-sharegpt-ranking", "preference", 300, 300),
    "llamafactory/dpo_zh_demo.json": Reads("LLaMA-Factory-sharegpt-ranking", "preference", 300, 300),
    "llamafactory/glaive_toolcall_en_demo.json": Reads("LLaMA-Factory-toolcall", "supervised", 300, 300),
    "llamafactory/kto_en_demo.json": Reads("LLaMA-Factory-kto", "unpaired", 300, 300),
    "llamafactory/reason_tool_use_demo_50.jsonl": Reads("LLaMA-Factory-reasoning-tools", "supervised", 50, 50),
    "llamafactory/v1_dpo_demo.jsonl": Reads("LLaMA-Factory-v1-pairs", "preference", 10, 10),
    "ms_swift/chatml.jsonl": Reads("Messages", "supervised", 3, 3),
    "ms_swift/conversations.jsonl": Reads("ShareGPT", "supervised", 3, 3),
    "nemo_aligner/dummy-dpo.jsonl": Reads("NeMo-Aligner-dpo", "preference", 100, 100),
    "nemo_aligner/test-rm.jsonl": Reads("NeMo-Aligner-regression", "scored", 8, 8),
    "oasst/en_100_tree.jsonl": Reads("OASST-trees", "ranked", 100, 100, results=212),
    "oasst/oaast_rm_zh.json": Reads("OASST-zh-ranked", "ranked", 775, 772, 3),
    "open_instruct/helpfulness-full.jsonl": Reads("OpenInstruct-annotation", "prompt_only", 2, 2),
    "pku_saferlhf/align_anything_preference_train.json": Reads("PKUSafeRLHF", "preference", 32, 32),
    "tinker/conversations.jsonl": Reads("Messages", "supervised", 128, 128),
    "torchtune/chat_tiny.json": Reads("ShareGPT", "supervised", 1, 1),
    "torchtune/hh_rlhf_tiny.json": Reads("HH-helpful-standard", "preference", 1, 1),
    "torchtune/instruct_tiny.json": Reads("torchtune-instruct", "supervised", 2, 2),
    "torchtune/stack_exchange_paired_tiny.json": Reads("StackExchange-paired", "preference", 25, 25),
    "trl_zen/conversational_implicit_prompt_preference.jsonl": Reads("TRL-implicit-messages", "preference", 19, 19),
    "trl_zen/conversational_language_modeling.jsonl": Reads("TRL-language-modeling-messages", "supervised", 19, 19),
    "trl_zen/conversational_preference.jsonl": Reads("TRL-messages", "preference", 19, 19),
    "trl_zen/conversational_prompt_completion.jsonl": Reads("TRL-messages", "supervised", 19, 19),
    "trl_zen/conversational_prompt_only.jsonl": Reads("TRL-prompts", "prompt_only", 19, 19),
    "trl_zen/conversational_unpaired_preference.jsonl": Reads("TRL-unpaired-messages", "unpaired", 19, 19),
    "trl_zen/standard_implicit_prompt_preference.jsonl": Reads("TRL-implicit", "preference", 19, 19),
    "trl_zen/standard_language_modeling.jsonl": Reads("TRL-language-modeling", "supervised", 19, 19),
    "trl_zen/standard_preference.jsonl": Reads("TRL", "preference", 19, 19),
    "trl_zen/standard_prompt_completion.jsonl": Reads("TRL", "supervised", 19, 19),
    "trl_zen/standard_prompt_only.jsonl": Reads("TRL-prompts-text", "prompt_only", 19, 19),
    "trl_zen/standard_stepwise_supervision.jsonl": Reads("TRL-stepwise", "stepwise", 19, 19),
    "trl_zen/standard_unpaired_preference.jsonl": Reads("TRL-unpaired", "unpaired", 19, 19),
}
PKU = "pku_saferlhf/align_anything_preference_train.json"
FURTHER = [
    ("hh_rlhf/harmless-base_test_even.jsonl.gz", Reads("HH", "unpaired", 1156, 1151, 0, 5, results=2300, left_out=2)),
    ("hh_rlhf/harmless-base_test_even.jsonl.gz", Reads("HH", "judge", 1156, 1149, 2, 5, results=2298)),
    (
        "llamafactory/kto_en_demo.json",
        Reads("LLaMA-Factory-kto", "supervised", 300, 150, 150, lost=(("completion", 150), ("label", 300))),
    ),
    ("oasst/en_100_tree.jsonl", Reads("OASST-trees", "preference", 100, 100, results=754)),
    (
        "oasst/en_100_tree.jsonl",
        Reads("OASST-trees", "supervised", 100, 100, results=212, lost=(("completions", 429), ("ranks", 212))),
    ),
    ("oasst/oaast_rm_zh.json", Reads("OASST-zh-ranked", "preference", 775, 772, 3, results=1803, left_out=3)),
    (
        "oasst/oaast_rm_zh.json",
        Reads("OASST-zh-ranked", "supervised", 775, 775, lost=(("completions", 1218), ("ranks", 775))),
    ),
    (PKU, Reads("PKUSafeRLHF-safer", "preference", 32, 32)),
    (
        PKU,
        Reads("PKUSafeRLHF-safety", "preference", 32, 32, lost=(("chosen_safe", 32), ("rejected_safe", 32))),
    ),
    (PKU, Reads("PKUSafeRLHF", "unpaired", 32, 32, results=64)),
    (PKU, Reads("PKUSafeRLHF", "judge", 32, 32, results=64)),
    (
        "trl_zen/standard_stepwise_supervision.jsonl",
        Reads("TRL-stepwise", "supervised", 19, 6, 13, lost=(("completions", 23), ("labels", 19))),
    ),
]
"""Files that another template reads too, or of whose rows another format is made."""

NO_ROWS = {"llamafactory/dataset_info.json"}
"""Files that hold no rows."""
