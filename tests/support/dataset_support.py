"""What the tests of datasets share: rows, settings that name them, and a token for each character."""

import json

from preftemplates_train.data.dataset import encode_data, read_data
from preftemplates_train.data.tokenizer import AddedText
from preftemplates_train.settings.config import RewardConfig
from token_support import byte_tokenizer

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


def encoded(config):
    data = read_data(config)
    return data, encode_data(data, byte_tokenizer(), max_length=config.max_length, config=config)
