"""axolotl: rows without a prompt."""

REASONS = {
    "axolotl's trainers, which are TRL's, ask the first message of a prompt, and an empty prompt has none": (
        lambda _, row, verdict: "empty prompt" in row.facts and verdict.startswith("not read: IndexError")
    ),
}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
