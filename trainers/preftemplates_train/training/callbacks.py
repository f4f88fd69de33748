"""What happens beside the steps: a line for each log entry, a clean stop on Ctrl-C, a record in each checkpoint."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from preftemplates_train.model.checkpoint import Record

SHOWN = {
    "loss": "loss {:.4f}",
    "accuracy": "accuracy {:.3f}",
    "margin": "margin {:+.3f}",
    "learning_rate": "lr {:.2e}",
    "eval_loss": "held out: loss {:.4f}",
    "eval_accuracy": "accuracy {:.3f}",
    "eval_margin_mean": "margin {:+.3f}",
}
"""The entries of a log line, in order."""


class LogLines(TrainerCallback):
    """Prints a line for each entry of the log."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.start = time.perf_counter()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Print what is known of this step."""
        said = [text.format(logs[name]) for name, text in SHOWN.items() if name in (logs or {})]
        if said and state.is_world_process_zero:
            seconds = time.perf_counter() - self.start
            step = f"step {state.global_step:>{len(str(state.max_steps))}}/{state.max_steps}"
            self.console.print("  ".join([step, *said, f"{seconds:.0f} s"]), highlight=False, style="dim")


class StopOnInterrupt(TrainerCallback):
    """As a context: the first Ctrl-C ends the run behind the current step, with a checkpoint; another one at once.

    Attributes:
        stopped_at: the step at which the run was ended; None if it was not.
    """

    def __init__(self) -> None:
        self.stopped_at: int | None = None
        self._asked: float | None = None
        self._before: Any = None

    def __enter__(self) -> StopOnInterrupt:
        if threading.current_thread() is threading.main_thread():  # no other hears signals
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked is not None and now - self._asked > 1:  # a launcher may pass on what the terminal sent too
            raise KeyboardInterrupt
        self._asked = self._asked or now

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Save and stop, if asked to."""
        if self._asked is not None:
            control.should_save = control.should_training_stop = True
            self.stopped_at = state.global_step
        return control


class WriteRecord(TrainerCallback):
    """Writes the record into each checkpoint, so that a run goes on from none that was made otherwise."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write it beside the weights."""
        if state.is_world_process_zero:
            self.record.write(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
