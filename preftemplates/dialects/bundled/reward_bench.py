"""RewardBench: two whole conversations, or one to score, in the JSON Lines that its command reads.

Keys: the documentation of RewardBench's `load_and_process_dataset`, with which RewardBench 0.1.4 reads pairs and
conversations. It takes the prompt of a pair from the chosen conversation, and assumes that a user's and an assistant's
turns alternate, whatever their roles are. Other pairs would stop the whole run or be scored wrongly, so they are
rejected. It reads no tools.

RewardBench tokenizes the text of the chat template with the tokens that the tokenizer adds, which doubles the BOS of
most models. If the tokenizer adds a BOS, the script uses a copy of it whose chat template writes none.
"""

from preftemplates import ConsumerConfig, Dialect, register_dialect

SCRIPT = '''\
"""Score with RewardBench: python {{ config }} --model MODEL

Further options are those of the command rewardbench.
"""

import tempfile
from pathlib import Path

from rewardbench.rewardbench import Args, rewardbench
from transformers import AutoTokenizer, HfArgumentParser

HERE = Path(__file__).resolve().parent
{% raw %}
WITHOUT_BOS = "{% set text +%}", "{%+ endset %}{{ text.removeprefix(bos_token) }}"
{% endraw %}


def adds_bos(tokenizer):
    """Return whether the tokenizer writes a BOS before a text."""
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]


if __name__ == "__main__":
    (args,) = HfArgumentParser(Args).parse_args_into_dataclasses()
    args.dataset, args.load_json = str(HERE / {{ rows_nearby | tojson }}), True
    options = {"revision": args.revision, "trust_remote_code": args.trust_remote_code}
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer or args.model, **options)
{% if chat_template_nearby %}
    tokenizer.chat_template = (HERE / {{ chat_template_nearby | tojson }}).read_text(encoding="utf-8")
{% endif %}
    if tokenizer.chat_template and adds_bos(tokenizer):
        tokenizer.chat_template = tokenizer.chat_template.removesuffix("\\n").join(WITHOUT_BOS)
    with tempfile.TemporaryDirectory() as args.tokenizer:
        tokenizer.save_pretrained(args.tokenizer)
        rewardbench(args)
'''


@register_dialect("reward-bench", aliases=["rewardbench"])
class RewardBench(Dialect):
    config = ConsumerConfig(".py", {"preference": SCRIPT, "supervised": SCRIPT}, row_suffixes=(".jsonl", ".json"))
    preference = {"chosen": "prompt+chosen.dialogue", "rejected": "prompt+rejected.dialogue"}
    supervised = {"messages": "prompt+completion.messages"}
