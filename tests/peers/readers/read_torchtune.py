"""torchtune: the messages that its datasets hand to a model's tokenizer."""

import tempfile

from job import attempt, run
from torchtune.datasets import chat_dataset, preference_dataset


class Handed:
    """A tokenizer that keeps what it is asked to tokenize."""

    def __init__(self):
        self.conversations = []

    def tokenize_messages(self, messages, **_):
        self.conversations.append([[message.role, message.text_content] for message in messages])
        return [0], [False]

    def __call__(self, sample, inference=False):  # noqa: ARG002  torchtune passes it by name
        tokens, mask = self.tokenize_messages(sample.pop("messages"))
        return {**sample, "tokens": tokens, "mask": mask}


def read(_job, file):
    handed = Handed()
    with tempfile.TemporaryDirectory() as folder:
        source = {"source": "json", "data_files": file["path"], "split": "train", "cache_dir": folder}
        if file["format"] == "preference":
            rows = preference_dataset(handed, **source)
        else:
            rows = chat_dataset(handed, conversation_column="messages", conversation_style="openai", **source)
        for number in range(len(rows)):
            yield attempt(lambda number=number: rows[number]) or handed.conversations
            handed.conversations = []


run("torchtune", read)
