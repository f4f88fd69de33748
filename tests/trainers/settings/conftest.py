"""A file of settings that a test writes and reads."""

import pytest
import yaml
from preftemplates_train.settings.command_line import read_config


@pytest.fixture(scope="module")
def run_yaml(tmp_path_factory):
    return tmp_path_factory.mktemp("config") / "run.yaml"


@pytest.fixture
def read(run_yaml):
    """Read a file of that text, or of those settings, and flags."""

    def read(file, *flags):
        run_yaml.write_text(file if isinstance(file, str) else yaml.safe_dump(file), encoding="utf-8")
        return read_config(["--config", str(run_yaml), *flags])

    return read
