"""The rows of fine-tuning files as OpenAI's API reference documents them, as strict models without other keys."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

NAME = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Text(Strict):
    type: Literal["text"]
    text: str


class ImageURL(Strict):
    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class Image(Strict):
    type: Literal["image_url"]
    image_url: ImageURL


class Asking(Strict):
    role: Literal["system", "developer"]
    content: str | list[Text]
    name: str = ""


class User(Strict):
    role: Literal["user"]
    content: str | list[Text | Image]
    name: str = ""


class Function(Strict):
    name: str = NAME
    arguments: str

    @model_validator(mode="after")
    def check_arguments(self):
        assert isinstance(json.loads(self.arguments), dict)
        return self


class Call(Strict):
    id: str = Field(min_length=1)
    type: Literal["function"]
    function: Function


class Assistant(Strict):
    role: Literal["assistant"]
    content: str | list[Text] | None = None
    name: str = ""
    refusal: str | None = None
    weight: Literal[0, 1] | None = None
    tool_calls: list[Call] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def check_something_is_there(self):
        assert self.content is not None or self.tool_calls or self.refusal is not None
        return self


class Answer(Strict):
    role: Literal["tool"]
    content: str | list[Text]
    tool_call_id: str


Turn = Annotated[Asking | User | Assistant | Answer, Field(discriminator="role")]


class Definition(Strict):
    name: str = NAME
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class Tool(Strict):
    type: Literal["function"]
    function: Definition


def check_calls_are_answered(turns: list[Any], ends_open: bool) -> None:
    """Each answer is of a call in the last turn of the assistant, and each call has one before the next turn."""
    waiting: list[str] = []
    for turn in turns:
        if isinstance(turn, Answer):
            waiting.remove(turn.tool_call_id)
            continue
        assert not waiting, "a call without an answer"
        ids = [call.id for call in (turn.tool_calls or [])] if isinstance(turn, Assistant) else []
        assert len(set(ids)) == len(ids)
        waiting = ids
    assert ends_open or not waiting


class Supervised(Strict):
    messages: list[Turn] = Field(min_length=1)
    tools: list[Tool] | None = Field(default=None, min_length=1)
    parallel_tool_calls: bool = True

    @model_validator(mode="after")
    def check_turns(self):
        assert isinstance(self.messages[-1], Assistant)
        check_calls_are_answered(self.messages, ends_open=True)
        return self


class Input(Strict):
    messages: list[Turn]
    tools: list[Tool] | None = Field(default=None, min_length=1)
    parallel_tool_calls: bool = True


class Preference(Strict):
    input: Input
    preferred_output: list[Assistant] = Field(min_length=1, max_length=1)
    non_preferred_output: list[Assistant] = Field(min_length=1, max_length=1)

    @model_validator(mode="after")
    def check_turns(self):
        check_calls_are_answered(self.input.messages, ends_open=False)
        return self


class Reinforcement(BaseModel):
    """Its graders read the keys next to `messages` and `tools`."""

    model_config = ConfigDict(extra="allow", strict=True)
    messages: list[Turn] = Field(min_length=1)
    tools: list[Tool] | None = Field(default=None, min_length=1)


ROWS = {
    "supervised": TypeAdapter(Supervised),
    "judge": TypeAdapter(Supervised),
    "preference": TypeAdapter(Preference),
    "prompt_only": TypeAdapter(Reinforcement),
}
"""What validates a row of each dataset type; null stands nowhere but in a content."""


def validate(format: str, row: Any) -> None:
    """Validate a row as the file holds it.

    Raises:
        ValidationError: the API's reference has no such row.
    """
    line = json.dumps(row, allow_nan=False)
    ROWS[format].validate_json(line)
    assert row.get("tools", row.get("input", {}).get("tools", [])) is not None
