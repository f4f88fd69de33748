"""torchtune: whole conversations as messages, the chosen and the rejected one side by side.

Keys: torchtune's documentation on preference, chat and instruct datasets. In torchtune 0.6.1, `chat_dataset` reads
conversations and `preference_dataset` reads pairs; nothing reads prompts. These loaders read only roles and contents,
so other keys of a message are rejected, and tools are counted as lost. If questions and answers do not alternate,
`chat_dataset` raises an error in the middle of a run, so such conversations are rejected too.

torchtune reads no chat template: the tokenizer of each of its models writes the turns of that model. The configuration
is a local component, which is a module that a recipe's configuration names. It contains a tokenizer that is the
model's own with a chat template.
"""

from preftemplates import ConsumerConfig, Dialect, register_dialect

MODULE = '''\
{% set module = config | replace(".py", "") %}
"""The tokenizer and the dataset for a recipe of torchtune. In the folder of this file:

tune run RECIPE --config CONFIG tokenizer={{ module }}.Tokenizer tokenizer.path=MODEL dataset={{ module }}.load_rows

MODEL is a folder with a tokenizer of transformers, which must be installed. Of the options that the recipe has for its
tokenizer and dataset, max_seq_len{{ " and packed are" if format == "supervised" else " is" }} used.
"""

from pathlib import Path

from torchtune.datasets import {{ "chat" if format == "supervised" else "preference" }}_dataset
from transformers import AutoTokenizer

HERE = Path(__file__).resolve().parent


class Tokenizer:
    """The tokenizer of a folder, which renders messages with its chat template."""

    def __init__(self, path, max_seq_len=None, **_):
        self.tokenizer = AutoTokenizer.from_pretrained(path)
{% if chat_template_nearby %}
        template = HERE / {{ chat_template_nearby | tojson }}
        self.tokenizer.chat_template = template.read_text(encoding="utf-8")
{% endif %}
        self.max_seq_len = max_seq_len
        self.bos_id, self.eos_id = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        pad_id = self.tokenizer.pad_token_id
        self.pad_id = self.eos_id if pad_id is None else pad_id

    def render(self, turns, **options):
        """Return the ids of a conversation."""
        return list(self.tokenizer.apply_chat_template(turns, return_dict=True, **options)["input_ids"])

    def tokenize_messages(self, messages, **_):
        """Return the ids, and a mask that is True for ids without a loss."""
        turns = [{"role": message.role, "content": message.text_content} for message in messages]
        tokens = self.render(turns)
        mask = [True] * len(tokens)
        for number, message in enumerate(messages):
            if not message.masked:
                start = len(self.render(turns[:number], add_generation_prompt=True)) if number else 0
                end = len(self.render(turns[: number + 1]))
                mask[start:end] = [False] * len(mask[start:end])
        return tokens[: self.max_seq_len], mask[: self.max_seq_len]

    def __call__(self, sample, inference=False):
        """Replace the messages with their ids and mask."""
        tokens, mask = self.tokenize_messages(sample.pop("messages"))
        return {**sample, "tokens": tokens, "mask": mask}


{% if format == "supervised" %}
def load_rows(tokenizer, packed=False, **_):
    """Return the conversations."""
    columns = {"conversation_column": "messages", "conversation_style": "openai"}
    rows = str(HERE / {{ rows_nearby | tojson }})
    source = {"source": {{ loader | tojson }}, "data_files": rows, "split": "train"}
    return chat_dataset(tokenizer, **source, **columns, packed=packed)
{% else %}
def load_rows(tokenizer, **_):
    """Return the pairs."""
    rows = str(HERE / {{ rows_nearby | tojson }})
    return preference_dataset(tokenizer, source={{ loader | tojson }}, data_files=rows, split="train")
{% endif %}
'''


@register_dialect("torchtune")
class Torchtune(Dialect):
    config = ConsumerConfig(".py", {"supervised": MODULE, "preference": MODULE})
    roles = {"system": "system", "user": "user", "assistant": "assistant"}
    prompt_only = {"messages": "prompt.messages"}
    supervised = {"messages": "prompt+completion.conversation"}
    preference = {"chosen": "prompt+chosen.messages", "rejected": "prompt+rejected.messages"}
    judge = supervised
