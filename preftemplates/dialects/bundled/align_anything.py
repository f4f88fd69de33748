"""align-anything: whole texts under better_text and worse_text, the keys of the homework."""

from preftemplates import Dialect, register_dialect


@register_dialect("align-anything")
class AlignAnything(Dialect):
    prompt_only = {"text": "prompt"}
    supervised = {"text": "prompt+completion", "prompt": "prompt"}
    preference = {"better_text": "prompt+chosen", "worse_text": "prompt+rejected"}
