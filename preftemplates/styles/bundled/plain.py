"""Plain: the contents alone, one after another, for rows whose text is already complete.

Layout: none, so there is no licence.
"""

from preftemplates import Style, register_style


@register_style("plain")
class Plain(Style):
    system = "{{ content }}"
    user = "{{ content }}"
    assistant = "{{ content }}"
