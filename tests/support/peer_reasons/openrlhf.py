"""OpenRLHF: rows without a prompt."""

REASONS = {
    "OpenRLHF renders the prompt by itself, and transformers renders no empty conversation": lambda _, row, verdict: (
        "empty prompt" in row.facts and verdict.startswith("not read: ValueError: Cannot apply chat template to an")
    ),
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
