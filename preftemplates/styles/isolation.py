"""A separate process that renders untrusted chat templates, for services and scanners.

The process cannot open or write files or start other processes, and has a memory limit. Requests are JSON. Answers are
JSON, UTF-8 and numbers, and are read only as far as the limits allow, since a template might control what the process
sends. The process is killed if it does not answer in time or keeps too much memory; the next render starts another.
POSIX only.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.provenance import Piece, Traced, pieces_of
from preftemplates.errors import (
    Code,
    DefinitionError,
    PrefTemplatesError,
    RowError,
    StyleLimitError,
    StyleRefusedError,
    StyleSyntaxError,
)
from preftemplates.sandbox.budget import BYTES_PER_PRINTED_PIECE

if TYPE_CHECKING:
    from preftemplates.sandbox.limits import Limits

_GRACE_SECONDS = 0.5
"""Seconds beyond the template's own limit after which the process is killed."""

_START_SECONDS = 30.0
"""Seconds that the process may take to start."""

_ERRORS = {kind.__name__: kind for kind in (RowError, StyleLimitError, StyleRefusedError, StyleSyntaxError)}


_TUPLE, _OBJECT = "\ud800", "\udfff"
"""Keys of mappings that stand for values JSON does not have; no text of a message contains these characters."""

_DECODING_ERRORS = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Exceptions from decoding an answer that is malformed."""


def render_in_worker(request: Mapping[str, Any], limits: Limits, seconds: float) -> str:
    """Return the text that the worker of this process renders, traced if the request asks for it.

    Args:
        request: JSON-like data in the form that `isolation_worker` reads.
        limits: the limits on the answer.
        seconds: the time until the answer must arrive.

    Raises:
        StyleLimitError: the answer took too long or was too long, or the process died, usually of its memory limit.
        PrefTemplatesError: the error that the worker raised.
    """
    # json.dumps escapes everything beyond ASCII, so encode() cannot fail, even for a lone surrogate
    answer = _get_worker().ask(json.dumps(_encode_json(request)).encode(), limits, seconds + _GRACE_SECONDS)
    error = answer.failure.get("error")
    if error is None:
        return answer.text
    raise _decode_error(answer.failure)


def _decode_error(failure: Mapping[str, Any]) -> PrefTemplatesError:
    """Convert the error that the worker reports; only known error types are created."""
    try:
        facts = dict(failure["facts"])
        if "code" in facts:
            facts["code"] = Code[facts["code"].upper()]
        return _ERRORS[failure["error"]](failure["message"], **facts)
    except _DECODING_ERRORS:
        return _make_no_answer_error()


def _encode_json(value: Any) -> Any:
    """Return a value with a mapping for each tuple, and for each object that is not data."""
    if isinstance(value, tuple):
        return {_TUPLE: [_encode_json(item) for item in value]}
    if isinstance(value, list):
        return [_encode_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _encode_json(item) for key, item in value.items()}
    return value if isinstance(value, str | int | float | None) else {_OBJECT: type(value).__name__}


def decode_json_object(mapping: dict[str, Any]) -> Any:
    """Return a mapping read from JSON, or the tuple or object that it stands for; objects are empty."""
    if _TUPLE in mapping:
        return tuple(mapping[_TUPLE])
    return type(mapping[_OBJECT], (), {})() if _OBJECT in mapping else mapping


class WorkerAnswer(NamedTuple):
    """The answer of the worker: a text or the facts of an error, and whether the process uses too much memory."""

    text: str
    failure: dict[str, Any]
    is_full: bool


def pack_answer(text: str, failure: Mapping[str, Any], is_full: bool) -> list[bytes]:
    """Return the bytes of an answer: eight bytes of length, JSON with the lengths of text and pieces, then these."""
    origins: dict[Any, int] = {}
    pieces = array("q")
    for start, end, origin, offset in pieces_of(text):
        index = origins.setdefault(origin, len(origins))
        pieces.extend((start, end, index, -1 if offset is None else offset))
    body = [text.encode("utf-8", "surrogatepass"), pieces.tobytes()]
    head = json.dumps(
        {"failure": failure, "is_full": is_full, "origins": [*origins], "lengths": [*map(len, body)]}
    ).encode()
    return [len(head).to_bytes(8, "big"), head, *body]


class Worker:
    """The process and the pipes to it; it handles one request at a time."""

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise DefinitionError("isolate needs a POSIX system")
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: bytes, limits: Limits, seconds: float) -> WorkerAnswer:
        """Send a request and wait for the answer."""
        with self._lock:
            try:
                process = self._start_process()
                deadline = time.monotonic() + seconds  # not before: the time to start a process is not the render's
                self._send(process, len(request).to_bytes(8, "big"), deadline)
                self._send(process, request, deadline)
                # the head names origins, which are paths into the request, so the request bounds its size
                answer = self._receive_answer(process, 8 * len(request) + (1 << 20), limits, deadline)
                if answer.is_full:
                    self.stop()
                return answer
            except BaseException as error:  # also on an interrupt: a late answer would be taken for the next request's
                self.stop()
                if isinstance(error, _DECODING_ERRORS) and not isinstance(error, PrefTemplatesError):
                    raise _make_no_answer_error() from error
                raise

    def _receive_answer(
        self, process: subprocess.Popen[bytes], most: int, limits: Limits, deadline: float
    ) -> WorkerAnswer:
        """Read the answer, and check each length before reading that much."""
        length = int.from_bytes(self._receive(process, 8, deadline), "big")
        head = json.loads(self._receive(process, _check_length(length, most), deadline))
        text_length, pieces_length = head["lengths"]
        # UTF-8 takes up to four bytes per character
        data = self._receive(process, _check_length(text_length, 4 * limits.output), deadline)
        text = str(data, "utf-8", "surrogatepass")
        del data  # `Traced` copies the text, so a large answer would be held three times
        # a piece is four numbers of eight bytes, and each costs work, which is limited
        most = 4 * 8 * (limits.work // BYTES_PER_PRINTED_PIECE)
        numbers = array("q")
        numbers.frombytes(self._receive(process, _check_length(pieces_length, most), deadline))
        origins, values = head["origins"], iter(numbers)
        # one iterator, four times: each step takes four numbers, and strict=True rejects an incomplete last piece
        pieces = [
            Piece(start, end, origins[index], None if offset < 0 else offset)
            for start, end, index, offset in zip(values, values, values, values, strict=True)
        ]
        return WorkerAnswer(Traced(text, tuple(pieces)) if pieces else text, head["failure"], head["is_full"])

    def _start_process(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            place = str(Path(__file__).parents[2])
            # -P and a fixed environment and folder: nothing of the caller's can change what is imported
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "preftemplates.styles.isolation_worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={"PYTHONPATH": place, "PYTHONUTF8": "1"}, cwd="/",
            )  # fmt: skip
            assert self._process.stdin is not None
            # a blocking write could outlast the deadline if the process stops reading
            os.set_blocking(self._process.stdin.fileno(), False)
            # the process sends one byte once it has given up its rights
            self._receive(self._process, 1, time.monotonic() + _START_SECONDS)
        return self._process

    def _send(self, process: subprocess.Popen[bytes], data: bytes, deadline: float) -> None:
        assert process.stdin is not None
        pipe, view = process.stdin.fileno(), memoryview(data)
        while view:
            self._wait(pipe, select.POLLOUT, deadline)
            try:
                view = view[os.write(pipe, view) :]
            except BrokenPipeError:
                raise _make_death_error() from None

    def _receive(self, process: subprocess.Popen[bytes], length: int, deadline: float) -> bytearray:
        assert process.stdout is not None
        pipe, data = process.stdout.fileno(), bytearray(length)
        left = memoryview(data)
        while left:
            self._wait(pipe, select.POLLIN, deadline)
            count = os.readv(pipe, [left])
            if not count:
                raise _make_death_error()
            left = left[count:]
        return data

    @staticmethod
    def _wait(pipe: int, event: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        waiting = select.poll()  # select() fails for descriptors above 1023; a closed pipe counts as ready
        waiting.register(pipe, event)
        if left <= 0 or not waiting.poll(1000 * left):
            raise StyleLimitError("the chat template took too long, and its process was killed", code=Code.OVER_LIMIT)

    def stop(self) -> None:
        """Kill the process; the next request starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()  # closes the pipes and collects the process, which stays a zombie otherwise
            self._process = None


def _check_length(length: int, most: int) -> int:
    """Return the length of the next part if it is within the limit."""
    if not 0 <= length <= most:
        raise StyleLimitError(
            f"the process of the chat template answered with {length:,} bytes; {most:,} are allowed",
            code=Code.OVER_LIMIT,
        )
    return length


def _make_no_answer_error() -> StyleRefusedError:
    return StyleRefusedError("the process of the chat template gave no answer", code=Code.REFUSED_BY_STYLE)


def _make_death_error() -> StyleLimitError:
    return StyleLimitError("the process of the chat template died: it needed too many resources", code=Code.OVER_LIMIT)


_workers: dict[int, Worker] = {}


def _get_worker() -> Worker:
    """Return the worker of this process; a forked process gets its own, since pipes must not be shared."""
    # setdefault is atomic, so all threads get the same worker; one that is not used has started no process
    return _workers.setdefault(os.getpid(), Worker())


@atexit.register
def _stop_worker() -> None:
    """Stop the worker of this process, but not one inherited by a fork."""
    if os.getpid() in _workers:
        _workers[os.getpid()].stop()
