"""What the docs say of the benchmark is what was measured: table and picture are made of the figures beside them."""

import json
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = sorted((ROOT / "docs" / "assets").glob("reward-training*.json"))


@pytest.fixture
def docs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import reward_training_docs

    yield reward_training_docs
    del sys.modules["reward_training_docs"]


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_the_page_has_the_figures_that_were_measured(docs, path):
    figures = json.loads(path.read_text())
    assert docs.section(path.stem, figures) in (ROOT / "docs" / "results.md").read_text()
    faster = {**figures, "branches": {**figures["branches"], "pairs_per_cpu_second": 99.0}}
    assert docs.section(path.stem, faster) not in (ROOT / "docs" / "results.md").read_text()
    picture = path.with_suffix(".svg").read_text()
    for name, row in figures.items():
        assert docs.SAID.get(name, name) in picture
        assert f"{row['times_branches']:.2f}x" in picture


def test_new_figures_take_the_place_of_the_old_ones(docs, tmp_path):
    (tmp_path / "assets").mkdir()
    shutil.copy(ROOT / "docs" / "results.md", tmp_path)
    row = {"pairs_per_cpu_second": 1.5, "least": 1.0, "most": 1.0, "times_branches": 1.0, "useful_share_of_peak": 0.25}
    figures = {"branches": row, "TRL, defaults": {**row, "least": 2.0, "most": 4.0, "times_branches": 3.0}}
    before = (tmp_path / "results.md").read_text()
    docs.write("reward-training", figures, tmp_path)
    after = (tmp_path / "results.md").read_text()
    assert (
        "| branches | 1.50 | 1 | | 25 % |\n| TRL, its defaults (checkpointing) | 1.50 | 3.00x | 2.00 to 4.00 | 25 % |"
        in after
    )
    assert after.split("<!-- reward-training: end -->")[1] == before.split("<!-- reward-training: end -->")[1]
    assert json.loads((tmp_path / "assets" / "reward-training.json").read_text()) == figures
    assert "3.00x" in (tmp_path / "assets" / "reward-training.svg").read_text()
    with pytest.raises(ValueError, match="no place for llamas"):
        docs.write("llamas", figures, tmp_path)
