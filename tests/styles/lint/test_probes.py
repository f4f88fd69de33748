"""A probe reaches the layout with its tools."""

from style_faults import FAITHFUL, import_layout

from preftemplates import get_style
from preftemplates.styles.lint.conversations import TOOL
from preftemplates.styles.lint.probes import add_tools


def test_tools_reach_a_chat_template_and_leave_fragments_alone():
    assert "water_herb" in add_tools(import_layout(FAITHFUL), [TOOL]).text([{"role": "user", "content": "x"}], False)
    assert add_tools(get_style("chatml").layout, [TOOL]) == get_style("chatml").layout
