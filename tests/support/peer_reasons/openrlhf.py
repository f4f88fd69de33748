"""openrlhf: reasons for other ids."""

REASONS = {}
"""Each reason, and whether a row of a file with a verdict is a case of it."""
