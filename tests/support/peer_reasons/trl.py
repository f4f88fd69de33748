"""TRL: what fails an empty prompt, and where it tokenizes texts that are one text apart."""

REASONS = {
    # TRL asks one key of a row, as Python's hash seed has it, whether it holds messages; an empty list fails it
    "an empty prompt": lambda _, row, verdict: "empty prompt" in row.facts and verdict.startswith("not read"),
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
