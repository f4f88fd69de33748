"""TRL: prompt, completion, chosen and rejected, as messages (conversational) or as text (standard).

Keys: TRL's documentation, "Dataset formats and types". TRL renders messages with the tokenizer's chat template, so
`trl` is the dialect to use. It tokenizes texts with the special tokens that the tokenizer adds, and appends EOS to an
answer that does not end with it. The dialects named implicit hold whole conversations or texts, for language modelling
and for preferences with an implicit prompt. Rankings and scores, which TRL does not read, have keys in its style of
naming. Tools are the text of a JSON list, which TRL's trainers also read: a table's columns have fixed types, and
tools have parameters of different names. The images of a prompt are a list under `images`, and its messages hold a
part `{"type": "image"}` for each. TRL's collators render no tools in rows with images.
"""

from preftemplates import ConsumerConfig, Dialect, TextConsumer, register_dialect

SCRIPT = '''\
{% set trainer = {"preference": "DPO", "supervised": "SFT", "unpaired": "KTO", "prompt_only": "GRPO"}[format] %}
{% set has_images = "images" in keys %}
{% set cuts_prompt = has_images and trainer == "DPO" and "prompt" not in keys %}
{% set processor = "processor" if has_images else "tokenizer" %}
{% set media_names = "Features, Image, List, " if has_images else "" %}
{% set prompt_names = ", extract_prompt" if cuts_prompt else "" %}
{% set file = "HERE / " ~ rows_nearby | tojson %}
"""Train with TRL: python {{ config }} --model_name_or_path MODEL --output_dir DIR

{% if has_images %}
MODEL is a vision-language model. Relative paths of images start from the folder of the rows.
{% elif trainer == "DPO" %}
For a reward model, write Reward instead of DPO everywhere.
{% endif %}
Further options are those of {{ trainer }}Config.
"""

from pathlib import Path

from datasets import {{ media_names }}load_dataset
from transformers import Auto{{ processor | capitalize }}
from trl import {{ trainer }}Config, {{ trainer }}Trainer, ModelConfig, TrlParser{{ prompt_names }}

HERE = Path(__file__).parent
{% if has_images %}
ROWS = {{ file }}
{% endif %}

{% if trainer == "GRPO" %}

def score(completions, **columns):
    """Return a reward for each completion; replace this function with your own."""
{% if "answer" in keys %}
    answers = columns["answer"]
    return [float(answer in str(completion)) for answer, completion in zip(answers, completions, strict=True)]
{% else %}
    raise NotImplementedError("write your own reward")
{% endif %}


{% endif %}
{% if has_images %}
{% if trainer != "GRPO" %}

{% endif %}
def find_image(image):
    """Return an image as a file, whose path starts from the folder of the rows."""
    file = {"bytes": None, "path": image} if isinstance(image, str) else image
    if file["bytes"] is None and "://" not in file["path"]:
        file = {**file, "path": str(ROWS.parent / file["path"])}
    return file


def find_images(row):
    """Return the images of a row; TRL needs an empty list if there are none."""
    return {"images": [find_image(image) for image in row["images"] or ()]}


{% endif %}
args, model = TrlParser([{{ trainer }}Config, ModelConfig]).parse_args_and_config()
{{ processor }} = Auto{{ processor | capitalize }}.from_pretrained(model.model_name_or_path)
{% if chat_template_nearby %}
{{ processor }}.chat_template = (HERE / {{ chat_template_nearby | tojson }}).read_text(encoding="utf-8")
{% endif %}
rows = load_dataset({{ loader | tojson }}, data_files=str({{ "ROWS" if has_images else file }}), split="train")
{% if cuts_prompt %}
rows = rows.map(extract_prompt)  # TRL does so by itself only for rows without images
{% endif %}
{% if has_images %}
rows = rows.map(find_images, features=Features({**rows.features, "images": List(Image())}))
{% endif %}
trainer = {{ trainer }}Trainer(
    model=model.model_name_or_path,
{% if trainer == "GRPO" %}
    reward_funcs=score,
{% endif %}
    args=args,
    train_dataset=rows,
    processing_class={{ processor }},
)
trainer.train()
trainer.save_model()
'''


def configure(*formats: str) -> ConsumerConfig:
    """Return a configuration with a script for each dataset type that TRL trains on."""
    return ConsumerConfig(".py", dict.fromkeys(formats, SCRIPT))


IMAGES = {"images": "prompt.images?"}
"""The images of the prompt; TRL has no images in answers, and no keys for videos and audio."""


@register_dialect("trl-text")
class TRLTextDialect(Dialect):
    """TRL's standard layout: prompt, chosen and rejected as text, without tokens that TRL or the tokenizer adds."""

    text_consumer = TextConsumer("TRL", "trl", appends_eos="if absent")
    config = configure("prompt_only", "supervised", "preference", "unpaired")
    prompt_only = {"prompt": "prompt", "answer": "answer?", "source": "source?"}
    supervised = {"prompt": "prompt", "completion": "completion"}
    preference = {
        "prompt": "prompt",
        "chosen": "chosen",
        "rejected": "rejected",
        "margin": "margin?",
        "probability": "probability?",
    }
    unpaired = {"prompt": "prompt", "completion": "completion", "label": "label"}
    stepwise = {"prompt": "prompt", "completions": "completions", "labels": "labels"}
    judge = supervised
    ranked = {"prompt": "prompt", "completions": "completions", "ranks": "ranks", "scores": "scores?"}
    scored = {"prompt": "prompt", "completion": "completion", "score": "score", "attributes": "attributes?"}


@register_dialect("trl", aliases=["trl-messages"])
class TRLDialect(Dialect):
    """TRL's conversational layout: prompt, chosen and rejected as messages, which TRL renders itself."""

    media = "parts"
    exclusive = ("images", "tools")
    config = configure("prompt_only", "supervised", "preference", "unpaired")
    prompt_only = {"prompt": "prompt.messages", "answer": "answer?", "source": "source?", "tools": "tools?", **IMAGES}
    supervised = {"prompt": "prompt.messages", "completion": "completion.messages", "tools": "tools?", **IMAGES}
    preference = {
        "prompt": "prompt.messages",
        "chosen": "chosen.messages",
        "rejected": "rejected.messages",
        "margin": "margin?",
        "probability": "probability?",
        "tools": "tools?",
        **IMAGES,
    }
    unpaired = {
        "prompt": "prompt.messages",
        "completion": "completion.messages",
        "label": "label",
        "tools": "tools?",
        **IMAGES,
    }
    judge = supervised
    ranked = {
        "prompt": "prompt.messages",
        "completions": "completions.messages",
        "ranks": "ranks",
        "scores": "scores?",
        "tools": "tools?",
        **IMAGES,
    }
    scored = {
        "prompt": "prompt.messages",
        "completion": "completion.messages",
        "score": "score",
        "attributes": "attributes?",
        "tools": "tools?",
        **IMAGES,
    }


@register_dialect("trl-implicit-text")
class TRLImplicitTextDialect(Dialect):
    """TRL's standard layout with an implicit prompt: whole texts, without tokens that TRL or the tokenizer adds."""

    text_consumer = TextConsumer("TRL", "trl-implicit", appends_eos="if absent")
    config = configure("supervised", "preference")
    supervised = {"text": "prompt+completion"}
    preference = {
        "chosen": "prompt+chosen",
        "rejected": "prompt+rejected",
        "margin": "margin?",
        "probability": "probability?",
    }
    judge = supervised


@register_dialect("trl-implicit", aliases=["trl-implicit-messages"])
class TRLImplicitDialect(Dialect):
    """TRL's conversational layout with an implicit prompt: whole conversations as messages."""

    media = "parts"
    exclusive = ("images", "tools")
    config = configure("supervised", "preference")
    supervised = {"messages": "prompt+completion.messages", "tools": "tools?", "images": "prompt+completion.images?"}
    preference = {
        "chosen": "prompt+chosen.messages",
        "rejected": "prompt+rejected.messages",
        "margin": "margin?",
        "probability": "probability?",
        "tools": "tools?",
        **IMAGES,
    }
    judge = supervised
