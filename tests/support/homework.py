"""The homework's class, written as the homework describes it: str.format on five attributes, and no Jinja."""

# ruff: noqa: ARG002  the class stays as it was handed in

from typing import Any

from preftemplates import Template, register_template


@register_template("HOMEWORK")
class HOMEWORK(Template):
    system_prompt: str = "BEGINNING OF CONVERSATION: "
    user_prompt: str = "USER: {input} "
    assistant_prompt: str = "ASSISTANT:{output}"
    split_token: str = "ASSISTANT:"
    separator: str = ""

    def format_supervised_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        prompt = (
            self.system_prompt
            + self.user_prompt.format(input=raw_sample["prompt"])
            + self.assistant_prompt.format(output="")
        )
        text = (
            self.system_prompt
            + self.user_prompt.format(input=raw_sample["prompt"])
            + self.assistant_prompt.format(output=raw_sample["answer"])
        )
        return {"text": text, "prompt": prompt}

    def format_preference_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        better_id = raw_sample["better_response_id"]
        worse_id = 1 - better_id
        responses = [raw_sample["response_0"], raw_sample["response_1"]]
        prompt = self.system_prompt + self.user_prompt.format(input=raw_sample["prompt"])
        return {
            "better_text": prompt + self.assistant_prompt.format(output=responses[better_id]),
            "worse_text": prompt + self.assistant_prompt.format(output=responses[worse_id]),
        }

    def check_equal(self, raw_sample: dict[str, Any]) -> bool:
        return False

    def format_prompt_only_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        prompt = (
            self.system_prompt
            + self.user_prompt.format(input=raw_sample["prompt"])
            + self.assistant_prompt.format(output="")
        )
        return {"text": prompt}
