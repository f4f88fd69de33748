"""Yi 1.5: ChatML for user and assistant; the system text comes first, without markers.

Source: the chat template of 01.AI's Yi-1.5-9B-Chat (Apache-2.0). Yi-34B-Chat and Yi-Coder are plain ChatML: use the
style chatml for them.
"""

from preftemplates import Style, register_style


@register_style("yi", aliases=["yi-1.5"])
class Yi(Style):
    system = "{{ content }}"
    user = "<|im_start|>user\n{{ content }}<|im_end|>\n"
    assistant = "<|im_start|>assistant\n{{ content }}<|im_end|>\n"
    stop = "<|im_end|>"
