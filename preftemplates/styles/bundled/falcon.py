"""Falcon: User and Assistant with an empty line before each; the system text comes first, without a marker.

Source: the chat template of TII's falcon-7b-instruct (Apache-2.0). That template trims contents and removes empty
lines from them; this style leaves contents unchanged. Nothing ends an answer.
"""

from preftemplates import Style, register_style


@register_style("falcon")
class Falcon(Style):
    system = "{{ content }}"
    user = "\n\nUser: {{ content }}"
    assistant = "\n\nAssistant: {{ content }}"
