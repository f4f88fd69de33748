"""The program of the separate process: it reads requests, renders and answers until its input ends."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

from preftemplates.errors import PrefTemplatesError
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.attribution import trace_messages
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.environment import FixedMoment
from preftemplates.styles.isolation import decode_json_object, pack_answer

if TYPE_CHECKING:
    from collections.abc import Callable

_SPARE_BYTES = 256 << 20
"""Bytes of memory beyond the limits of a render, for the messages and for the text as it is sent."""

_MAX_KEPT_BYTES = 64 << 20
"""Bytes that may stay in use between requests, such as compiled templates; beyond it, a new process takes over."""


def main() -> None:
    """Answer requests, each of eight bytes of length and JSON."""
    receive, send = sys.stdin.buffer, sys.stdout.buffer
    read_memory = make_memory_reader()
    confine_process(Limits().work + _SPARE_BYTES + _MAX_KEPT_BYTES)
    most_memory = read_memory() + _MAX_KEPT_BYTES
    send.write(b"!")
    send.flush()
    while head := receive.read(8):
        request = json.loads(receive.read(int.from_bytes(head, "big")), object_hook=decode_json_object)
        text, failure = answer_request(request)
        _write(send, pack_answer(text, failure, read_memory() > most_memory))


def _write(send: BinaryIO, parts: list[bytes]) -> None:
    for part in parts:
        send.write(part)
    send.flush()


def make_memory_reader() -> Callable[[], int]:
    """Return a function that reads this process's memory in bytes, even after files can no longer be opened."""
    import resource

    try:
        file = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:  # not Linux: the peak memory use replaces the current one
        unit = 1 if sys.platform == "darwin" else 1024
        return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return lambda: int(os.pread(file, 64, 0).split()[0]) * resource.getpagesize()


def confine_process(memory: int) -> None:
    """Take away what rendering does not need: files, other processes, and memory beyond this many bytes."""
    import resource

    for source in _WARMING_SOURCES:  # late imports must happen while files can still be opened
        pack_answer(*answer_request(_make_warming_request(source)), is_full=False)
    used = 0
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux: the limit includes everything, so it is more generous
        used = 1 << 30
    limits = {
        # descriptors 0 to 2 are the pipes, and files that are open already stay open
        "RLIMIT_AS": used + memory,
        "RLIMIT_NOFILE": 3,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,  # Linux does not apply it to root
        "RLIMIT_CORE": 0,
    }
    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            resource.setrlimit(kind, (value, value))


def answer_request(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the text of a request, or an empty text and the facts of the error."""
    try:
        layout = _read_layout(json.dumps(request["layout"]))
        if "messages" not in request:
            return "", {}
        messages = trace_messages(request["messages"]) if request["traced"] else request["messages"]
        with FixedMoment(datetime.fromisoformat(request["now"])):
            return layout.render_source(messages, request["add_generation_prompt"]), {}
    except PrefTemplatesError as error:
        # other facts, such as the value of a message, may not be JSON
        facts = {name: fact for name, fact in error.facts.items() if isinstance(fact, str | int)}
        return "", {"error": type(error).__name__, "message": error.message, "facts": facts}


@lru_cache(maxsize=16)
def _read_layout(facts: str) -> ChatTemplate:
    fields = json.loads(facts)
    # without opening and closing: the process that asks adds them to the answer, in `_add_edges`
    return ChatTemplate.read(
        fields["source"], fields["bos_token"], fields["eos_token"],
        {name: json.loads(value) for name, value in fields["defaults"]}, fields["reasoning"],
        Limits(**fields["limits"]),
    )  # fmt: skip


def _make_warming_request(source: str) -> dict[str, Any]:
    """Return a request to render a template."""
    layout: dict[str, Any] = {"bos_token": None, "eos_token": None, "defaults": [], "reasoning": "keep", "limits": {}}
    messages = [{"role": "user", "content": "Hi", "n": 1.5}]
    request = {"messages": messages, "traced": True, "add_generation_prompt": False, "now": "2026-11-20T12:00:00"}
    return {"layout": {"source": source, **layout}, **request}


_WARMING_SOURCES = (
    "{% for m in messages %}{{ m | tojson(indent=1) }}{{ '%s{}' % m.content }}{% endfor %}{{ strftime_now('%Y %B') }}",
    "{{ 1 +", "{{ messages.__class__ }}", "{{ messages[0].x }}", "{{ 1 / 0 }}", "{{ raise_exception('no') }}",
    "{{ 'x' * 10 ** 9 }}", "{{ messages.append(1) }}", "{{ '{}'.format(1) }}", "{{ x | nothing }}",
)  # fmt: skip
"""Templates that end in each possible way, so that every code path has imported its modules."""

if __name__ == "__main__":
    main()
