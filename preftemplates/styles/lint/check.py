"""The check of a layout: it renders a few conversations, and reports each failed expectation as a finding.

Findings are not errors. A fifth to a third of the chat templates in use trim, date or rewrite something on purpose;
whoever trains with one should know.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from preftemplates.styles.environment import get_environment
from preftemplates.styles.lint.added_text import find_bos_token, find_default_system, find_varying_texts
from preftemplates.styles.lint.dropped import find_dropped_messages, find_dropped_reasoning, find_dropped_tools
from preftemplates.styles.lint.findings import FindingCode, StyleFinding
from preftemplates.styles.lint.prompt import (
    find_missing_generation_prompt,
    find_same_text,
    find_stop_faults,
    find_unstable_prefix,
)
from preftemplates.styles.lint.rejected import find_exceeded_limits, find_rejections
from preftemplates.styles.lint.rewritten import (
    find_merged_roles,
    find_misplaced_contents,
    find_python_values,
    find_rewritten_contents,
    find_rewritten_reasoning,
    find_trimmed_contents,
    supply_missing_tokens,
)
from preftemplates.styles.lint.source import find_content_branches, find_source_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preftemplates.styles.layout import Layout
    from preftemplates.styles.lint.probes import ProbeTexts

_CHECKS: tuple[Callable[[ProbeTexts], Iterator[StyleFinding]], ...] = (
    find_rejections,
    find_unstable_prefix,
    find_missing_generation_prompt,
    find_stop_faults,
    find_dropped_messages,
    find_rewritten_reasoning,
    find_dropped_reasoning,
    find_dropped_tools,
    find_python_values,
    find_trimmed_contents,
    find_rewritten_contents,
    find_same_text,
    find_misplaced_contents,
    find_merged_roles,
    find_bos_token,
    find_default_system,
    find_varying_texts,
    find_content_branches,
    find_exceeded_limits,
)
"""The order matters: after the time is used up, no check renders any more, and the last one reports that."""


def find_findings(layout: Layout) -> tuple[StyleFinding, ...]:
    """Return what a person should know about a layout before training with it, in the order of the codes.

    About 30 short conversations are rendered. The effect of the layout's declared policy for thinking is not reported.

    Example:
        >>> from preftemplates import get_style
        >>> for finding in find_findings(get_style("human-assistant").layout):
        ...     print(finding.code, "-", finding.message)
        no_stop - only whitespace follows the last answer
    """
    texts, findings = supply_missing_tokens(layout)
    findings += chain.from_iterable(check(texts) for check in _CHECKS)
    if layout.source is not None:
        findings += find_source_findings(layout.source, get_environment(layout.limits))
    order = list(FindingCode)
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: (order.index(finding.code), finding.line or 0)))
