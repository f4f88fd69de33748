"""OpenRLHF: prompt, chosen and rejected, to be read with apply_chat_template.

Keys: OpenRLHF's README; the names are those of its options input_key, output_key, chosen_key and rejected_key.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("openrlhf")
class OpenRLHF(Dialect):
    prompt_only = {"input": "prompt.messages"}
    supervised = {"input": "prompt.messages", "output": "completion.messages"}
    preference = {"chosen": "prompt+chosen.messages", "rejected": "prompt+rejected.messages", "margin": "margin?"}
    judge = supervised
