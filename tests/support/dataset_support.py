"""What the tests of datasets share: rows, settings that name them, and a token for each character."""

import json

from preftemplates_train.data.dataset import encode_data, read_data
from preftemplates_train.data.tokenizer import AddedText
from preftemplates_train.settings.config import RewardConfig

NOTHING = AddedText("", "")
GOOD = {"prompt": "question", "response_0": "good", "response_1": "bad", "better_response_id": 0}


def row(number, **changed):
    return {**GOOD, "prompt": f"question {number}", **changed}


def write(path, rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return str(path)


def config_of(*paths, **settings):
    settings = {"template": "PKUSafeRLHF", "max_length": 200, **settings}
    return RewardConfig(dataset_name=list(paths) or None, **settings)


def characters(texts):
    """A token a character; no text holds the token 0."""
    return [[ord(char) for char in text] for text in texts]


def encoded(config):
    data = read_data(config)
    return data, encode_data(data, characters, max_length=config.max_length, pad_id=0, config=config)
