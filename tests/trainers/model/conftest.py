"""What the tests of models share."""

import shutil

import pytest


@pytest.fixture
def folder(tmp_path, base_model):
    """A copy of a causal model's checkpoint, to be damaged."""
    return shutil.copytree(base_model("decoder with BOS"), tmp_path / "model")
