"""The report of a run: one HTML file with plots, which runs no script and loads no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from preftemplates.data.writing import write_text
from preftemplates_train.reports.numbers import format_error, format_number, format_share
from preftemplates_train.reports.plot_data import select_finite_rewards
from preftemplates_train.reports.plots import CURVES, draw_curves, draw_histograms

REPORT_TEMPLATE = Path(__file__).with_name("report.html.jinja")


def write_report(
    path: Path,
    *,
    title: str,
    summary: Sequence[str],
    history: Sequence[Mapping[str, float]],
    chosen: Sequence[float],
    rejected: Sequence[float],
    metrics: Mapping[str, Any],
    settings: Mapping[str, Any],
    counts: Sequence[Mapping[str, Any]],
    by_source: Mapping[str, Mapping[str, float]],
) -> None:
    """Write the report; equal arguments give equal bytes. All text is escaped.

    Args:
        path: the file, which is written completely or not at all.
        title: the heading.
        summary: plain sentences: what was learnt, and what this does not show.
        history: a Trainer's `state.log_history`; entries without a value that is drawn are skipped.
        chosen: rewards of the held-out pairs' chosen answers, shape (B,); empty if nothing was held out.
        rejected: rewards of their rejected answers, shape (B,).
        metrics: as of `summarize_rewards` and `measure_shortcuts`, any of which may be missing; a mapping in it is a
            second set of the same measures, such as `clean`. Lists, and mappings of mappings, are not shown.
        settings: values by name; a mapping is shown entry by entry.
        counts: as of `SourceReport.summarize`, one for each source.
        by_source: pairs, accuracy and accuracy_stderr by the source's name; shown if there are several.

    Raises:
        ValueError: there are not as many chosen as rejected rewards.
        FileError: the place cannot be written to.
    """
    rewards = select_finite_rewards(chosen, rejected)
    flat_settings = list(_flatten(settings))
    text = _load_page().render(
        title=title,
        summary=summary,
        curves=draw_curves(history),
        evaluated=any(curve.held_out in entry for entry in history for curve in CURVES),
        histograms=draw_histograms(rewards) if len(chosen) else [],
        metrics=metrics,
        measures=_group_measures(metrics),
        short_settings=[(name, value) for name, value in flat_settings if len(value) <= 100],
        long_settings=[(name, value) for name, value in flat_settings if len(value) > 100],
        counts=counts,
        by_source=by_source if len(by_source) > 1 else {},
    )
    write_text(path, text)


@cache
def _load_page() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": format_number, "share": format_share, "error": format_error}
    return environment.from_string(REPORT_TEMPLATE.read_text(encoding="utf-8"))


def _group_measures(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the numbers by set and name: first those of the held-out pairs, then those of each mapping among them."""
    mappings = {name: value for name, value in metrics.items() if isinstance(value, Mapping)}
    sets = {"held out": metrics, **mappings}
    return {
        name: {key: int(value) if key == "pairs" else value for key, value in measures.items() if _is_number(value)}
        for name, measures in sets.items()
        if any(map(_is_number, measures.values()))
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values; the entries of a mapping have its name and a dot before theirs."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
