"""What the tests of the subcommands share: a row, chat templates, and a text that a terminal would act on."""

GOOD_ROW = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0, "answer": "c"}

GOOD_TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
TRIMMING = "{# trims #}\n{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>{% endfor %}"
HOSTILE = "\x1b[31m\x9b1m[bold]x\u202e:smile:\n"
SAFE = r"\x1b[31m\x9b1m[bold]x\u202e:smile:"
