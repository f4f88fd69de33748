"""OpenAI's package: its types judge every row, and the written script runs against an API that is answered here."""

import json
import runpy
import sys
from importlib.metadata import version
from pathlib import Path

import httpx2 as httpx
import openai
from openai.types.chat import ChatCompletionAssistantMessageParam, ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.fine_tuning.job_create_params import JobCreateParams
from pydantic import ConfigDict, TypeAdapter

STRICT = ConfigDict(extra="forbid")
MESSAGE = TypeAdapter(ChatCompletionMessageParam, config=STRICT)
ANSWER = TypeAdapter(ChatCompletionAssistantMessageParam | None, config=STRICT)
TOOL = TypeAdapter(ChatCompletionToolParam | None, config=STRICT)
JOB = TypeAdapter(JobCreateParams | None, config=STRICT)


def validate(adapter, value):
    """Validate a value and all that is in it: pydantic validates an iterable when it is read."""
    for inner in adapter.validate_python(value).values():
        if not isinstance(inner, str | dict | bool | None):
            list(inner)


def check_row(row, format):
    """Raise an error where a row holds what the package's types have not."""
    asked = row.pop("input") if format == "preference" else row
    for message in asked.pop("messages"):
        validate(MESSAGE, message)
    for tool in asked.pop("tools", []):
        validate(TOOL, tool)
    outputs = (
        [row.pop(name) for name in ("preferred_output", "non_preferred_output")] if format == "preference" else []
    )
    for (message,) in outputs:
        validate(ANSWER, message)
    assert not asked, f"other keys: {list(asked)}"
    assert not row, f"other keys: {list(row)}"


def find_fault(line, format):
    """Return what is wrong with a line of the file; None where nothing is."""
    try:
        check_row(json.loads(line), format)
    except Exception as error:  # noqa: BLE001  whatever the types refuse
        return f"{type(error).__name__}: {error}"
    return None


def run_script(path):
    """Run the written script, and return the requests that it makes."""
    requests = []

    def answer(request):
        body = request.read()
        sent = {"method": request.method, "path": request.url.path}
        if request.url.path.endswith("/fine_tuning/jobs"):
            sent["body"] = json.loads(body)
            validate(JOB, sent["body"])
            requests.append(sent)
            return httpx.Response(200, json={"id": "ftjob-1", "object": "fine_tuning.job"})
        sent["purpose"] = b"fine-tune" in body
        requests.append(sent)
        return httpx.Response(200, json={"id": "file-1", "object": "file", "status": "processed"})

    client = openai.OpenAI
    transport = httpx.Client(transport=httpx.MockTransport(answer))
    openai.OpenAI = lambda: client(api_key="none", http_client=transport)
    sys.argv = [str(path), "--model", "a-model", "--suffix", "garden"]
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        openai.OpenAI = client
    return requests


def main():
    """Read the job: files of rows with their dataset types, and the scripts that are written for them."""
    asked, given = map(Path, sys.argv[1:])
    answers = []
    for job in json.loads(asked.read_text(encoding="utf-8")):
        lines = Path(job["rows"]).read_text(encoding="utf-8").splitlines()
        faults = [find_fault(line, job["format"]) for line in lines]
        answers.append({"faults": faults, "requests": run_script(job["config"])})
    given.write_text(json.dumps({"version": version("openai"), "files": answers}), encoding="utf-8")


if __name__ == "__main__":
    main()
