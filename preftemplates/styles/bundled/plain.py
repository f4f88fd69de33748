"""Plain: the contents alone, one behind the other; for rows whose text is ready as it is.

Layout: none, and so nobody's licence.
"""

from preftemplates import Style, register_style


@register_style("plain")
class Plain(Style):
    system = "{{ content }}"
    user = "{{ content }}"
    assistant = "{{ content }}"
