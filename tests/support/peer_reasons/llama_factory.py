"""LLaMA-Factory: what it cannot parse in a chat template, and what it leaves out: a trim filter, one BOS only."""


def read_texts(file, row, bos=True):
    """Our text and theirs for each response, as decoded ids; without any BOS if that is asked."""
    tokenizer = file.setup.tokenizer
    number = next(index for index, one in enumerate(file.rows) if one is row)
    theirs = file.read[number].get("ids", {}) if number < len(file.read) else {}
    for name, ours in row.ids.items():
        pair = [tokenizer.decode(ids) for ids in (ours, theirs.get(name, []))]
        yield pair if bos else [text.replace(tokenizer.bos_token or "", "") for text in pair]


def count_bos(file, row):
    """How many BOS more than we LLaMA-Factory writes in a row."""
    bos = file.setup.tokenizer.bos_token
    return max(theirs.count(bos) - ours.count(bos) for ours, theirs in read_texts(file, row)) if bos else 0


def differs_in_whitespace(file, row):
    """Whether the texts without any BOS are other texts, and the same but for whitespace."""
    pairs = list(read_texts(file, row, bos=False))
    same = all("".join(ours.split()) == "".join(theirs.split()) for ours, theirs in pairs)
    return same and any(ours != theirs for ours, theirs in pairs)


def repeats_bos(file, row, verdict):
    """Whether the rows differ in BOS alone, and the tokenizer does not add it."""
    same = all(ours == theirs for ours, theirs in read_texts(file, row, bos=False))
    return verdict == "other ids" and not file.setup.adds_bos and same and count_bos(file, row) > 0


def keeps_whitespace(file, row, verdict):
    """Whether the rows differ in whitespace alone, in a style that trims."""
    return verdict == "other ids" and file.setup.style == "llama3" and differs_in_whitespace(file, row)


def needs_question(file, _row, verdict):
    """Whether the style refuses a system turn alone, which LLaMA-Factory renders to parse it."""
    style = file.setup.style
    return style == "mistral-v3" and verdict.startswith(
        "not read: TemplateError: the system text stands in a question"
    )


REASONS = {
    "LLaMA-Factory cannot parse a chat template that needs a question": needs_question,
    "LLaMA-Factory repeats the chat template's BOS where the tokenizer adds none": repeats_bos,
    "LLaMA-Factory does not trim contents as the chat template does": lambda file, row, verdict: (
        keeps_whitespace(file, row, verdict) and count_bos(file, row) == 0
    ),
    "LLaMA-Factory repeats BOS and does not trim": lambda file, row, verdict: (
        keeps_whitespace(file, row, verdict) and count_bos(file, row) > 0 and not file.setup.adds_bos
    ),
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
