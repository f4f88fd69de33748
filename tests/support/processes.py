"""Processes that torch.distributed joins; one server imports torch and transformers, and each process is its fork."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver, get_context
from typing import TYPE_CHECKING, Any

from support import HANGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRELOADED = ["preftemplates_train.train", "torch.distributed.fsdp", "trainer_support"]


@contextmanager
def fork_server() -> Iterator[None]:
    """End the server afterwards, and wait for it, so that its CPU seconds are counted."""
    get_context("forkserver").set_forkserver_preload(PRELOADED)
    try:
        yield
    finally:
        forkserver._forkserver._stop()  # type: ignore[attr-defined]


def in_processes(number: int, call: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What a function of an importable module gives in each of so many processes, as `torchrun` would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with ProcessPoolExecutor(number, mp_context=get_context("forkserver")) as pool:
        calls = [pool.submit(_as_rank, rank, number, port, call, arguments) for rank in range(number)]
        return [each.result(HANGS) for each in calls]


def _as_rank(rank: int, number: int, port: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    import torch

    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": number, "LOCAL_WORLD_SIZE": number}
    os.environ.update({name: str(value) for name, value in ranks.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    return call(*arguments)
