"""Hunyuan: one control token in front of each turn, the system text bare in front of all.

Source: the chat template of Tencent's dense Hunyuan models, 0.5B to 7B (Tencent Hunyuan Community License). The style
writes the BOS, as that template does. In that template the assistant's token follows each user's turn, with a
generation prompt or without.
"""

from preftemplates import Style, register_style


@register_style("hunyuan", aliases=["hunyuan-dense"])
class Hunyuan(Style):
    opening = "<｜hy_begin▁of▁sentence｜>"
    system = "{{ content }}<｜hy_place▁holder▁no▁3｜>"
    user = "<｜hy_User｜>{{ content }}"
    assistant = "<｜hy_Assistant｜>{{ content }}<｜hy_place▁holder▁no▁2｜>"
    stop = "<｜hy_place▁holder▁no▁2｜>"
