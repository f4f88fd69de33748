"""Format numbers for cards, tables, legends and axes."""

from __future__ import annotations

import math
from typing import Any


def format_number(value: Any) -> str:
    """Return whole numbers in full, others to three decimals, very small or large ones shorter.

    >>> format_number(12500), format_number(0.69314), format_number(-1.5), format_number(2e-05)
    ('12,500', '0.693', '−1.500', '2e−5')
    >>> format_number(float("nan"))
    'not finite'
    """
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if not math.isfinite(value):
        return "not finite"
    return _shorten(f"{value:.3f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3g}")


def format_share(value: float) -> str:
    """Return a share in percent.

    >>> format_share(0.8731), format_share(float("nan"))
    ('87.3%', 'not finite')
    """
    return f"{value:.1%}" if math.isfinite(value) else "not finite"


def format_error(value: float | None) -> str:
    """Return a standard error in percent; an empty text if there is none, as for a single pair.

    If all pairs are right, the estimate is zero, which would claim a certainty that no number of pairs can give.

    >>> format_error(0.0123), format_error(float("nan")), format_error(0.0), format_error(None)
    ('± 1.2%', '', '', '')
    """
    return "" if not value or not math.isfinite(value) else f"± {format_share(value)}"


def describe_standard_error(value: float) -> str:
    """Return a standard error as words in brackets, or an empty text as `format_error` does.

    >>> describe_standard_error(0.0123), describe_standard_error(0.0)
    (' (standard error 1.2%)', '')
    """
    return f" (standard error {value:.1%})" if format_error(value) else ""


def format_p(value: float) -> str:
    """Return the p of a test, as in papers.

    >>> format_p(0.0312), format_p(0.6), format_p(1e-9)
    ('p = 0.031', 'p = 0.60', 'p < 0.001')
    """
    if not math.isfinite(value):
        return "p unknown"
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def format_difference(value: float) -> str:
    """Return a difference of two shares in points, with its sign.

    >>> format_difference(0.0312), format_difference(-0.2), format_difference(-1e-9), format_difference(float("nan"))
    ('+3.1', '−20.0', '0.0', 'not finite')
    """
    if not math.isfinite(value):
        return "not finite"
    points = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if points in ("+0.0", "−0.0") else points


def format_seconds(value: float) -> str:
    """Return a duration in seconds; without decimals from ten seconds.

    >>> format_seconds(3.21), format_seconds(4120.7)
    ('3.2 s', '4,121 s')
    """
    return f"{value:,.0f} s" if value >= 10 else f"{value:.1f} s"


def count_wins(share: float, pairs: float) -> str:
    """Return a share of few pairs as a number of pairs; a tie counts one half.

    >>> count_wins(0.75, 4), count_wins(0.5, 1)
    ('3 of 4', '0.5 of 1')
    """
    return f"{round(share * pairs, 1):g} of {pairs:.0f}"


def format_tick(value: float, _position: float = 0) -> str:
    """Return the label of a tick, as short as possible.

    >>> format_tick(0.5), format_tick(12500.0), format_tick(-2e-05)
    ('0.5', '12,500', '−2e−5')
    """
    return _shorten(f"{value:,.10g}" if value == 0 or 1e-2 <= abs(value) < 1e6 else f"{value:.2e}")


def _shorten(text: str) -> str:
    """Return the number with a minus sign, and without zeros at the end of a mantissa or the start of an exponent."""
    mantissa, e, exponent = text.partition("e")
    return (f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}" if e else text).replace("-", "−")
