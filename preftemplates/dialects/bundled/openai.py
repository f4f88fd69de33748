"""OpenAI's fine-tuning files: messages with tool calls that have ids, or an input with two outputs.

Keys: OpenAI's API reference on the rows of fine-tuning files. The `method` of a fine-tuning job decides what reads
them: `supervised` reads supervised rows, `dpo` reads preference rows, and `reinforcement` reads prompt_only rows,
whose keys next to `messages` and `tools` its graders find as `item`. Each output of a preference is one message of the
assistant. No key holds thinking, so a message with thinking is rejected. The API reads JSON Lines only.
"""

from preftemplates import ConsumerConfig, Dialect, register_dialect

SCRIPT = '''\
{% set method = {"preference": "dpo", "supervised": "supervised"}[format] %}
"""Fine-tune with OpenAI: python {{ config }} --model MODEL

The environment variable OPENAI_API_KEY holds your key. The job uploads your rows and costs money.
"""

import argparse
from pathlib import Path

from openai import OpenAI

HERE = Path(__file__).parent

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True, help="the model to fine-tune")
parser.add_argument("--suffix", help="a word for the name of the new model")
options = parser.parse_args()

client = OpenAI()
rows = client.files.create(file=HERE / {{ rows_nearby | tojson }}, purpose="fine-tune")
client.files.wait_for_processing(rows.id)
job = client.fine_tuning.jobs.create(
    model=options.model,
    training_file=rows.id,
    method={"type": "{{ method }}"},
    suffix=options.suffix,
)
print(job.id)
'''


@register_dialect("openai")
class OpenAI(Dialect):
    config = ConsumerConfig(
        ".py",
        dict.fromkeys(("supervised", "preference"), SCRIPT),
        style_note="OpenAI renders the messages itself and reads no chat template",
        row_suffixes=(".jsonl",),
    )
    prompt_only = {"messages": "prompt.openai_messages", "tools": "tools.openai?", "answer": "answer?"}
    supervised = {"messages": "prompt+completion.openai_messages", "tools": "tools.openai?"}
    preference = {
        "input": {"messages": "prompt.openai_messages", "tools": "tools.openai?"},
        "preferred_output": ["chosen.openai_message"],
        "non_preferred_output": ["rejected.openai_message"],
    }
    judge = supervised
