"""Callbacks: a line for each log entry, and a clean stop on Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console


LOG_FORMATS = {
    "loss": "loss {:.4f}",
    "accuracy": "accuracy {:.3f}",
    "margin": "margin {:+.3f}",
    "learning_rate": "lr {:.2e}",
    "eval_loss": "held out: loss {:.4f}",
    "eval_accuracy": "accuracy {:.3f}",
    "eval_margin_mean": "margin {:+.3f}",
}
"""The entries of a log line, in order."""


SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What ends a run with a checkpoint: Ctrl-C, and what schedulers of clusters send."""


class LogCallback(TrainerCallback):
    """Prints a line for each entry of the log."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.start = time.perf_counter()

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002  passed by position
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002  passed by position
        logs: Any = None,
        **_: Any,
    ) -> None:
        """Print what is known of this step."""
        parts = [text.format(logs[name]) for name, text in LOG_FORMATS.items() if name in (logs or {})]
        if parts and state.is_world_process_zero:
            seconds = time.perf_counter() - self.start
            step = f"step {state.global_step:>{len(str(state.max_steps))}}/{state.max_steps}"
            self.console.print("  ".join([step, *parts, f"{seconds:.0f} s"]), highlight=False, style="dim")


class InterruptCallback(TrainerCallback):
    """As a context: the first Ctrl-C or SIGTERM ends the run after the current step, with a checkpoint.

    Another one ends it at once.

    Attributes:
        stopped_at: the step at which the run was ended; None if it was not.
    """

    def __init__(self) -> None:
        self.stopped_at: int | None = None
        self._interrupted_at: float | None = None
        self._handlers_before: dict[int, Any] = {}

    def __enter__(self) -> InterruptCallback:
        if threading.current_thread() is threading.main_thread():  # no other thread receives signals
            self._handlers_before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)

    def _handle(self, _signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._interrupted_at is not None and now - self._interrupted_at > 1:
            raise KeyboardInterrupt  # sooner, a launcher may pass on the signal that the terminal sent too
        self._interrupted_at = self._interrupted_at or now

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> TrainerControl:
        """Save and stop, if there was a signal in any process."""
        is_stopped = self._interrupted_at is not None
        if args.world_size > 1:  # all processes stop after the same step
            flag = torch.tensor(float(is_stopped), device=args.device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            is_stopped = bool(flag)
        if is_stopped:
            control.should_save = control.should_training_stop = True
            self.stopped_at = state.global_step
        return control
