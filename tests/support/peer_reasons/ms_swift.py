"""ms-swift: rows that it leaves out."""


def has_the_answer_before(file, row, verdict):
    """Whether the row before, or the last one for the first, has the same answer, which KTO is given as the other."""
    number = next(index for index, one in enumerate(file.rows) if one is row)
    answers = [result["messages"][-1]["content"] for result in file.results]
    is_refusal = verdict.startswith("not read: AssertionError: rejected_response")
    return is_refusal and file.format == "unpaired" and answers[number] == answers[number - 1]


REASONS = {
    "ms-swift leaves a row out for KTO where the row before it has the same answer": has_the_answer_before,
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
