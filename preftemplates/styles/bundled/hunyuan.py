"""Hunyuan: one control token before each turn; the system text comes first, without a token before it.

Source: the chat template of Tencent's dense Hunyuan models, 0.5B to 7B (Tencent Hunyuan Community License). Like that
template, the style writes the BOS. In that template the assistant's token follows each user's turn, with or without a
generation prompt.
"""

from preftemplates import Style, register_style


@register_style("hunyuan", aliases=["hunyuan-dense"])
class Hunyuan(Style):
    opening = "<｜hy_begin▁of▁sentence｜>"
    system = "{{ content }}<｜hy_place▁holder▁no▁3｜>"
    user = "<｜hy_User｜>{{ content }}"
    assistant = "<｜hy_Assistant｜>{{ content }}<｜hy_place▁holder▁no▁2｜>"
    stop = "<｜hy_place▁holder▁no▁2｜>"
