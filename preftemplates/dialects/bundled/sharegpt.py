"""ShareGPT: conversations of turns with from and value.

Keys: as in FastChat's data and many datasets on the hub. The layout has no preferences.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("sharegpt")
class ShareGPT(Dialect):
    role_key = "from"
    content_key = "value"
    roles = {"system": "system", "user": "human", "assistant": "gpt"}
    prompt_only = {"conversations": "prompt.messages"}
    supervised = {"conversations": "prompt+completion.messages"}
    judge = supervised
