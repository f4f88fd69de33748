"""What the tests of the report share: a run that is reported, and the parts of a page."""

import re
from html.parser import HTMLParser

import numpy as np
from preftemplates_train.evaluation.metrics import measure_shortcuts, summarize_rewards

COUNTS = {
    "name": "generated", "template": "PKUSafeRLHF", "rows": 10901, "formatted": 10802, "skipped": 61, "rejected": 38,
    "too_long": 17, "equal": 5, "unencodable": 3, "cut": 29, "control_text": 7, "train_pairs": 8000,
    "eval_pairs": 2777,
}  # fmt: skip
HISTORY = [
    {
        "step": 10,
        "epoch": 0.1,
        "loss": 0.71,
        "accuracy": 0.48,
        "margin": -0.02,
        "learning_rate": 1e-5,
        "grad_norm": 2.0,
    },
    {
        "step": 20,
        "epoch": 0.2,
        "loss": 0.66,
        "accuracy": 0.55,
        "margin": 0.11,
        "learning_rate": 2e-5,
        "grad_norm": 2.0,
    },
    {"step": 20, "epoch": 0.2, "eval_loss": 0.64, "eval_accuracy": 0.57, "eval_margin_mean": 0.2, "eval_runtime": 1.0},
    {
        "step": 30,
        "epoch": 0.3,
        "loss": 0.52,
        "accuracy": 0.71,
        "margin": 0.62,
        "learning_rate": 1e-5,
        "grad_norm": 2.0,
    },
    {"step": 40, "epoch": 0.4, "loss": 0.44, "accuracy": 0.79, "margin": 1.14, "learning_rate": 0.0, "grad_norm": 2.0},
    {"step": 40, "epoch": 0.4, "eval_loss": 0.47, "eval_accuracy": 0.77, "eval_margin_mean": 1.0, "eval_runtime": 1.0},
    {"step": 40, "epoch": 0.4, "train_runtime": 9.0, "train_loss": 0.58, "total_flos": 0.0},
]
DRAW = np.random.default_rng(0)
CHOSEN, REJECTED = DRAW.normal(1, 1, 300), DRAW.normal(0, 1, 300)
MEASURED = {
    **summarize_rewards(CHOSEN, REJECTED),
    **measure_shortcuts([3, 2, 5, 9], [1, 4, 4, 9], [True, True, False]),
}


class Page(HTMLParser):
    """The parts of a page: every tag with its attributes, the text, and the paths below each id."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags, self.words, self.paths, self._inside, self._depth = [], [], {}, None, 0
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self._depth += tag == "g"
        if tag == "g" and "id" in found:
            self._inside = (found["id"], self._depth)
        if tag == "path" and self._inside:
            self.paths.setdefault(self._inside[0], []).append(found["d"])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag == "g":
            if self._inside and self._inside[1] == self._depth:
                self._inside = None
            self._depth -= 1

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def values(self, name):
        return [value for _, attributes in self.tags for key, value in attributes.items() if key == name]

    def vertices(self, name):
        """The points of the curve with an id, as the picture has them; its markers are not among them."""
        numbers = re.findall(r"-?[\d.]+", self.paths[name][0])
        return np.array(numbers, dtype=float).reshape(-1, 2)


PLAIN = {
    "title": "Reward model first", "summary": ["It ranks well.", "It has read nothing else."], "history": [],
    "chosen": [], "rejected": [], "metrics": MEASURED, "settings": {"learning_rate": 2e-5}, "counts": [COUNTS],
    "by_source": {},
}  # fmt: skip
DRAWN = {"history": HISTORY, "chosen": CHOSEN.tolist(), "rejected": REJECTED.tolist()}
