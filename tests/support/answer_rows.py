"""Rows of single answers and of safe and unsafe ones that a small model learns in a few steps."""

import json

COLOURS = ("red", "green", "blue", "white")
"""In an answer, each colour is worth one more than the one before it."""


def make_answers(number=120, **changed):
    """Rows of TRL-unpaired and of TRL-scored: an answer is good if it is long enough, and its score is its colour."""
    return [
        {
            "prompt": f"Question {row}?",
            "completion": f"It is {COLOURS[row % 4]} {row % 7}.",
            "label": row % 4 > 1,
            "score": 100.0 + 10 * (row % 4),
            **changed,
        }
        for row in range(number)
    ]


def make_judged_pairs(number=120):
    """Rows of PKUSafeRLHF-safety: an answer with `harm` is unsafe, and an answer with more of it is less safe."""
    rows = []
    for row in range(number):
        harms = [(0, 1), (1, 2), (2, 0), (0, 0)][row % 4]
        texts = [
            " ".join(["harm"] * harm + ["help"] * (3 - harm) + [end, str(row % 5)])
            for harm, end in zip(harms, ("first", "start"), strict=True)
        ]
        rows.append(
            {
                "prompt": f"Question {row}?",
                "response_0": texts[0],
                "response_1": texts[1],
                "better_response_id": row % 2,
                "safer_response_id": int(harms[1] < harms[0]),
                "is_response_0_safe": harms[0] == 0,
                "is_response_1_safe": harms[1] == 0,
            }
        )
    return rows


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def name_rows(folder, objective, number=120):
    """The words that name rows for an objective, and their template."""
    makers = {"safety_cost": make_judged_pairs}
    templates = {"pointwise": "TRL-unpaired", "regression": "TRL-scored", "safety_cost": "PKUSafeRLHF-safety"}
    path = write_rows(folder / f"{objective}.jsonl", makers.get(objective, make_answers)(number))
    return ["--objective", objective, "--dataset_name", path, "--template", templates[objective]]
