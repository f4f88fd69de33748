"""What holds for every test: no hub, a clock that stands still for others, and registries that forget.

Hypothesis draws a little and always the same, or a lot (HYPOTHESIS_PROFILE=long).
"""

import os
import time

os.environ.pop("FORCE_COLOR", None)  # what is printed is compared without colours
os.environ.pop("TTY_COMPATIBLE", None)
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything imports huggingface_hub, which reads it once

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from registries import restore_registries

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", parent=settings.get_profile("ci"), derandomize=False, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True, scope="session")
def cpu_clock():
    """Let the time limits of renders count CPU seconds, so that none ends because the machine is slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preftemplates.sandbox.budget.monotonic", time.thread_time)
        patch.setattr("preftemplates.styles.lint.probes.time", SimpleNamespace(perf_counter=time.thread_time))
        patch.setattr("preftemplates.styles.isolation._GRACE_SECONDS", 600)  # another process has a clock of its own
        yield


@pytest.fixture(scope="session")
def thought_aliases():
    """Skip a comparison with a transformers that passes a message's thought under the message's name for it alone."""
    from support import transformers_text

    message = {"role": "assistant", "content": "", "thinking": "x"}
    if not transformers_text("{{ messages[0].reasoning_content }}", [message]):
        pytest.skip("this version of transformers does not pass a thought under each of its names")


forgetting = pytest.fixture(autouse=True)(restore_registries)
forgetting_modules = pytest.fixture(autouse=True, scope="module")(restore_registries)
"""What a fixture of a whole module registers, which stands before the test's own, is forgotten too."""
