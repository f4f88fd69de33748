"""What the tests of scoring share: rows of the generated set, and how they are scored one by one."""

import json

import torch
from preftemplates_train.data.demo import generate
from preftemplates_train.evaluation.score_file import score_rows

from preftemplates import get_template
from preftemplates.data.reading import Record

ROWS = generate(40, seed=3)[0]
PKU = ("--template", "PKUSafeRLHF")


def write(path, rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def scored(rows, scorer, template="PKUSafeRLHF", format="preference"):
    records = iter([Record(number, None, row) for number, row in enumerate(rows)])
    return list(score_rows(records, get_template(template), scorer, format))


def alone(scorer, text):
    """The reward of one text in a batch of its own."""
    with torch.no_grad():
        return scorer.model(input_ids=torch.tensor(scorer.encode([text]))).logits[0, 0].item()


def texts(row, scorer):
    """The texts of a row in the checkpoint's style, chosen before rejected."""
    turns = [[{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row[name]}]
             for name in ("response_0", "response_1")]  # fmt: skip
    return [scorer.style.render(one).text for one in turns[:: 1 - 2 * row["better_response_id"]]]
