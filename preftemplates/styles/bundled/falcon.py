"""Falcon: User and Assistant in turn, an empty line before each; the system text stands bare in front.

Source: the chat template of TII's falcon-7b-instruct (Apache-2.0). That template trims contents and takes empty lines
out of them; this style leaves contents as they are. Nothing ends an answer.
"""

from preftemplates import Style, register_style


@register_style("falcon")
class Falcon(Style):
    system = "{{ content }}"
    user = "\n\nUser: {{ content }}"
    assistant = "\n\nAssistant: {{ content }}"
